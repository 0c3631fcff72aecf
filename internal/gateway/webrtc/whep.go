package webrtc

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"time"

	"weir/internal/codec"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

// play answers a WHEP offer and starts the session.
func (g *Gateway) play(r *http.Request, res *resource, text string) (answer, error) {
	o, err := readMedia(text)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.config().Wait+g.config().AudioWait)
	defer cancel()
	p, err := g.prepare(ctx, res.session.Name(), &o)
	if err != nil {
		return answer{}, err
	}
	v := &viewer{gateway: g, res: res, program: p, ended: make(chan error, 1), left: make(chan struct{})}
	parts := answerParts{fingerprint: g.fingerprint, candidates: g.candidates(r)}
	if c, ok := o.choose("video", p.video, p.config); ok {
		c.ssrc = random32()
		v.out[laneVideo-1].set(&c, p.video, random32())
		if p.converted && c.delay != 0 {
			v.out[laneVideo-1].extend = playoutDelay(c.delay, convertedDelay)
		}
		parts.video = &c
		res.session.SetDetail("video", p.video.String())
	}
	if c, ok := o.choose("audio", p.audio, nil); ok {
		c.ssrc = random32()
		v.out[laneAudio-laneVideo].set(&c, p.audio, random32())
		parts.audio = &c
		res.session.SetDetail("audio", p.audio.String())
	}
	if parts.video == nil && (parts.audio == nil || p.video != 0 && o.wants("video")) {
		p.lane.Close()
		return answer{}, errCodec(p.video, p.audio)
	}
	v.transport = newTransport(g, o.fingerprints, v.reports)
	parts.ufrag, parts.pwd = v.transport.ufrag, v.transport.pwd
	res.ufrag = o.ufrag
	res.trickle = nil // the peer's checks tell where it is: a lite agent needs no candidates
	g.run(res, v.run)
	return answer{sdp: o.answer(parts), notice: p.notice}, nil
}

func random32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint32(b[:]) | 1
}

// program is what a viewer will get: the lane and what is in it.
type program struct {
	lane         *hub.Lane
	video, audio media.Codec
	config       []byte // of the video
	converted    bool   // the audio is made here, so it comes later than the picture
	notice       string // what is missing, and why
}

// prepare finds the stream, chooses what can be shown, and waits a little for audio that has to be made.
func (g *Gateway) prepare(ctx context.Context, name string, o *offered) (program, error) {
	sub, err := g.hub.Subscribe(ctx, name, hub.Want{Wait: g.config().Wait, Patient: true})
	if err != nil {
		return program{}, err
	}
	defer sub.Close()
	s := sub.Stream()
	if video := media.First(s.Tracks(), media.Video); video != nil {
		if _, ok := o.choose("video", video.Codec, video.Config); !ok && o.wants("video") { // asked first, so that the answer is always the same
			return program{}, errCodec(video.Codec, 0)
		}
	}
	if o.wants("video") {
		if err := playable(s, sub); err != nil {
			return program{}, err
		}
	}
	want := chooseSound(s.Tracks(), o)
	p := program{}
	if want == opusSound {
		// The lane is opened after its audio is there: a track that joins later moves the point where newcomers
		// start to the next key frame.
		asking := s.Subscribe(hub.Want{Need: media.Opus, FromNow: true})
		defer asking.Close()
		p.notice = g.awaitAudio(ctx, s)
	}
	p.lane = s.Lane(hub.LaneKey{Format: "rtp", Variant: string(want)}, want.want(), newPacketLane(want))
	video, audio := want.pick(s.Tracks())
	if video != nil {
		p.video, p.config = video.Codec, video.Config
	}
	if audio != nil {
		p.audio, p.converted = audio.Codec, audio.Derived
	}
	if video == nil {
		if other := media.First(s.Tracks(), media.Video); other != nil {
			p.lane.Close()
			return program{}, errCodec(other.Codec, 0)
		}
	}
	if video == nil && audio == nil {
		p.lane.Close()
		return program{}, errCodec(0, 0)
	}
	return p, nil
}

func errCodec(video, audio media.Codec) error {
	name := "This stream"
	if video != 0 {
		name = video.String() + " video"
	} else if audio != 0 {
		name = audio.String() + " audio"
	}
	return fault.New(fault.Unsupported, "codec_not_in_webrtc", name+" cannot be shown over WebRTC by this viewer.",
		"Watch over HLS, or let the encoder send H.264 without B-frames.")
}

func errEnded() error {
	return fault.New(fault.NotFound, "stream_ended", "The stream has ended.", "")
}

// playable refuses video that has B-frames, which it looks for where the configuration does not rule them out.
func playable(s *hub.Stream, sub *hub.Subscription) error {
	video := media.First(s.Tracks(), media.Video)
	if video == nil || codec.Reorder(video) == 0 {
		return nil
	}
	o := order{may: true}
	for {
		item, ok, err := sub.TryNext()
		if err != nil || !ok {
			return nil //nolint:nilerr // nothing more to look at; a later B-frame ends the session
		}
		if item.Track == video.ID && o.broken(video.Codec, &item.Frame) {
			return errBFrames()
		}
	}
}

func errBFrames() error {
	return fault.New(fault.Unsupported, "b_frames_in_webrtc", "The video has B-frames, which browsers cannot show in real time.",
		"Set B-frames to 0 in the encoder (x264: bf=0), or watch over HLS.")
}

// chooseSound decides which audio the viewer's lane carries: G.711 as it is, anything else as Opus.
func chooseSound(tracks []media.Track, o *offered) sound {
	have := false
	for i := range tracks {
		t := &tracks[i]
		if t.Kind != media.Audio {
			continue
		}
		have = true
		if _, ok := o.choose("audio", t.Codec, nil); ok && g711Sound.fits(t.Codec) {
			return g711Sound
		}
	}
	if _, ok := o.choose("audio", media.Opus, nil); ok && have {
		return opusSound
	}
	return noSound
}

// awaitAudio waits for the Opus track that the Supplier makes. The answer is what to tell the viewer if none comes.
func (g *Gateway) awaitAudio(ctx context.Context, s *hub.Stream) string {
	ctx, cancel := context.WithTimeout(ctx, g.config().AudioWait)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, audio := opusSound.pick(s.Tracks()); audio != nil {
			return ""
		}
		select {
		case <-tick.C:
		case <-s.Done():
			return ""
		case <-ctx.Done():
			return "video only: the audio could not be converted to Opus in time"
		}
	}
}
