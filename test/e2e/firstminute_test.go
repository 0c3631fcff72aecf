package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// words are the texts by which a person finds things, for the two languages; they are written here and not read from the
// interface's own files, so that a page in the wrong language fails.
var words = map[string]map[string]string{
	"en": {
		"banner": "No password yet", "useLink": "Open the link from the terminal", "start": "Start the test source", "setPassword": "Set a password",
		"save": "Save the password", "signIn": "Sign in", "live": "Live",
	},
	"zh-CN": {
		"banner": "尚未设置密码", "useLink": "打开终端里的链接", "start": "启动测试信号", "setPassword": "设置密码", "save": "保存密码", "signIn": "登录", "live": "直播",
	},
}

// TestShow_2_1_FirstMinute goes the way of somebody who has just started Weir, once from the ready line in English and once from
// the printed box in Chinese, where FFmpeg cannot be had: link, test source, picture, password, a second browser.
func TestShow_2_1_FirstMinute(t *testing.T) {
	t.Run("ready line, English", func(t *testing.T) {
		need(t, "ffprobe")
		w := start(t)
		needUI(t, w)
		firstMinute(t, w, w.http(w.login), "en", "")
	})
	t.Run("box, Chinese, no FFmpeg", func(t *testing.T) {
		need(t, "ffprobe", "node", "chromium")
		path := os.Getenv("PATH")
		t.Setenv("PATH", t.TempDir()) // nothing is found here, and so no FFmpeg
		w, link := startBox(t)
		t.Setenv("PATH", path)
		needUI(t, w)
		firstMinute(t, w, link, "zh-CN", "FFmpeg")
	})
}

func firstMinute(t *testing.T, w *weir, link, lang, note string) {
	t.Helper()
	s := newScene(t, "firstminute", map[string]any{"link": link, "lang": lang, "words": words[lang], "password": "correct horse 堰", "note": note})
	var in struct{ URL, Lang string }
	s.await("in", 40*time.Second, &in)
	if !strings.Contains(in.URL, "/console") || in.Lang != lang {
		t.Errorf("the link led to %s in %q", in.URL, in.Lang)
	}
	var again struct {
		At, Text string
		Cookies  int
	}
	s.await("link again", 20*time.Second, &again)
	if !strings.HasSuffix(again.At, "/console?refused=link_wrong") || again.Cookies != 0 || strings.TrimSpace(again.Text) == "" {
		t.Errorf("the link worked twice: %+v", again)
	}
	if note != "" {
		var off struct{ Text string }
		s.await("note", 20*time.Second, &off)
		if !strings.Contains(off.Text, "转码") || !strings.Contains(off.Text, "缩略图") || !strings.Contains(off.Text, "apt-get install ffmpeg") {
			t.Errorf("the console does not say what is off without FFmpeg: %q", off.Text)
		}
	}
	s.await("pressed", 20*time.Second, nil)
	probed := probe(t, w.rtmp("live/test", ""))
	s.say("probed")
	var p struct {
		First int64 `json:"first_ms"`
		From  int64
		To    int64
		Since int64 `json:"since_ms"`
		Until int64 `json:"until_ms"`
	}
	s.await("picture", 70*time.Second, &p)
	if p.First > 60_000 || p.To <= p.From || probed.at.UnixMilli() < p.Since || probed.at.UnixMilli() > p.Until {
		t.Errorf("picture %+v, ffprobe done at %d", p, probed.at.UnixMilli())
	}
	if !w.publishes("live/test") {
		t.Error("the test source is not among the API's publishers")
	}
	t.Logf("%s: first picture %d ms after the press, counters %d to %d while ffprobe read %v", lang, p.First, p.From, p.To, probed.packets)
	var wrong struct {
		Text    string
		Cookies int
	}
	s.await("wrong password", 30*time.Second, &wrong)
	if wrong.Text == "" || wrong.Cookies != 0 {
		t.Errorf("a wrong password: %+v", wrong)
	}
	s.await("signed in elsewhere", 30*time.Second, nil)
}

// publishes tells whether the stream has a publisher by the API, as any other.
func (w *weir) publishes(name string) bool {
	var page struct {
		Items []struct{ Stream, Action string }
	}
	w.api("GET", "/sessions?action=publish", nil, &page)
	for _, s := range page.Items {
		if s.Stream == name {
			return true
		}
	}
	return false
}

type probed struct {
	at      time.Time
	packets map[string]int
}

// probe has ffprobe read an address until it has seen two seconds of video and sound.
func probe(t *testing.T, url string) probed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-read_intervals", "%+2", "-count_packets",
		"-show_entries", "stream=codec_name,nb_read_packets", "-of", "json", url).CombinedOutput()
	var r struct {
		Streams []struct {
			Codec   string `json:"codec_name"`
			Packets string `json:"nb_read_packets"`
		}
	}
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		t.Fatalf("ffprobe %s: %v\n%s", url, err, out)
	}
	p := probed{at: time.Now(), packets: map[string]int{}}
	for _, s := range r.Streams {
		p.packets[s.Codec], _ = strconv.Atoi(s.Packets) // "N/A" counts as none
	}
	if p.packets["h264"] < 40 || p.packets["aac"] < 60 {
		t.Errorf("ffprobe %s read %v", url, p.packets)
	}
	return p
}

// startBox runs weir as a person does, on free ports of all addresses, and reads the link from the box that it prints.
func startBox(t *testing.T) (*weir, string) {
	t.Helper()
	w := &weir{t: t, data: t.TempDir(), logs: &tail{}}
	box := &tail{}
	w.cmd = exec.Command(binary, "--data_dir", filepath.Join(w.data, "data"), "--http.listen", ":0", "--rtmp.listen", ":0", "--webrtc.listen", ":0")
	w.cmd.Dir, w.cmd.Stdout, w.cmd.Stderr, w.cmd.Env = w.data, box, w.logs, environment()
	w.data = filepath.Join(w.data, "data")
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	eventually(t, 20*time.Second, "the box", func() error {
		if w.cmd.ProcessState != nil || strings.Contains(box.String(), "└") {
			return nil
		}
		return os.ErrNotExist
	})
	t.Logf("\n%s", box)
	link := regexp.MustCompile(`Open +(http://\S+:(\d+)/login/once\?token=\S+)`).FindStringSubmatch(box.String())
	rtmp := regexp.MustCompile(`Publish +rtmp://\S+?:(\d+)/live`).FindStringSubmatch(box.String())
	if link == nil || rtmp == nil || !strings.Contains(box.String(), w.data) {
		t.Fatalf("the box lacks the link, how to publish, or where the data lies:\n%s\n%s", box, w.logs)
	}
	if strings.Contains(link[1], "0.0.0.0") || strings.Contains(link[1], "[::]") {
		t.Errorf("nobody can open %s", link[1])
	}
	w.ports = map[string]int{}
	w.ports["http"], _ = strconv.Atoi(link[2])
	w.ports["rtmp"], _ = strconv.Atoi(rtmp[1])
	return w, link[1]
}
