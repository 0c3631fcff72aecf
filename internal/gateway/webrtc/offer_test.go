package webrtc

import (
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
	"github.com/pion/stun/v4"

	"weir/internal/media"
)

func request(t testing.TB) *http.Request {
	t.Helper()
	return httptest.NewRequest(http.MethodPost, "http://127.0.0.1/live/show/whep", nil)
}

func offerFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n")
}

// avc is a configuration of one profile, with a parameter set as short as may be.
func avc(idc, constraints byte) []byte {
	return []byte{1, idc, constraints, 31, 0xff, 0xe1, 0, 5, 0x67, idc, constraints, 31, 0x80, 1, 0, 2, 0x68, 0x80}
}

func TestChromiumsOfferIsUnderstood(t *testing.T) {
	o, err := readMedia(offerFile(t, "chromium.sdp"))
	if err != nil {
		t.Fatal(err)
	}
	if len(o.media) != 2 || o.ufrag == "" || len(o.fingerprints) != 1 || len(o.fingerprints[0]) != 95 {
		t.Fatalf("%+v", o)
	}
	for _, c := range []struct {
		name    string
		codec   media.Codec
		config  []byte
		profile string // of the payload type chosen
	}{
		{"constrained baseline", media.H264, avc(66, 0xc0), "42e0"},
		{"baseline", media.H264, avc(66, 0), "4200"},
		{"main", media.H264, avc(77, 0), "4d00"},
		{"high", media.H264, avc(100, 0), "f400"}, // Debian's Chromium names no plain high
		{"constrained high", media.H264, avc(100, 0x0c), "f400"},
		{"4:4:4", media.H264, avc(244, 0), "f400"},
		{"VP8", media.VP8, nil, ""},
		{"VP9", media.VP9, nil, ""},
		{"AV1", media.AV1, nil, ""},
	} {
		got, ok := o.choose("video", c.codec, c.config)
		if !ok || !strings.HasPrefix(parameter(got.codec.fmtp, "profile-level-id"), c.profile) {
			t.Errorf("%s: %v %+v", c.name, ok, got.codec)
		}
	}
	if _, ok := o.choose("video", media.H264, avc(110, 0)); ok {
		t.Error("10 bit was accepted")
	}
	if got, ok := o.choose("audio", media.Opus, nil); !ok || got.codec.payload != 111 {
		t.Errorf("Opus: %v %+v", ok, got)
	}
	if got, ok := o.choose("audio", media.PCMU, nil); !ok || got.codec.payload != 0 {
		t.Errorf("PCMU: %v %+v", ok, got)
	}
}

func TestAnswerIsWellFormed(t *testing.T) {
	o, err := readMedia(offerFile(t, "chromium.sdp"))
	if err != nil {
		t.Fatal(err)
	}
	video, _ := o.choose("video", media.H264, avc(66, 0xc0))
	video.ssrc = 77
	text := o.answer(answerParts{ufrag: "u", pwd: "p", fingerprint: "AA", candidates: []string{"candidate:1 1 udp 1 127.0.0.1 9 typ host"}, video: &video})
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(d.MediaDescriptions) != len(o.media) {
		t.Fatalf("%d sections", len(d.MediaDescriptions))
	}
	for i, m := range d.MediaDescriptions {
		carries := i == video.section
		if (m.MediaName.Port.Value != 0) != carries || m.MediaName.Media != o.media[i].kind {
			t.Errorf("section %d: %+v", i, m.MediaName)
		}
		if _, ok := m.Attribute("candidate"); ok != carries {
			t.Errorf("section %d: candidates %v", i, ok)
		}
	}
	if group, _ := d.Attribute("group"); group != "BUNDLE "+o.media[video.section].mid {
		t.Errorf("group %q", group)
	}
}

