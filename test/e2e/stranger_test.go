package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestStrangerAtThePages has a browser meet what goes wrong around the pages: words in the reader's language, a key that is asked
// for, a server that goes and returns under an open console, a session that ends elsewhere, and nothing in the browser's log.
func TestStrangerAtThePages(t *testing.T) {
	need(t, "ffmpeg")
	w := start(t, "--play.by_key", "private/*")
	needUI(t, w)
	w.pattern("live/show", w.key("live/*"), "--bitrate", "600000", "--size", "640x360")
	w.pattern("private/show", w.key("private/*"), "--bitrate", "600000", "--size", "640x360")
	spawn(t, "ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-c:a", "aac", "-f", "flv", w.rtmp("live/sound", w.key("live/*")))
	w.waitLive("live/sound")
	s := newScene(t, "stranger", map[string]any{"base": w.http(""), "link": w.login, "key": w.run("key", "create", "--play", "private/*")})
	var read struct {
		Frame, Sound struct{ Phase, Engine, Text string }
		Lang         string
	}
	s.await("read", time.Minute, &read)
	if read.Lang != "zh-CN" || !strings.Contains(read.Frame.Text, "直播") {
		t.Errorf("a frame for a reader of Chinese is in %s: %s", read.Lang, read.Frame.Text)
	}
	if read.Sound.Engine != "whep" {
		t.Errorf("sound alone over WebRTC: %+v", read.Sound)
	}
	var unlocked struct {
		Locked struct{ Code, Text string }
	}
	s.await("unlocked", time.Minute, &unlocked)
	if unlocked.Locked.Code != "key_missing" || !strings.Contains(unlocked.Locked.Text, "需要密钥") {
		t.Errorf("locked: %+v", unlocked.Locked)
	}
	var refused struct{ Text string }
	s.await("refused", time.Minute, &refused)
	if !strings.Contains(refused.Text, "登录链接") {
		t.Errorf("a used link: %q", refused.Text)
	}
	var quiet struct{ Noise []string }
	s.await("quiet", time.Minute, &quiet)
	if len(quiet.Noise) > 0 {
		t.Errorf("in the browser's log: %q", quiet.Noise)
	}
	w.stop()
	s.say("gone")
	s.await("away", time.Minute, nil)
	at := func(name string) string { return fmt.Sprintf("127.0.0.1:%d", w.ports[name]) }
	w.boot(at("http"), at("rtmp"), at("webrtc"))
	s.say("back")
	s.await("back", time.Minute, nil)
	var out struct{ At string }
	s.await("out", time.Minute, &out)
	if out.At != "/console/recordings" {
		t.Errorf("signed out at %s", out.At)
	}
}
