package webrtc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"weir/internal/codec"
	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/format/rtp"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/transcode"
)

// offerOf is a viewer's offer.
func offerOf(t testing.TB) string {
	t.Helper()
	pc, err := peerAPI(t).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, pc)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return offer.SDP
}

func code(t testing.TB, body string) string {
	t.Helper()
	var p struct{ Code, Detail string }
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Detail == "" {
		t.Fatalf("%v: %s", err, body)
	}
	return p.Code
}

func TestRefusalsSayWhy(t *testing.T) {
	w := newWorld(t, Config{Wait: 50 * time.Millisecond, AudioWait: 50 * time.Millisecond})
	track, _ := clip(t)
	w.onAir("live/show", 50, track)
	hevc := media.Track{ID: 0, Kind: media.Video, Codec: media.HEVC, TimeScale: 90000}
	pub, err := w.hub.Publish(hub.Offer{Name: "live/hevc", Tracks: []media.Track{hevc}})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.End(nil)
	offer := offerOf(t)
	onlyVP8 := strings.NewReplacer("H264/90000", "X264/90000", "H265/90000", "X265/90000").Replace(offer)
	for _, c := range []struct {
		name, method, path, kind, body string
		status                         int
		code                           string
	}{
		{"GET", http.MethodGet, "/live/show/whep", "", "", 405, "method_not_allowed"},
		{"no type", http.MethodPost, "/live/show/whep", "", offer, 415, "offer_not_sdp"},
		{"garbage", http.MethodPost, "/live/show/whep", typeSDP, "hello", 400, "offer_malformed"},
		{"empty", http.MethodPost, "/live/show/whip", typeSDP, "", 400, "offer_malformed"},
		{"too large", http.MethodPost, "/live/show/whip", typeSDP, offer + strings.Repeat("a=x:y\r\n", 10000), 413, "offer_too_large"},
		{"too many lines", http.MethodPost, "/live/show/whip", typeSDP, offer + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", 70), 413, "offer_too_large"},
		{"unknown stream", http.MethodPost, "/live/none/whep", typeSDP, offer, 404, "stream_unknown"},
		{"bad name", http.MethodPost, "/live/a%20b/whep", typeSDP, offer, 400, "name_bad_char"},
		{"codec not offered", http.MethodPost, "/live/show/whep", typeSDP, onlyVP8, 406, "codec_not_in_webrtc"},
		{"HEVC", http.MethodPost, "/live/hevc/whep", typeSDP, onlyVP8, 406, "codec_not_in_webrtc"},
		{"busy", http.MethodPost, "/live/show/whip", typeSDP, strings.ReplaceAll(offer, "recvonly", "sendonly"), 409, "stream_busy"},
		{"no fingerprint", http.MethodPost, "/live/show/whep", typeSDP, strings.ReplaceAll(offer, "fingerprint", "fingersmudge"), 400, "offer_malformed"},
		{"no session", http.MethodDelete, "/live/show/whep/nonesuch", "", "", 404, "session_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, body := w.do(c.method, c.path, c.kind, c.body)
			if res.StatusCode != c.status || code(t, body) != c.code || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s, want %d %s", res.Status, body, c.status, c.code)
			}
			if res.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Error("no CORS")
			}
		})
	}
	if n := len(w.door.Sessions(nil)); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if s := w.gw.Stats(); s.Viewers != 0 || s.Publishers != 0 || s.Panics != 0 {
		t.Errorf("%+v", s)
	}
}

