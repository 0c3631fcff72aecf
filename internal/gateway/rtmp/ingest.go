package rtmp

import (
	"log/slog"

	"weir/internal/fault"
	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/hub"
	"weir/internal/media"
)

const (
	// waitMedia is how much media (ms) is held back for a second track that nobody announced,
	// and for audio, which may be announced and never come; announcedMedia for announced video, which some
	// cameras send seconds after their audio.
	waitMedia      = 1000
	announcedMedia = 3000
	heldFrames     = 1000
	heldBytes      = 8 << 20
)

// ingest turns the media messages of one publisher into a publication. The
// server, pull and FLV pull share it.
type ingest struct {
	hub      *hub.Hub
	offer    hub.Offer
	log      *slog.Logger
	demux    flv.Demuxer
	pub      *hub.Publication
	revision int

	held      []media.Frame
	heldBytes int
	announced bool // onMetaData came
	damaged   int  // frames already counted as such
}

// data takes a data message: onMetaData is looked at, the rest (FFmpeg's timecode
// packets, cue points) is not media.
func (in *ingest) data(m rtmpmsg.Message) {
	values, _ := rtmpmsg.ParseData(m)
	if len(values) < 2 || values[0] != "onMetaData" {
		return
	}
	in.metadata(rtmpmsg.AsObject(values[1]))
}

func (in *ingest) metadata(o rtmpmsg.Object) {
	if o == nil {
		return
	}
	meta := flv.ParseMetadata(func(key string) any {
		v, _ := o.Get(key)
		return v
	})
	in.demux.SetMetadata(meta)
	in.announced = true
	if meta.Encoder != "" {
		in.offer.Origin.Software = meta.Encoder
	}
}

// media takes an audio or video message; body is not used elsewhere afterwards.
func (in *ingest) media(kind flv.TagType, ms uint32, body []byte) error {
	frames, err := in.demux.Tag(kind, ms, body)
	if err != nil {
		return err
	}
	if in.pub == nil {
		return in.hold(frames)
	}
	if r := in.demux.Revision(); r != in.revision {
		in.revision = r
		if err := in.pub.Update(in.demux.Tracks()); err != nil {
			return err
		}
	}
	for i := range frames {
		if err := in.pub.Write(frames[i]); err != nil {
			return err
		}
	}
	return nil
}

// hold keeps frames back until the tracks are known, then publishes.
func (in *ingest) hold(frames []media.Frame) error {
	for i := range frames {
		in.held = append(in.held, frames[i])
		in.heldBytes += len(frames[i].Data)
	}
	if len(in.held) == 0 || !in.complete() {
		return nil
	}
	return in.publish()
}

func (in *ingest) publish() error {
	in.offer.Tracks = in.demux.Tracks()
	in.revision = in.demux.Revision()
	pub, err := in.hub.Publish(in.offer)
	if err != nil {
		return err
	}
	in.pub = pub
	held := in.held
	in.held = nil
	for i := range held {
		if err := pub.Write(held[i]); err != nil {
			return err
		}
	}
	return nil
}

// complete decides whether to go on with the tracks known so far.
func (in *ingest) complete() bool {
	if len(in.held) >= heldFrames || in.heldBytes >= heldBytes {
		return true
	}
	tracks := in.demux.Tracks()
	video, audio := media.First(tracks, media.Video) != nil, media.First(tracks, media.Audio) != nil
	announcedMore := in.demux.Incomplete()
	if video && audio && !announcedMore {
		return true
	}
	meta := in.demux.Metadata()
	if in.announced && !announcedMore && (meta.HasVideo || meta.HasAudio) && meta.HasVideo == video && meta.HasAudio == audio {
		return true
	}
	limit := int64(waitMedia)
	if meta.HasVideo && !video {
		limit = announcedMedia
	}
	return in.heldFor(tracks) >= limit
}

// heldFor is how many ms of media are held back.
func (in *ingest) heldFor(tracks []media.Track) int64 {
	first, last := &in.held[0], &in.held[len(in.held)-1]
	a, b := media.Find(tracks, first.Track), media.Find(tracks, last.Track)
	if a == nil || b == nil {
		return 0
	}
	d := media.Rescale(last.DTS, b.TimeScale, 1000) - media.Rescale(first.DTS, a.TimeScale, 1000)
	if d < 0 {
		return -d
	}
	return d
}

// lost returns how many frames were left out since it was last asked, and tells the stream.
func (in *ingest) lost() int {
	n := in.demux.Dropped() - in.damaged
	in.damaged += n
	if n > 0 && in.pub != nil {
		in.pub.Lose(n)
	}
	return n
}

// done is closed when somebody ended the publication; nil before there is one.
func (in *ingest) done() <-chan struct{} {
	if in.pub == nil {
		return nil
	}
	return in.pub.Done()
}

// close leaves the stream. A publisher that goes before its tracks were complete is published for what it sent.
func (in *ingest) close(cause error) {
	if in.pub == nil && len(in.held) > 0 && cause == nil {
		if err := in.publish(); err != nil {
			in.log.Debug("held frames could not be published", "error", err)
		}
	}
	in.held = nil
	if in.pub != nil {
		in.pub.Close(cause)
	}
}

// errNothing is the answer to a publisher that never sent media that can be read.
func errNothing() error {
	return fault.New(fault.Invalid, "no_tracks", "The publisher sent neither video nor audio that can be read.", "Check the encoder's settings.")
}
