package webrtc

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	pion "github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"weir/internal/codec"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

// play answers a WHEP offer and starts the session.
func (g *Gateway) play(r *http.Request, res *resource, offer string) (answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), g.cfg.Wait+g.cfg.AudioWait)
	defer cancel()
	p, err := g.prepare(ctx, res.session.Name(), offer)
	if err != nil {
		return answer{}, err
	}
	v := &viewer{gateway: g, res: res, program: p, signal: make(chan struct{}, 1), ended: make(chan error, 1)}
	local, err := v.negotiate(offer)
	if err != nil {
		p.lane.Close()
		return answer{}, err
	}
	res.ufrag = attribute(offer, "ice-ufrag")
	g.run(res, v.run)
	return answer{sdp: withCandidates(local, g.candidates(r)), notice: p.notice}, nil
}

// program is what a viewer will get: the lane and what is in it.
type program struct {
	lane         *hub.Lane
	video, audio media.Codec
	track        *media.Track // the video
	notice       string       // what is missing, and why
}

// prepare finds the stream, chooses what can be shown, and waits a little for audio that has to be made.
func (g *Gateway) prepare(ctx context.Context, name, offer string) (program, error) {
	sub, err := g.hub.Subscribe(ctx, name, hub.Want{Wait: g.cfg.Wait})
	if err != nil {
		return program{}, err
	}
	defer sub.Close()
	s := sub.Stream()
	if err := g.playable(s, sub); err != nil {
		return program{}, err
	}
	p := program{}
	want := chooseSound(s.Tracks(), offer)
	p.lane = s.Lane(hub.LaneKey{Format: "rtp", Variant: string(want)}, want.want(), newPacketLane(want))
	if want == opusSound {
		p.notice = g.awaitAudio(ctx, s)
	}
	video, audio := want.pick(s.Tracks())
	if video != nil {
		p.video, p.track = video.Codec, video
	}
	if audio != nil {
		p.audio = audio.Codec
	}
	if p.video == 0 && p.audio == 0 {
		p.lane.Close()
		return program{}, errCodec(s.Tracks())
	}
	return p, nil
}

func errCodec(tracks []media.Track) error {
	name := "Its codec"
	if t := media.First(tracks, media.Video); t != nil {
		name = t.Codec.String()
	} else if t := media.First(tracks, media.Audio); t != nil {
		name = t.Codec.String()
	}
	return fault.New(fault.Unsupported, "codec_not_in_webrtc", name+" cannot be shown over WebRTC by this viewer.",
		"Watch over HLS, or let the encoder send H.264 without B-frames.")
}

// playable refuses what no browser shows in real time.
func (g *Gateway) playable(s *hub.Stream, sub *hub.Subscription) error {
	video := media.First(s.Tracks(), media.Video)
	if video == nil || codec.Reorder(video) == 0 {
		return nil
	}
	for {
		item, ok, err := sub.TryNext()
		if err != nil || !ok {
			return nil //nolint:nilerr // nothing more to look at; a later B-frame ends the session
		}
		if item.Track == video.ID && codec.IsB(video.Codec, item.Data) {
			return errBFrames()
		}
	}
}

func errBFrames() error {
	return fault.New(fault.Unsupported, "b_frames_in_webrtc", "The video has B-frames, which browsers cannot show in real time.",
		"Set B-frames to 0 in the encoder (OBS: profile baseline, or bf=0), or watch over HLS.")
}

// chooseSound decides which audio the viewer's lane carries.
func chooseSound(tracks []media.Track, offer string) sound {
	var have bool
	for i := range tracks {
		switch c := tracks[i].Codec; {
		case g711Sound.fits(c) && strings.Contains(offer, " PCM"):
			return g711Sound
		case c.Kind() == media.Audio:
			have = true
		}
	}
	if have && strings.Contains(strings.ToLower(offer), " opus/48000") {
		return opusSound
	}
	return noSound
}

// awaitAudio waits for the Opus track that the Supplier makes. The answer is what to tell the viewer if none comes.
func (g *Gateway) awaitAudio(ctx context.Context, s *hub.Stream) string {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.AudioWait)
	defer cancel()
	events, stop := g.hub.Watch()
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, audio := opusSound.pick(s.Tracks()); audio != nil {
			return ""
		}
		select {
		case <-events:
		case <-tick.C:
		case <-ctx.Done():
			return "video-only; the audio could not be converted to Opus in time"
		}
	}
}

// viewer is one WHEP session.
type viewer struct {
	gateway      *Gateway
	res          *resource
	program      program
	pc           *webrtc.PeerConnection
	video, audio *webrtc.TrackLocalStaticRTP
	signal       chan struct{}
	ended        chan error
	sequence     [2]uint16
}

