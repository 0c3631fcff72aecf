package mpegts

import (
	"bytes"
	"slices"

	"weir/internal/codec"
	"weir/internal/codec/aac"
	"weir/internal/codec/opus"
	"weir/internal/media"
)

// announcer keeps the first frames until all tracks are described, or three seconds or a
// few megabytes have come without; a track that is late is announced when it comes.
type announcer struct {
	d     *Demuxer
	told  []media.Track // as announced last
	open  bool          // told, and frames pass
	held  []media.Frame
	bytes int
}

// identify describes an audio track by its first frame, and notices when it changes. data
// is the frame with its framing.
func (s *stream) identify(data, frame []byte, scale uint32) error {
	var config []byte
	switch s.track.Codec {
	case media.AAC:
		h, err := aac.ParseADTS(data)
		if err != nil {
			return nil
		}
		if config, err = aac.Build(h.Config()); err != nil {
			return nil
		}
	case media.Opus:
		if s.known {
			return nil
		}
		channels := s.track.Channels
		if channels == 0 {
			channels = 1
			if opus.Stereo(frame) {
				channels = 2
			}
		}
		config = opus.Build(opusConfig(channels))
	default:
		if s.known && s.track.TimeScale == scale {
			return nil
		}
	}
	if s.known && bytes.Equal(config, s.track.Config) && s.track.TimeScale == scale {
		return nil
	}
	s.track.TimeScale = scale
	return s.configure(config, frame)
}

// opusLayouts are the streams, coupled streams and mapping of 3 to 8 channels (RFC 7845
// 5.1.1.2), which the channel configurations of the transport stream stand for.
var opusLayouts = [...]struct {
	streams, coupled int
	mapping          []byte
}{
	{2, 1, []byte{0, 2, 1}},
	{2, 2, []byte{0, 1, 2, 3}},
	{3, 2, []byte{0, 4, 1, 2, 3}},
	{4, 2, []byte{0, 4, 1, 2, 3, 5}},
	{4, 3, []byte{0, 4, 1, 2, 3, 5, 6}},
	{5, 3, []byte{0, 6, 1, 2, 3, 4, 5, 7}},
}

func opusConfig(channels int) *opus.Config {
	c := opus.New(min(channels, 2))
	if channels > 2 && channels-3 < len(opusLayouts) {
		l := &opusLayouts[channels-3]
		c.Channels, c.Family, c.Streams, c.Coupled, c.Mapping = channels, 1, l.streams, l.coupled, l.mapping
	}
	return c
}

// ignore passes over a stream that turned out to be of a codec Weir does not know.
func (a *announcer) ignore(s *stream) error {
	pid := uint16(s.track.ID)
	delete(a.d.streams, pid)
	a.d.order = slices.DeleteFunc(a.d.order, func(p uint16) bool { return p == pid })
	a.d.stats.Ignored = append(a.d.stats.Ignored, Ignored{pid, typeMPEG1Audio})
	return a.changed()
}

// configure takes a configuration over. A changed one is a changed track.
func (s *stream) configure(config, sample []byte) error {
	t := s.track
	t.Config = config
	if err := codec.Describe(&t, sample); err != nil {
		s.d.stats.Damaged++
		return nil
	}
	s.track, s.known = t, true
	return s.d.tracks.changed()
}

// changed tells the tracks anew if they have been told before, or if they are complete now.
func (a *announcer) changed() error {
	if !a.open {
		for _, s := range a.d.streams {
			if !s.known {
				return nil
			}
		}
	}
	return a.announce()
}

func (a *announcer) frame(s *stream, f media.Frame) error {
	if a.open {
		if !s.known {
			return nil // nobody could decode it yet
		}
		return a.d.h.Frame(f)
	}
	a.held = append(a.held, f)
	a.bytes += len(f.Data)
	if a.bytes > maxHeld || len(a.held) > maxFrames || s.latest-s.first > waitTicks {
		return a.announce()
	}
	return nil
}

// announce tells the tracks that are described, and lets the frames kept for them go.
func (a *announcer) announce() error {
	var tracks []media.Track
	for _, pid := range a.d.order {
		if s := a.d.streams[pid]; s != nil && s.known {
			tracks = append(tracks, s.track)
		}
	}
	if len(tracks) == 0 {
		if a.bytes > maxHeld || len(a.held) > maxFrames {
			a.drop()
		}
		return nil
	}
	if !a.same(tracks) {
		a.told = tracks
		if err := a.d.h.Tracks(tracks); err != nil {
			return err
		}
	}
	held := a.held
	a.drop()
	a.open = true
	for _, f := range held {
		if media.Find(a.told, f.Track) == nil {
			continue
		}
		if err := a.d.h.Frame(f); err != nil {
			return err
		}
	}
	return nil
}

func (a *announcer) drop() { a.held, a.bytes = nil, 0 }

func (a *announcer) same(tracks []media.Track) bool {
	if len(tracks) != len(a.told) {
		return false
	}
	for i := range tracks {
		if tracks[i].ID != a.told[i].ID || !tracks[i].SameFormat(&a.told[i]) {
			return false
		}
	}
	return true
}
