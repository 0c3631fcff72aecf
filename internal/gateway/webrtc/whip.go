package webrtc

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"weir/internal/fault"
	"weir/internal/hub"
)

// replayWindow is in packets: what is sent again comes that far behind the newest.
const replayWindow = 4096

// publisherAPI sets up pion for publishers: the codecs we take, and the interceptors that report what arrives. Lost packets
// are asked for by who puts them together: only there is known what came as a retransmission (RFC 4588) and what was given up.
func (g *Gateway) publisherAPI() (*webrtc.API, error) {
	m := &webrtc.MediaEngine{}
	for _, c := range publisherCodecs() {
		kind := webrtc.RTPCodecTypeVideo
		if strings.HasPrefix(c.MimeType, "audio/") {
			kind = webrtc.RTPCodecTypeAudio
		}
		if err := m.RegisterCodec(c, kind); err != nil {
			return nil, err
		}
	}
	i := &interceptor.Registry{}
	if err := webrtc.ConfigureRTCPReports(i); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureTWCCSender(m, i); err != nil {
		return nil, err
	}
	s := webrtc.SettingEngine{LoggerFactory: quiet{}}
	s.SetLite(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled) // it takes two sockets a session, for names that a lite agent never calls
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6})
	s.SetIncludeLoopbackCandidate(true)
	s.SetICETimeouts(g.config().Silence/2, g.config().Silence, 2*time.Second)
	s.SetFireOnTrackBeforeFirstRTP(false)
	s.SetSRTPReplayProtectionWindow(replayWindow)
	if g.udpMux != nil {
		s.SetICEUDPMux(g.udpMux)
	}
	if g.tcpMux != nil {
		s.SetICETCPMux(g.tcpMux)
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(i), webrtc.WithSettingEngine(s)), nil
}

// publisherCodecs lists what publishers may send, the most widely playable first. The profiles of H.264 are matched
// by pion; each codec has its retransmission format (RFC 4588).
func publisherCodecs() []webrtc.RTPCodecParameters {
	feedback := []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	list := []webrtc.RTPCodecParameters{
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2,
			SDPFmtpLine: "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"}, PayloadType: 111},
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}, PayloadType: 0},
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMA, ClockRate: 8000}, PayloadType: 8},
	}
	video := []struct{ mime, fmtp string }{
		{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
		{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"},
		{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f"},
		{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f"},
		{webrtc.MimeTypeVP8, ""},
		{webrtc.MimeTypeVP9, "profile-id=0"},
		{webrtc.MimeTypeAV1, ""},
		{webrtc.MimeTypeH265, ""},
	}
	for i, v := range video {
		pt := webrtc.PayloadType(96 + 2*i)
		if pt == 110 { // 111 is Opus
			pt = 120
		}
		list = append(list,
			webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: v.mime, ClockRate: 90000, SDPFmtpLine: v.fmtp, RTCPFeedback: feedback}, PayloadType: pt},
			webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: fmt.Sprintf("apt=%d", pt)}, PayloadType: pt + 1})
	}
	return list
}

// publish answers a WHIP offer and starts the session.
func (g *Gateway) publish(r *http.Request, res *resource, offer string) (answer, error) {
	if s := g.hub.Stream(res.session.Name()); s != nil && s.State() == hub.Live && !g.config().TakeOver && !silent(s) {
		return answer{}, fault.New(fault.Conflict, "stream_busy", s.Name()+" already has a publisher ("+s.Publisher().Remote+").",
			"Stop the other encoder, kick it from the stream page, or allow take-over for this stream.")
	}
	pc, err := g.api.NewPeerConnection(webrtc.Configuration{BundlePolicy: webrtc.BundlePolicyMaxBundle})
	if err != nil {
		return answer{}, err
	}
	p := &publisher{gateway: g, res: res, pc: pc, ended: make(chan error, 1)}
	p.ingest = newIngest(g, res, p.askKey, r.UserAgent())
	local, err := p.negotiate(offer)
	if err != nil {
		_ = pc.Close()
		return answer{}, err
	}
	res.ufrag = strings.Clone(attribute(offer, "ice-ufrag"))
	res.trickle = p.trickle
	unexpect := g.port.expect(strings.Clone(attribute(local, "ice-ufrag")))
	g.run(res, func(ctx context.Context) error {
		defer unexpect()
		return p.run(ctx)
	})
	return answer{sdp: withCandidates(local, g.candidates(r))}, nil
}

