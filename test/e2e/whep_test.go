package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// whepViewer is pion as a viewer: one session, never made anew.
type whepViewer struct {
	pc   *webrtc.PeerConnection
	used string // the video codec that was agreed on

	mu      sync.Mutex
	states  []webrtc.PeerConnectionState
	packets map[string][]*rtp.Packet // by kind
	keep    bool
	count   map[string]int
}

// whepCodecs are what Debian's Chromium offers to receive: no HEVC.
func whepCodecs(m *webrtc.MediaEngine) error {
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	for i, c := range []webrtc.RTPCodecCapability{
		{MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f", RTCPFeedback: feedback},
		{MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", RTCPFeedback: feedback},
		{MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f", RTCPFeedback: feedback},
		{MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f", RTCPFeedback: feedback},
		{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000, RTCPFeedback: feedback},
		{MimeType: webrtc.MimeTypeVP9, ClockRate: 90000, SDPFmtpLine: "profile-id=0", RTCPFeedback: feedback},
		{MimeType: webrtc.MimeTypeAV1, ClockRate: 90000, SDPFmtpLine: "level-idx=5;profile=0;tier=0", RTCPFeedback: feedback},
	} {
		if err := m.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: c, PayloadType: webrtc.PayloadType(96 + i)}, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}
	return m.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: opus, PayloadType: 111}, webrtc.RTPCodecTypeAudio)
}

// viewWHEP opens a session. A refusal is an error that holds the server's answer. With keep the packets are kept.
func viewWHEP(ctx context.Context, t *testing.T, address string, keep bool) (*whepViewer, error) {
	t.Helper()
	m := &webrtc.MediaEngine{}
	if err := whepCodecs(m); err != nil {
		t.Fatal(err)
	}
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	v := &whepViewer{pc: pc, packets: map[string][]*rtp.Packet{}, count: map[string]int{}, keep: keep}
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		v.mu.Lock()
		v.states = append(v.states, s)
		v.mu.Unlock()
	})
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { v.read(track) })
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return v, v.exchange(ctx, address)
}

func (v *whepViewer) exchange(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(v.pc.LocalDescription().SDP))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/sdp")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s %s", resp.Status, b)
	}
	return v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(b)})
}

func (v *whepViewer) read(track *webrtc.TrackRemote) {
	kind := track.Kind().String()
	if kind == "video" {
		v.mu.Lock()
		v.used = track.Codec().MimeType
		v.mu.Unlock()
	}
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		v.mu.Lock()
		v.count[kind]++
		if v.keep {
			v.packets[kind] = append(v.packets[kind], p)
		}
		v.mu.Unlock()
	}
}

// got is how many packets of a kind have come.
func (v *whepViewer) got(kind string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.count[kind]
}

func (v *whepViewer) kept(kind string) []*rtp.Packet {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.packets[kind])
}

// alive fails the test if the session was ever anything but on its way up or connected.
func (v *whepViewer) alive(t *testing.T) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.states {
		if s != webrtc.PeerConnectionStateConnecting && s != webrtc.PeerConnectionStateConnected {
			t.Errorf("the WHEP session went through %v", v.states)
			return
		}
	}
}

// awaitPackets waits until more packets of both kinds have come than there were.
func (v *whepViewer) awaitPackets(t *testing.T, video, audio int) {
	t.Helper()
	eventually(t, 10*time.Second, "packets over WHEP", func() error {
		if a, b := v.got("video"), v.got("audio"); a <= video || b <= audio {
			return fmt.Errorf("%d video and %d audio packets", a, b)
		}
		return nil
	})
}

// span is how much media of a kind has come, by its RTP time stamps.
func (v *whepViewer) span(kind string, rate int64) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := v.packets[kind]
	if len(list) == 0 {
		return 0
	}
	return time.Duration(int64(list[len(list)-1].Timestamp-list[0].Timestamp)) * time.Second / time.Duration(rate)
}