// RFC 9725: what a client sees of a session, and the conditions of PATCH.
func TestSessionResource(t *testing.T) {
	w := newWorld(t, Config{})
	track, _ := clip(t)
	w.onAir("live/show", 50, track)
	res, _ := w.do(http.MethodOptions, "/live/show/whep", "", "")
	if res.StatusCode != http.StatusNoContent || !strings.Contains(res.Header.Get("Access-Control-Expose-Headers"), "Location") {
		t.Errorf("OPTIONS: %s %v", res.Status, res.Header)
	}
	pc, _, header := w.watch("live/show")
	location, etag := header.Get("Location"), header.Get("ETag")
	if !strings.HasPrefix(location, "/live/show/whep/") || etag == "" {
		t.Fatalf("%q %q", location, etag)
	}
	ufrag := attribute(pc.LocalDescription().SDP, "ice-ufrag")
	fragment := "a=ice-ufrag:" + ufrag + "\r\na=ice-pwd:x\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"
	for _, c := range []struct {
		name, kind, match, body string
		status                  int
	}{
		{"wrong type", "text/plain", etag, fragment, 415},
		{"no condition", typeFragment, "", fragment, 428},
		{"wrong condition", typeFragment, `"other"`, fragment, 412},
		{"weak condition", typeFragment, "W/" + etag, fragment, 412},
		{"restart", typeFragment, "*", strings.Replace(fragment, ufrag, "zzzz", 1), 422},
		{"whatever is there", typeFragment, "*", fragment, 204},
		{"list", typeFragment, `"other", ` + etag, fragment, 204},
		{"others only", typeFragment, `"other", "another"`, fragment, 412},
		{"other credentials", typeFragment, etag, strings.Replace(fragment, ufrag, "zzzz", 1), 422},
		{"trickle", typeFragment, etag, fragment, 204},
	} {
		res, body := w.do(http.MethodPatch, location, c.kind, c.body, "If-Match", c.match)
		if res.StatusCode != c.status {
			t.Errorf("%s: %s %s", c.name, res.Status, body)
		}
	}
	if res, _ := w.do(http.MethodPost, location, typeSDP, ""); res.StatusCode != 405 {
		t.Errorf("POST: %s", res.Status)
	}
	gone := make(chan struct{})
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateClosed || s == webrtc.PeerConnectionStateDisconnected || s == webrtc.PeerConnectionStateFailed {
			close(gone)
		}
	})
	if res, _ := w.do(http.MethodDelete, location, "", ""); res.StatusCode != 200 {
		t.Errorf("DELETE: %s", res.Status)
	}
	select { // DTLS says goodbye: no waiting for a timeout
	case <-gone:
	case <-time.After(3 * time.Second):
		t.Error("the player was not told")
	}
}

func TestKickAndLimits(t *testing.T) {
	w := newWorld(t, Config{PerAddress: 1})
	track, _ := clip(t)
	w.onAir("live/show", 50, track)
	w.watch("live/show")
	res, body := w.do(http.MethodPost, "/live/show/whep", typeSDP, offerOf(t))
	if res.StatusCode != 429 || code(t, body) != "too_many_webrtc_sessions" {
		t.Errorf("%s %s", res.Status, body)
	}
	sessions := w.door.Sessions(func(i session.Info) bool { return i.Protocol == "whep" })
	if len(sessions) != 1 {
		t.Fatalf("%d sessions", len(sessions))
	}
	if !w.door.Kick(sessions[0].ID, nil) {
		t.Fatal("not kicked")
	}
	w.until("the session has gone", func() bool { return w.gw.Stats().Viewers == 0 })
}

// until waits for a condition that has no event of its own.
func (w *world) until(what string, f func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatal("it never came to be that " + what)
		}
	}
}

// A viewer who comes in the middle of a group gets it from its key frame on, at once.
func TestInstantStart(t *testing.T) {
	w := newWorld(t, Config{})
	track, samples := clip(t)
	pub, err := w.hub.Publish(hub.Offer{Name: "live/show", Tracks: []media.Track{track}})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.End(nil)
	for i, s := range samples[:20] {
		if err := pub.Write(media.Frame{Key: i == 0, DTS: int64(i) * 3600, PTS: int64(i) * 3600, Data: s}); err != nil {
			t.Fatal(err)
		}
	}
	_, units, _ := w.watch("live/show")
	for i := range 20 {
		if u := next(t, units, media.H264); !bytes.Equal(u.Data, samples[i]) {
			t.Fatalf("frame %d is another", i)
		}
	}
}

// AAC is heard as Opus, made for the first viewer who comes.
func TestAACIsHeard(t *testing.T) {
	w := newWorld(t, Config{})
	engine := transcode.New(transcode.Config{}, w.log)
	w.hub.SetSupplier(engine)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	pub := w.patternOnAir(ctx, done)
	defer func() { cancel(); <-done; pub.End(nil) }()
	_, units, header := w.watch("live/show")
	if n := header.Get("Weir-Notice"); n != "" {
		t.Errorf("notice %q", n)
	}
	for range 30 {
		next(t, units, media.Opus)
	}
	if first := next(t, units, media.H264); len(first.Data) == 0 {
		t.Error("no picture")
	}
}

func TestWithoutOpusTheViewerIsTold(t *testing.T) {
	w := newWorld(t, Config{AudioWait: 50 * time.Millisecond})
	w.hub.SetSupplier(transcode.New(transcode.Config{FFmpeg: "/nonexistent"}, w.log))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	pub := w.patternOnAir(ctx, done)
	defer func() { cancel(); <-done; pub.End(nil) }()
	_, units, header := w.watch("live/show")
	if !strings.HasPrefix(header.Get("Weir-Notice"), "video only") {
		t.Errorf("notice %q", header.Get("Weir-Notice"))
	}
	next(t, units, media.H264)
}