// LaneChanged wakes the viewer.
func (v *viewer) LaneChanged(*hub.Lane, bool) {
	select {
	case v.signal <- struct{}{}:
	default:
	}
}

func capability(c media.Codec, t *media.Track) webrtc.RTPCodecCapability {
	switch c {
	case media.H264:
		profile := map[byte]string{66: "42e01f", 77: "4d001f", 100: "64001f"}[t.Config[1]]
		return webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
			SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile}
	case media.Opus:
		return webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	case media.PCMA, media.PCMU:
		return webrtc.RTPCodecCapability{MimeType: map[media.Codec]string{media.PCMA: webrtc.MimeTypePCMA, media.PCMU: webrtc.MimeTypePCMU}[c], ClockRate: 8000}
	case media.HEVC:
		return webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH265, ClockRate: 90000}
	default:
		return webrtc.RTPCodecCapability{MimeType: "video/" + c.String(), ClockRate: 90000}
	}
}

func (v *viewer) negotiate(offer string) (_ string, err error) {
	v.pc, err = v.gateway.api.NewPeerConnection(webrtc.Configuration{BundlePolicy: webrtc.BundlePolicyMaxBundle})
	if err != nil {
		return "", err
	}
	if err := v.describe(offer); err != nil {
		_ = v.pc.Close()
		return "", fault.Wrap(err, fault.Unsupported, "codec_not_in_webrtc", "The offer does not fit the stream's codecs.", "Watch over HLS.")
	}
	return v.pc.LocalDescription().SDP, nil
}

func (v *viewer) describe(offer string) error {
	add := func(c media.Codec, kind string) (*webrtc.TrackLocalStaticRTP, error) {
		t, err := webrtc.NewTrackLocalStaticRTP(capability(c, v.program.track), kind, "weir")
		if err != nil {
			return nil, err
		}
		sender, err := v.pc.AddTrack(t)
		if err != nil {
			return nil, err
		}
		v.gateway.wg.Go(func() {
			for {
				if _, _, err := sender.ReadRTCP(); err != nil {
					return
				}
			}
		})
		return t, nil
	}
	v.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			v.end(nil)
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			v.end(errLeft())
		}
	})
	if err := v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return err
	}
	var err error
	if v.program.video != 0 {
		if v.video, err = add(v.program.video, "video"); err != nil {
			return err
		}
	}
	if v.program.audio != 0 {
		if v.audio, err = add(v.program.audio, "audio"); err != nil {
			return err
		}
	}
	a, err := v.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(v.pc)
	if err := v.pc.SetLocalDescription(a); err != nil {
		return err
	}
	<-gathered
	return nil
}

func (v *viewer) end(err error) {
	select {
	case v.ended <- err:
	default:
	}
}

func (v *viewer) run(ctx context.Context) error {
	defer v.program.lane.Close()
	defer func() { _ = v.pc.Close() }()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-v.ended:
		if err != nil {
			return err
		}
	case <-time.After(v.gateway.cfg.Handshake):
		return errICE()
	}
	lane := v.program.lane
	lane.Watch(v)
	defer lane.Unwatch(v)
	_, pos := lane.Join()
	var bufs [][]byte
	for {
		var b hub.Batch
		bufs, b = lane.Read(bufs[:0], pos, 256)
		pos = b.Next
		for _, buf := range bufs {
			if err := v.send(buf); err != nil {
				return err
			}
		}
		if b.Ended {
			return fault.New(fault.NotFound, "stream_ended", "The stream has ended.", "")
		}
		if len(bufs) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-v.ended:
			return err
		case <-v.signal:
		}
	}
}

func (v *viewer) send(b []byte) error {
	if isNotice(b) {
		if l := readNotice(b); l.BFrames {
			return errBFrames()
		} else if l.Video != v.program.video {
			return fault.New(fault.Unavailable, "codec_changed", fmt.Sprintf("The video changed to %v.", l.Video), "Connect again.")
		}
		return nil
	}
	var p pion.Packet
	if err := p.Unmarshal(b); err != nil {
		return nil //nolint:nilerr // our own packets parse
	}
	t, i := v.video, 0
	if p.SSRC == laneAudio {
		t, i = v.audio, 1
	}
	if t == nil {
		return nil
	}
	p.SequenceNumber = v.sequence[i]
	v.sequence[i]++
	v.res.session.Out(len(b))
	v.gateway.count.packetsOut.Add(1)
	_ = t.WriteRTP(&p)
	return nil
}