// silent tells whether a stream's publisher has sent nothing of late, so that a dead one does not block its own key.
func silent(s *hub.Stream) bool {
	const dead = 5 * time.Second
	sub := s.Subscribe(hub.Want{})
	defer sub.Close()
	var last int64
	for {
		item, ok, err := sub.TryNext()
		if !ok || err != nil {
			return last != 0 && time.Since(time.Unix(0, last)) > dead
		}
		last = item.Wall
	}
}

// publisher is one WHIP session.
type publisher struct {
	gateway *Gateway
	res     *resource
	pc      *webrtc.PeerConnection
	ingest  *ingest
	ended   chan error
	tracks  sync.WaitGroup

	mu      sync.Mutex
	ssrcs   []uint32 // of video
	lastAsk time.Time
	up      bool
}

func (p *publisher) end(err error) {
	select {
	case p.ended <- err:
	default:
	}
}

// negotiate sets the descriptions. The answer carries no candidates that count: ours replace them.
func (p *publisher) negotiate(offer string) (string, error) {
	whip := readWHIP(offer)
	p.pc.OnTrack(func(t *webrtc.TrackRemote, rec *webrtc.RTPReceiver) { p.track(t, rec) })
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			p.mu.Lock()
			p.up = true
			p.mu.Unlock()
		case webrtc.PeerConnectionStateFailed:
			p.end(p.gateway.errSilent())
		case webrtc.PeerConnectionStateClosed:
			p.end(errLeft())
		}
	})
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: whip.text()}); err != nil {
		return "", fault.Wrap(err, fault.Invalid, "offer_malformed", "The SDP offer cannot be used.", "Offer H.264 and Opus as a browser does.")
	}
	sending := 0
	for _, t := range p.pc.GetTransceivers() {
		if t.Direction() == webrtc.RTPTransceiverDirectionRecvonly || t.Direction() == webrtc.RTPTransceiverDirectionSendrecv {
			sending++
			preferH264(t)
		}
	}
	p.ingest.expect(sending)
	a, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", fault.Wrap(err, fault.Unsupported, "codec_not_in_webrtc", "The offer has no codec that Weir takes.",
			"Offer H.264, VP8, VP9 or AV1 with Opus.")
	}
	if !takesMedia(a.SDP) {
		return "", fault.New(fault.Unsupported, "codec_not_in_webrtc", "The offer sends nothing that Weir takes.",
			"Offer H.264, VP8, VP9 or AV1 with Opus, to be sent (a=sendonly).")
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(a); err != nil {
		return "", fault.Wrap(err, fault.Invalid, "offer_malformed", "The SDP offer cannot be answered.", "Offer H.264 and Opus as a browser does.")
	}
	<-gathered
	return whip.answer(p.pc.LocalDescription().SDP), nil
}

// takesMedia tells whether anything comes in by an answer: pion answers an offer of which it takes nothing, too.
func takesMedia(text string) bool {
	var d sdp.SessionDescription
	if d.UnmarshalString(text) != nil {
		return false
	}
	return slices.ContainsFunc(d.MediaDescriptions, func(m *sdp.MediaDescription) bool {
		return has(m, "recvonly") && m.MediaName.Port.Value != 0
	})
}