// Lost packets are asked for and sent again.
func TestLostPacketsAreSentAgain(t *testing.T) {
	w := newWorld(t, Config{})
	track, _ := clip(t)
	w.onAir("live/show", 50, track)
	pc, units, _ := w.watch("live/show")
	next(t, units, media.H264)
	receiver := pc.GetTransceivers()[0].Receiver()
	ssrc := uint32(receiver.Track().SSRC())
	begin := uint16(ssrc >> 17) // where its sequence numbers begin
	nack := &rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{begin, begin + 1, begin + 9, begin + 30000})}
	if err := pc.WriteRTCP([]rtcp.Packet{nack}); err != nil {
		t.Fatal(err)
	}
	w.until("three packets were sent again", func() bool { return w.gw.Stats().Resent == 3 })
}

func TestKeyFrameWishesReachThePublisher(t *testing.T) {
	w := newWorld(t, Config{})
	track, samples := clip(t)
	wishes := make(chan hub.Feedback, 10)
	pub, err := w.hub.Publish(hub.Offer{Name: "live/show", Tracks: []media.Track{track}, Feedback: func(f hub.Feedback) { wishes <- f }})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.End(nil)
	if err := pub.Write(media.Frame{Key: true, Data: samples[0]}); err != nil {
		t.Fatal(err)
	}
	pc, units, _ := w.watch("live/show")
	next(t, units, media.H264)
	ssrc := uint32(pc.GetTransceivers()[0].Receiver().Track().SSRC())
	if err := pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}); err != nil {
		t.Fatal(err)
	}
	select {
	case f := <-wishes:
		if !f.KeyFrame {
			t.Errorf("%+v", f)
		}
	case <-time.After(5 * time.Second):
		t.Error("no wish came")
	}
}

// A publisher that goes and comes back with the same video finds its viewers still there; their sequence goes on.
func TestViewersStayWhileThePublisherIsAway(t *testing.T) {
	w := newWorld(t, Config{})
	track, samples := clip(t)
	frames := func(pub *hub.Publication) {
		for i, s := range samples[:10] {
			if err := pub.Write(media.Frame{Key: i == 0, DTS: int64(i) * 3600, PTS: int64(i) * 3600, Data: s}); err != nil {
				t.Fatal(err)
			}
		}
	}
	offer := hub.Offer{Name: "live/show", Tracks: []media.Track{track}}
	pub, err := w.hub.Publish(offer)
	if err != nil {
		t.Fatal(err)
	}
	frames(pub)
	_, units, _ := w.watch("live/show")
	last := next(t, units, media.H264)
	for range 9 {
		last = next(t, units, media.H264)
	}
	pub.Close(errors.New("the line broke"))
	if pub, err = w.hub.Publish(offer); err != nil {
		t.Fatal(err)
	}
	frames(pub)
	for i := range 10 {
		u := next(t, units, media.H264)
		if !bytes.Equal(u.Data, samples[i]) || u.Time <= last.Time {
			t.Fatalf("frame %d after the return: %d bytes at %d, after %d", i, len(u.Data), u.Time, last.Time)
		}
		last = u
	}
	if v := w.gw.Stats().Viewers; v != 1 {
		t.Errorf("%d viewers", v)
	}
	// Another profile cannot go on in the same decoder: the session ends and says so.
	pub.Close(nil)
	other := track
	other.Config = bytes.Clone(track.Config)
	other.Config[1] = 66
	if pub, err = w.hub.Publish(hub.Offer{Name: "live/show", Tracks: []media.Track{other}}); err != nil {
		t.Fatal(err)
	}
	defer pub.End(nil)
	if err := pub.Write(media.Frame{Key: true, Data: samples[0]}); err != nil {
		t.Fatal(err)
	}
	w.until("the session has ended", func() bool { return w.gw.Stats().Viewers == 0 })
}