// Chromium refuses to move a bundle's transport away from its first section, so that one stays open where only the other has media.
func TestAnswerKeepsTheFirstSection(t *testing.T) {
	o, err := readMedia(offerFile(t, "chromium.sdp"))
	if err != nil {
		t.Fatal(err)
	}
	audio, ok := o.choose("audio", media.Opus, nil)
	if !ok || audio.section == 0 {
		t.Fatalf("sound in section %d, %v", audio.section, ok)
	}
	text := o.answer(answerParts{ufrag: "u", pwd: "p", fingerprint: "AA", candidates: []string{"candidate:1 1 udp 1 127.0.0.1 9 typ host"}, audio: &audio})
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	first := d.MediaDescriptions[0]
	_, idle := first.Attribute("inactive")
	_, reached := first.Attribute("candidate")
	if first.MediaName.Port.Value == 0 || !idle || !reached {
		t.Errorf("the first section:\n%s", text)
	}
	if group, _ := d.Attribute("group"); group != "BUNDLE "+o.media[0].mid+" "+o.media[audio.section].mid {
		t.Errorf("group %q", group)
	}
}

func TestCandidates(t *testing.T) {
	g := &Gateway{}
	g.cfg.Store(&Config{UDP: ":1", Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.7")}})
	lines := g.candidateLines([]netip.Addr{netip.MustParseAddr("192.0.2.1")})
	if len(lines) != 0 {
		t.Errorf("%q without a port", lines)
	}
	var w *world
	var udp, tcp int
	for tries := 0; udp == 0 || udp != tcp; tries++ {
		if tries == 5 { // another program may hold the number over TCP, but not each time
			t.Fatalf("ports %d and %d", udp, tcp)
		}
		w = newWorld(t, Config{UDP: "0.0.0.0:0", TCP: "0.0.0.0:0", Addresses: g.config().Addresses})
		udp, tcp = w.gw.Ports()
	}
	r := httptest.NewRequest(http.MethodPost, "http://198.51.100.9:8080/live/show/whep", nil)
	lines = w.gw.candidates(r)
	all := strings.Join(lines, "\n")
	for _, want := range []string{"198.51.100.9", "203.0.113.7", "tcptype passive"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in\n%s", want, all)
		}
	}
	if strings.Contains(all, "127.0.0.1") {
		t.Errorf("loopback for a stranger:\n%s", all)
	}
}

func FuzzOffer(f *testing.F) {
	f.Add(offerFile(f, "chromium.sdp"))
	f.Add("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-ufrag:u\r\na=fingerprint:sha-256 AA\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:0\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:97 VP9/90000\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := readMedia(text)
		if err != nil {
			return
		}
		p := answerParts{ufrag: "u", pwd: "p", fingerprint: "AA"}
		for _, c := range []media.Codec{media.H264, media.HEVC, media.VP8, media.VP9, media.AV1} {
			if v, ok := o.choose("video", c, avc(66, 0xc0)); ok {
				p.video = &v
			}
		}
		if a, ok := o.choose("audio", media.Opus, nil); ok {
			p.audio = &a
		}
		answer := o.answer(p)
		var d sdp.SessionDescription
		if err := d.UnmarshalString(answer); err != nil && !strings.ContainsAny(text, "\x00") {
			t.Fatalf("%v\n%s", err, answer)
		}
		attribute(text, "ice-ufrag")
		withCandidates(text, []string{"candidate:1"})
	})
}

func FuzzUserName(f *testing.F) {
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("ours:theirs"), stun.NewShortTermIntegrity("p"), stun.Fingerprint)
	if err != nil {
		f.Fatal(err)
	}
	if got := localUfrag(m.Raw); got != "ours" {
		f.Fatalf("%q", got)
	}
	f.Add(m.Raw)
	f.Add(binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0}, 0x2112a442))
	f.Fuzz(func(t *testing.T, b []byte) {
		name := localUfrag(b)
		if name == "" {
			return
		}
		// What pion reads from the same message is the same.
		var m stun.Message
		if stun.Decode(b, &m) != nil {
			return
		}
		var full stun.Username
		if full.GetFrom(&m) == nil && !strings.HasPrefix(full.String(), name) {
			t.Fatalf("%q of %q", name, full)
		}
	})
}
