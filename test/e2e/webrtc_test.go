package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

// TestShow_2_6_WHIPAsksForTheKeyFirst: who has no key is told so, and nothing of what he sent is looked at.
func TestShow_2_6_WHIPAsksForTheKeyFirst(t *testing.T) {
	w := start(t)
	key := w.key("live/show")
	for _, c := range []struct{ key, kind, body, code string }{
		{"", "application/sdp", "garbage", "key_missing"},
		{"", "text/plain", strings.Repeat("x", 1<<20), "key_missing"},
		{"wk_wrong", "application/sdp", "garbage", "key_wrong"},
		{key, "application/sdp", "garbage", "offer_malformed"},
		{key, "text/plain", "v=0", "offer_not_sdp"},
		{key, "application/sdp", strings.Repeat("x", 1<<20), "offer_too_large"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.http("/live/show/whip"), strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.kind)
		if c.key != "" {
			req.Header.Set("Authorization", "Bearer "+c.key)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(body), `"`+c.code+`"`) {
			t.Errorf("key %.8q, %s, %.10q: %s %s, want %s; %v", c.key, c.kind, c.body, resp.Status, body, c.code, err)
		}
	}
	var list struct{ Items []struct{ Protocol string } }
	w.api(http.MethodGet, "/sessions", nil, &list)
	for _, s := range list.Items {
		if s.Protocol == "whip" {
			t.Errorf("a refused offer left its session: %+v", s)
		}
	}
}

// profiled publishes H.264 of a profile without B-frames. The picture carries the pattern's mark at the top.
func (w *weir) profiled(t *testing.T, pattern, key, profile string) *process {
	t.Helper()
	return spawn(t, "ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-i", pattern, "-map", "0:v", "-map", "0:a",
		"-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-profile:v", profile, "-g", "30", "-bf", "0", "-b:v", "800k",
		"-c:a", "copy", "-f", "flv", w.rtmp("live/show", key))
}

// TestShow_2_5_AnotherProfileEndsWHEP: the publisher comes back with another H.264 profile. The session ends and says why, and the
// page is back by itself within a second of the first picture that there is.
func TestShow_2_5_AnotherProfileEndsWHEP(t *testing.T) {
	need(t, "ffmpeg", "node", "chromium")
	w := start(t)
	needUI(t, w)
	key := w.key("live/*")
	w.pattern("live/source", key, "--bitrate", "800000")
	source := w.http("/live/source/stream.flv")
	publisher := w.profiled(t, source, key, "baseline")
	w.waitLive("live/show")
	flv := viewFLV(t, w.http("/live/show/stream.flv"))
	whep, err := viewWHEP(t.Context(), t, w.http("/live/show/whep"), false)
	if err != nil {
		t.Fatal(err)
	}
	whep.awaitPackets(t, 10, 10)
	s := newScene(t, "whepreturn", map[string]any{"url": w.http("/live/show")})
	s.await("playing", time.Minute, nil)
	publisher.kill()
	before := len(flv.all())
	w.profiled(t, source, key, "main")
	var back time.Time
	eventually(t, 15*time.Second, "pictures of the returned publisher", func() error {
		for _, a := range flv.all()[before:] {
			if !a.audio && !a.config {
				back = a.at
				return nil
			}
		}
		return io.ErrNoProgress
	})
	eventually(t, 5*time.Second, "the old session to end", func() error {
		whep.mu.Lock()
		defer whep.mu.Unlock()
		if last := whep.states[len(whep.states)-1]; last == webrtc.PeerConnectionStateConnected {
			return io.ErrNoProgress
		}
		return nil
	})
	if !strings.Contains(w.logs.String(), "code=codec_changed") {
		t.Error("no session ended for the codec's sake")
	}
	pause(t, 4*time.Second)
	s.say("over")
	var v struct {
		Engine, Phase string
		Gaps          [][2]float64
		Posts         [][2]float64
		Last          float64 `json:"last_ms"`
	}
	s.await("watched", 20*time.Second, &v)
	t.Logf("back at %d: %+v", back.UnixMilli(), v)
	if v.Engine != "whep" || v.Phase != "playing" || time.UnixMilli(int64(v.Last)).Before(back.Add(2*time.Second)) {
		t.Errorf("the page does not play: %+v", v)
	}
	for _, g := range v.Gaps {
		if again := time.UnixMilli(int64(g[0] + g[1])); again.After(back.Add(time.Second)) {
			t.Errorf("a picture only %v after the first of the returned publisher: %+v", again.Sub(back), v)
		}
	}
}
