package rtmp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"

	"weir/internal/fault"
	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/media"
)

func TestTargets(t *testing.T) {
	cases := []struct {
		url, host, port, app, stream, tcURL, user, pass string
		secure                                          bool
	}{
		{url: "rtmp://h/live/show", host: "h", port: "1935", app: "live", stream: "show", tcURL: "rtmp://h:1935/live"},
		{url: "rtmp://h:2/live/show?key=K&x=1", host: "h", port: "2", app: "live", stream: "show?key=K&x=1", tcURL: "rtmp://h:2/live"},
		{url: "rtmps://h/a/b/c", host: "h", port: "443", app: "a/b", stream: "c", tcURL: "rtmps://h:443/a/b", secure: true},
		{url: "rtmp://u%40x:p%3A@h/live/show", host: "h", port: "1935", app: "live", stream: "show", tcURL: "rtmp://h:1935/live", user: "u@x", pass: "p:"},
		{url: "rtmp://[::1]:5/live/show/", host: "::1", port: "5", app: "live", stream: "show", tcURL: "rtmp://[::1]:5/live"},
		{url: " rtmp://h/show ", host: "h", port: "1935", app: "show", stream: "", tcURL: "rtmp://h:1935/show"},
	}
	for _, c := range cases {
		got, err := parseTarget(c.url)
		want := target{c.host, c.port, c.secure, c.app, c.stream, c.tcURL, c.user, c.pass}
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", c.url, got, err)
		}
	}
	for _, bad := range []string{"", "h/live", "http://h/live", "rtmp://", "rtmp:///live", "rtmp://h", "rtmp://h/"} {
		if _, err := parseTarget(bad); fault.Code(err) != "rtmp_url_bad" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// selfSigned makes a certificate for 127.0.0.1 and who trusts it.
func selfSigned(t *testing.T) (*tls.Config, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}

// TestRTMPS publishes and plays over TLS, with this project's client and with ffprobe.
func TestRTMPS(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	server, client := selfSigned(t)
	addr := s.listen(t, func(ln net.Listener) net.Listener { return tls.NewListener(ln, server) })
	url := "rtmps://" + addr + "/live/show"
	v, a := makeClip(t, media.H264, 0), makeClip(t, media.AAC, 1)
	tracks, frames := merge(v, a)
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	published := make(chan error, 1)
	go func() {
		published <- Publish(ctx, ClientConfig{URL: url, TLS: client}, tracks, paced(tracks, frames))
	}()
	played := make(chan int, 1)
	go func() {
		n := 0
		if err := Play(ctx, ClientConfig{URL: url, TLS: client}, func([]media.Track, media.Frame) error { n++; return nil }); err != nil {
			t.Error(err)
		}
		played <- n
	}()
	p := ffprobe(t, url, 2)
	if len(p.Streams) != 2 {
		t.Errorf("ffprobe sees %d streams", len(p.Streams))
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	if n := <-played; n < len(frames)*3/4 {
		t.Errorf("%d of %d frames played", n, len(frames))
	}
	if err := Publish(ctx, ClientConfig{URL: url}, tracks, nil); fault.Code(err) != "remote_tls" {
		t.Errorf("an unknown certificate: %v", err)
	}
	if err := Publish(ctx, ClientConfig{URL: "rtmp://" + addr + "/live/show"}, tracks, nil); fault.Code(err) != "remote_no_rtmp" {
		t.Errorf("plain into TLS: %v", err)
	}
}

func TestClientFaults(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{PlayWait: 50 * time.Millisecond})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	play := func(url string) error {
		return Play(ctx, ClientConfig{URL: url}, func([]media.Track, media.Frame) error { return nil })
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	_ = ln.Close()
	for code, err := range map[string]error{
		"remote_stream_unknown": play(s.url("live/none")),
		"remote_unreachable":    play("rtmp://" + nobody + "/live/show"),
		"rtmp_url_bad":          play("rtmp://"),
		"remote_busy":           Publish(ctx, ClientConfig{URL: s.url("live/index.m3u8")}, nil, nil),
	} {
		if fault.Code(err) != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	guarded := func(context.Context, string, string) (net.Conn, error) {
		return nil, fault.New(fault.Forbidden, "address_guarded", "No.", "")
	}
	if err := Pull(ctx, PullConfig{ClientConfig: ClientConfig{URL: s.url("live/show"), Dial: guarded}}, s.hub, "x"); fault.Code(err) != "address_guarded" {
		t.Errorf("the guard's word is lost: %v", err)
	}
	err = Push(ctx, PushConfig{ClientConfig: ClientConfig{URL: s.url("live/show")}, Fan: s.fan}, s.hub, "nothing")
	if fault.Code(err) != "stream_unknown" {
		t.Errorf("pushing nothing: %v", err)
	}
}

// TestAdobeAuth: gortmplib asks for a name and password by Adobe's three attempts.
func TestAdobeAuth(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	defer func() { _ = ln.Close(); <-done }()
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			sc := &gortmplib.ServerConn{RW: conn}
			if sc.Initialize() == nil && sc.CheckCredentials("myuser", "mypass") == nil && sc.Accept() == nil {
				r := &gortmplib.Reader{Conn: sc}
				_ = r.Initialize()
			}
			_ = conn.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	v := makeClip(t, media.H264, 0)
	tracks, frames := merge(v)
	err = Publish(ctx, ClientConfig{URL: "rtmp://myuser:mypass@" + ln.Addr().String() + "/live/show"}, tracks, paced(tracks, frames[:10]))
	if err != nil {
		t.Errorf("with the right password: %v", err)
	}
	err = Publish(ctx, ClientConfig{URL: "rtmp://myuser:wrong@" + ln.Addr().String() + "/live/show"}, tracks, nil)
	if fault.Code(err) != "remote_auth" {
		t.Errorf("with a wrong password: %v", err)
	}
	err = Publish(ctx, ClientConfig{URL: "rtmp://" + ln.Addr().String() + "/live/show"}, tracks, nil)
	if fault.Code(err) != "remote_auth" {
		t.Errorf("without a password: %v", err)
	}
}

// TestPullFLV reads a real file from a web server.
func TestPullFLV(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	file, err := os.ReadFile("testdata/sample.flv")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/show.flv":
			_, _ = w.Write(file)
		case "/page":
			_, _ = w.Write([]byte("<html>this is no FLV</html>"))
		case "/silent":
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	}))
	defer web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	pull := func(path string) error {
		return PullFLV(ctx, PullConfig{ClientConfig: ClientConfig{URL: web.URL + path}, Idle: 200 * time.Millisecond}, web.Client(), s.hub, "live/flv")
	}
	frames := subscribe(t, s.hub, "live/flv")
	if err := pull("/show.flv"); err != nil {
		t.Fatal(err)
	}
	tracks, all := frames()
	if len(tracks) != 2 || len(all) < 70 { // 30 pictures and 45 sounds, says ffprobe
		t.Errorf("%d tracks, %d frames", len(tracks), len(all))
	}
	for path, code := range map[string]string{"/none": "remote_stream_unknown", "/page": "remote_no_flv", "/silent": "remote_silent"} {
		if err := pull(path); fault.Code(err) != code {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestDialects: what a player declares decides what it gets.
func TestDialects(t *testing.T) {
	t.Parallel()
	list := func(four ...any) rtmpmsg.Object { return rtmpmsg.Object{{Key: "fourCcList", Value: four}} }
	cases := []struct {
		name   string
		o      rtmpmsg.Object
		legacy bool
		hevc   string // how HEVC comes: "", "id12" or "enhanced"
		av1    bool
		multi  bool
	}{
		{"nothing declared", rtmpmsg.Object{}, false, "", false, false},
		{"nothing declared, id 12 allowed", rtmpmsg.Object{}, true, "id12", false, false},
		{"fourCcList", list("hvc1", "Opus"), true, "enhanced", false, false},
		{"any", list("*"), false, "enhanced", true, false},
		{"only AV1", list("av01"), false, "", true, false},
		{"a map", rtmpmsg.Object{{Key: "videoFourCcInfoMap", Value: rtmpmsg.Object{{Key: "hvc1", Value: 1.0}, {Key: "av01", Value: 2.0}}}, {Key: "capsEx", Value: 2.0}}, false, "enhanced", false, true},
		{"a map of any", rtmpmsg.Object{{Key: "videoFourCcInfoMap", Value: rtmpmsg.Array{{Key: "*", Value: 7.0}}}}, false, "enhanced", true, false},
		{"a numbered list", rtmpmsg.Object{{Key: "fourCcList", Value: rtmpmsg.Array{{Key: "0", Value: "hvc1"}}}}, false, "enhanced", false, false},
	}
	for _, c := range cases {
		i := parseConnect(rtmpmsg.Command{Object: c.o})
		d := i.dialect(c.legacy)
		hevc := ""
		if i.check(d, []media.Track{{Kind: media.Video, Codec: media.HEVC}}) == nil {
			hevc = map[bool]string{true: "enhanced", false: "id12"}[d >= flv.Enhanced]
		}
		av1 := i.check(d, []media.Track{{Kind: media.Video, Codec: media.AV1}}) == nil
		if hevc != c.hevc || av1 != c.av1 || (d == flv.Multitrack) != c.multi {
			t.Errorf("%s: HEVC %q, AV1 %t, dialect %d", c.name, hevc, av1, d)
		}
		if err := i.check(d, []media.Track{{Kind: media.Video, Codec: media.H264}, {Kind: media.Audio, Codec: media.AAC}}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	s := newStack(t, Config{})
	c := dialRaw(t, s.addr).shake()
	r := c.connect("live", rtmpmsg.Pair{Key: "fourCcList", Value: []any{"hvc1"}})
	if o := rtmpmsg.AsObject(r.Object); o.Number("capsEx") == 0 || rtmpmsg.AsObject(first(o.Get("videoFourCcInfoMap"))).Number("hvc1") == 0 {
		t.Errorf("the server's capabilities are not echoed: %v", o)
	}
}

func first(v any, _ bool) any { return v }

// TestHEVCForOldPlayers: codec id 12 where the owner allows it, else a sentence.
func TestHEVCForOldPlayers(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{false, true} {
		s := newStack(t, Config{LegacyHEVC: allowed})
		c := dialRaw(t, s.addr).shake()
		c.connect("live")
		c.call("publish", 2, nil, "show", "live")
		c.status()
		c.media(18, 0, rtmpmsg.AppendAMF0(nil, "onMetaData", rtmpmsg.Object{{Key: "videocodecid", Value: 12}}))
		c.media(9, 0, cat([]byte{0x1C, 0, 0, 0, 0}, unhex(t, hevcHex)))
		c.media(9, 0, []byte{0x1C, 1, 0, 0, 0, 0, 0, 0, 4, 0x26, 1, 0xaf, 8})
		p := dialRaw(t, s.addr).shake()
		p.connect("live")
		p.call("play", 2, nil, "show")
		if !allowed {
			if code, text := p.status(); code != "NetStream.Play.Failed" || len(text) < 20 {
				t.Errorf("%s: %q", code, text)
			}
			p.closed()
			continue
		}
		for {
			m, err := p.r.Read()
			if err != nil {
				t.Fatal(err)
			}
			if m.Type == rtmpmsg.TypeVideo {
				if m.Payload[0] != 0x1C {
					t.Errorf("the first byte is %#x", m.Payload[0])
				}
				break
			}
		}
	}
}

// TestPushEnds: Push ends with its context, and with the other server's refusal.
func TestPushEnds(t *testing.T) {
	t.Parallel()
	s, other := newStack(t, Config{}), newStack(t, Config{})
	s.published(t)
	ctx, cancel := context.WithCancel(context.Background())
	live := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- Push(ctx, PushConfig{ClientConfig: ClientConfig{URL: other.url("live/copy")}, Fan: s.fan, Live: func() { close(live) }}, s.hub, "live/show")
	}()
	<-live
	waitFor(t, "the copy", func() bool { return other.hub.Stream("live/copy") != nil })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	go func() {
		done <- Push(ctx, PushConfig{ClientConfig: ClientConfig{URL: other.url("live/copy2")}, Fan: s.fan}, s.hub, "live/show")
	}()
	waitFor(t, "the second copy", func() bool { return other.hub.Stream("live/copy2") != nil })
	for _, i := range other.door.Sessions(nil) {
		other.door.Kick(i.ID, fault.New(fault.Forbidden, "kicked", "The owner ended this.", ""))
	}
	if err := <-done; fault.Of(err).Kind != fault.Forbidden {
		t.Errorf("%v", err)
	}
}

// What another server says is a sentence before the remedy follows, as nginx-rtmp's words are not.
func TestRefusalsOfOthersAreSentences(t *testing.T) {
	c := &client{target: target{host: "h"}}
	for _, said := range []string{"Already publishing", "Already publishing."} {
		err := c.refused(rtmpmsg.Status("error", "NetStream.Publish.BadName", said))
		if want := "The server h refuses this name: Already publishing."; fault.Of(err).Message != want {
			t.Errorf("%q, want %q", fault.Of(err).Message, want)
		}
	}
}