// B-frames are refused where they are, not where a header only allows them.
func TestBFrames(t *testing.T) {
	w := newWorld(t, Config{})
	track, frames := x264(t, "-bf", "2")
	if codec.Reorder(&track) == 0 {
		t.Fatal("no B-frames")
	}
	pub, err := w.hub.Publish(hub.Offer{Name: "live/b", Tracks: []media.Track{track}})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.End(nil)
	write := func(f media.Frame) {
		t.Helper()
		if err := pub.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	write(frames[0])
	_, units, _ := w.watch("live/b") // no B-frame yet
	next(t, units, media.H264)
	for _, f := range frames[1:] {
		write(f)
	}
	w.until("the viewer has gone", func() bool { return w.gw.Stats().Viewers == 0 })
	res, body := w.do(http.MethodPost, "/live/b/whep", typeSDP, offerOf(t))
	if res.StatusCode != 406 || code(t, body) != "b_frames_in_webrtc" {
		t.Errorf("%s %s", res.Status, body)
	}
}

// ICE over TCP serves those whose firewall lets no UDP through.
func TestOverTCP(t *testing.T) {
	w := newWorld(t, Config{TCP: "127.0.0.1:0"})
	track, samples := clip(t)
	w.onAir("live/show", 50, track, opusTrack())
	_, units, _ := w.watch("live/show", webrtc.NetworkTypeTCP4)
	for i := range 60 {
		if u := next(t, units, media.H264); i == 0 && !bytes.Equal(u.Data, samples[0]) {
			t.Fatal("it does not begin with the key frame")
		}
	}
	next(t, units, media.Opus)
}

func TestFaultKindsBecomeStatuses(t *testing.T) {
	for kind, want := range map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 400, fault.Unauthorized: 401, fault.Forbidden: 403, fault.NotFound: 404, fault.Conflict: 409,
		fault.TooLarge: 413, fault.TooMany: 429, fault.Unsupported: 406, fault.Unavailable: 503,
	} {
		if got := status(fault.New(kind, "x", "x", "")); got != want {
			t.Errorf("%d gives %d", kind, got)
		}
	}
}

// firstLive gives a sound and a picture of a viewer that has caught up: the timestamps of the backlog are drawn together, and
// there is sound once it is over.
func firstLive(t *testing.T, units <-chan received) map[media.Codec]rtp.Unit {
	t.Helper()
	firsts, pictures := map[media.Codec]rtp.Unit{}, 0
	for len(firsts) < 2 {
		select {
		case r := <-units:
			if _, heard := firsts[media.Opus]; heard && r.codec == media.H264 {
				pictures++
			}
			if _, ok := firsts[r.codec]; !ok && (r.codec == media.Opus || pictures == 5) {
				firsts[r.codec] = r.unit
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a track is missing")
		}
	}
	return firsts
}

// Sender reports put both tracks on one clock, the wall clock of the media.
func TestReportsKeepSoundAndPictureTogether(t *testing.T) {
	w := newWorld(t, Config{})
	track, _ := clip(t)
	w.onAir("live/show", 50, track, opusTrack())
	pc, units, _ := w.watch("live/show")
	firsts := firstLive(t, units)
	seen := map[media.Codec]time.Time{}
	for c, first := range firsts {
		for _, tr := range pc.GetTransceivers() {
			if mediaCodec(tr.Receiver().Track().Codec().MimeType) != c {
				continue
			}
			for seen[c].IsZero() {
				packets, _, err := tr.Receiver().ReadRTCP()
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range packets {
					if sr, ok := p.(*rtcp.SenderReport); ok {
						rate := map[media.Codec]int64{media.H264: 90000, media.Opus: 48000}[c]
						at := time.Unix(int64(sr.NTPTime>>32)-2208988800, int64(sr.NTPTime&0xffffffff)*int64(time.Second)>>32)
						ticks := int64(int32(sr.RTPTime - uint32(first.Time)))
						seen[c] = at.Add(-time.Duration(ticks) * time.Second / time.Duration(rate)) // when the first unit was captured
					}
				}
			}
		}
	}
	// Sound n belongs to 20 ms × n; pictures are 20 ms apart too.
	_, samples := clip(t)
	var n int
	k := slices.IndexFunc(samples, func(s []byte) bool { return bytes.Equal(firsts[media.H264].Data, s) })
	if _, err := fmt.Sscanf(string(firsts[media.Opus].Data[1:]), "audio %d", &n); err != nil || k < 0 {
		t.Fatalf("%v %q", err, firsts[media.Opus].Data)
	}
	round := time.Duration(len(samples)) * 20 * time.Millisecond
	d := (seen[media.H264].Sub(seen[media.Opus]) + time.Duration(n-k)*20*time.Millisecond) % round
	if d > round/2 {
		d -= round
	}
	if d < -round/2 {
		d += round
	}
	if d.Abs() > 5*time.Millisecond {
		t.Errorf("the tracks' clocks are %v apart", d)
	}
	if d := time.Since(seen[media.H264]); d < 0 || d > 10*time.Second {
		t.Errorf("the picture is said to be from %v ago", d)
	}
}