// preferH264 puts H.264 first in the answer, the one codec that every other output plays; browsers send the first.
func preferH264(t *webrtc.RTPTransceiver) {
	if t.Kind() != webrtc.RTPCodecTypeVideo {
		return
	}
	codecs := t.Receiver().GetParameters().Codecs
	slices.SortStableFunc(codecs, func(a, b webrtc.RTPCodecParameters) int {
		rank := func(c webrtc.RTPCodecParameters) int {
			if strings.EqualFold(c.MimeType, webrtc.MimeTypeH264) {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	_ = t.SetCodecPreferences(codecs) // what cannot be preferred is still answered
}

func (g *Gateway) errSilent() error {
	return fault.New(fault.Unavailable, "peer_silent", "Nothing was heard from the peer any more.", "Check its network. "+g.firewall())
}

func (g *Gateway) errICE() error {
	return fault.New(fault.Unavailable, "ice_failed", "The media connection did not come up.", g.firewall())
}

// firewall says which ports peers must reach.
func (g *Gateway) firewall() string {
	udp, tcp := g.Ports()
	switch {
	case tcp == 0:
		return fmt.Sprintf("Open UDP port %d in the firewall.", udp)
	case udp == 0:
		return fmt.Sprintf("Open TCP port %d in the firewall.", tcp)
	case udp == tcp:
		return fmt.Sprintf("Open port %d in the firewall, for UDP or at least TCP.", udp)
	default:
		return fmt.Sprintf("Open UDP port %d, or at least TCP port %d, in the firewall.", udp, tcp)
	}
}

func errLeft() error {
	return fault.New(fault.Unavailable, "peer_left", "The peer closed the connection.", "")
}

// trickle hands the publisher's further candidates to ICE.
func (p *publisher) trickle(lines string) {
	for line := range strings.Lines(lines) {
		if c, ok := strings.CutPrefix(strings.TrimSpace(line), "a=candidate:"); ok {
			_ = p.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: "candidate:" + c})
		}
	}
}

// run keeps the session until it ends.
func (p *publisher) run(ctx context.Context) error {
	defer p.tracks.Wait()
	defer func() { _ = p.pc.Close() }()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	var err error
	for err == nil {
		select {
		case <-ctx.Done():
			err = context.Cause(ctx)
		case err = <-p.ended:
		case <-p.ingest.over():
			err = p.ingest.err()
		case now := <-tick.C:
			p.mu.Lock()
			up := p.up
			p.mu.Unlock()
			switch late := now.Sub(begun); {
			case !up && late > p.gateway.config().Handshake:
				err = p.gateway.errICE()
			case late > p.gateway.config().Handshake+p.gateway.config().Silence && !p.ingest.published():
				err = errNoMedia()
			}
			if wait, ok := p.ingest.needsKey(now); ok {
				p.askKeyAfter(wait)
			}
		}
	}
	p.ingest.close(err)
	return err
}

// track reads one of the publisher's tracks until it ends. pion calls it on a goroutine of its own.
func (p *publisher) track(t *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	p.tracks.Add(1)
	defer p.tracks.Done()
	in := p.ingest.open(t.Codec().MimeType)
	if in == nil {
		return
	}
	if t.Kind() == webrtc.RTPCodecTypeVideo {
		p.mu.Lock()
		p.ssrcs = append(p.ssrcs, uint32(t.SSRC()))
		p.mu.Unlock()
		p.askKey()
	}
	if slices.ContainsFunc(t.Codec().RTCPFeedback, func(f webrtc.RTCPFeedback) bool { return f.Type == "nack" && f.Parameter == "" }) {
		in.repair = func(missing []uint16) { p.askAgain(uint32(t.SSRC()), missing) }
	}
	p.tracks.Go(func() { readReports(receiver, in) })
	err := p.gateway.guard(func() error {
		for {
			packet, _, err := t.ReadRTP()
			if err != nil {
				return nil //nolint:nilerr // the connection's own state tells why
			}
			if err := in.packet(packet); err != nil {
				return err
			}
		}
	})
	if err != nil {
		p.end(err)
	}
}

// readReports takes the sender reports of a track: they tie its clock to the others'.
func readReports(receiver *webrtc.RTPReceiver, in *inTrack) {
	for {
		packets, _, err := receiver.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if sr, ok := p.(*rtcp.SenderReport); ok {
				in.report(sr.NTPTime, sr.RTPTime)
			}
		}
	}
}

// askAgain asks the publisher for packets that are missing (RFC 4585 section 6.2.1).
func (p *publisher) askAgain(ssrc uint32, missing []uint16) {
	p.gateway.count.askedAgain.Add(uint64(len(missing)))
	_ = p.pc.WriteRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(missing)}})
}

// askKey asks the publisher for a key frame, at most twice a second.
func (p *publisher) askKey() { p.askKeyAfter(askEvery) }

// askKeyAfter asks for a key frame unless one was asked for less than wait ago.
func (p *publisher) askKeyAfter(wait time.Duration) {
	p.mu.Lock()
	now := time.Now()
	if len(p.ssrcs) == 0 || now.Sub(p.lastAsk) < wait {
		p.mu.Unlock()
		return
	}
	p.lastAsk = now
	ask := make([]rtcp.Packet, len(p.ssrcs))
	for i, s := range p.ssrcs {
		ask[i] = &rtcp.PictureLossIndication{MediaSSRC: s}
	}
	p.mu.Unlock()
	p.gateway.count.keyAsked.Add(1)
	_ = p.pc.WriteRTCP(ask)
}
