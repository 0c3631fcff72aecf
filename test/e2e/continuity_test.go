package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/message"
)

// rtmpViewer is gortmplib on one connection, with the messages read by this test.
type rtmpViewer struct {
	c    *gortmplib.Client
	done chan struct{}

	mu   sync.Mutex
	tags []arrival
	err  error
}

func viewRTMP(t *testing.T, address string) *rtmpViewer {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	v := &rtmpViewer{c: &gortmplib.Client{URL: u}, done: make(chan struct{})}
	if err := v.c.Initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(v.done)
		for {
			m, err := v.c.Read()
			v.mu.Lock()
			switch m := m.(type) {
			case *message.Video:
				v.tags = append(v.tags, arrival{at: time.Now(), ms: uint32(m.DTS / time.Millisecond), key: m.IsKeyFrame, config: m.Type == message.VideoTypeConfig})
			case *message.Audio:
				v.tags = append(v.tags, arrival{at: time.Now(), ms: uint32(m.DTS / time.Millisecond), audio: true})
			}
			v.err = err
			v.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { v.c.Close(); <-v.done })
	return v
}

func (v *rtmpViewer) all() []arrival {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.tags)
}

func (v *rtmpViewer) alive(t *testing.T) {
	t.Helper()
	select {
	case <-v.done:
		t.Errorf("the RTMP viewer's connection ended: %v", v.err)
	default:
	}
}

// watched is what many.mjs saw of one player.
type watched struct {
	seen
	URL  string       `json:"url"`
	Gaps [][2]float64 `json:"gaps"`
}

// players in one browser, until finish is called.
type browserRun struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
	log *tail
}

func watchMany(t *testing.T, jobs ...map[string]any) *browserRun {
	t.Helper()
	need(t, "node", "chromium")
	job, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	t.Cleanup(cancel)
	b := &browserRun{cmd: exec.CommandContext(ctx, "node", "judge/many.mjs", string(job)), log: &tail{}}
	b.cmd.Stderr = b.log
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.out = bufio.NewReader(out)
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := b.out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("judge: %q %v\n%s", line, err, b.log)
	}
	return b
}

func (b *browserRun) finish(t *testing.T) []watched {
	t.Helper()
	_ = b.in.Close()
	all, err := io.ReadAll(b.out)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Wait(); err != nil {
		t.Fatalf("judge: %v\n%s", err, b.log)
	}
	var list []watched
	if err := json.Unmarshal(all, &list); err != nil {
		t.Fatalf("judge printed %q: %v", all, err)
	}
	return list
}

// outage is one absence of the publisher, as a viewer over HTTP-FLV saw it.
type outage struct{ from, to time.Time }

func (o outage) length() time.Duration { return o.to.Sub(o.from) }

// TestShow_2_5_PublisherReturns is the short form: four absences.
func TestShow_2_5_PublisherReturns(t *testing.T) {
	continuity(t, 2500*time.Millisecond, 200*time.Millisecond, 700*time.Millisecond, 1500*time.Millisecond, 3*time.Second)
}

// TestShow_2_5_PublisherReturnsTwentyTimes takes six minutes: absences from 0.2 to 20 s.
func TestShow_2_5_PublisherReturnsTwentyTimes(t *testing.T) {
	long(t)
	var absences []time.Duration
	for i := range 20 {
		absences = append(absences, 200*time.Millisecond+time.Duration(i)*19800*time.Millisecond/19)
	}
	continuity(t, 8*time.Second, absences...)
}

// continuity kills the publisher again and again while viewers of every kind watch.
func continuity(t *testing.T, settle time.Duration, absences ...time.Duration) {
	w := start(t)
	key := w.key("live/*")
	publisher := w.pattern("live/show", key, "--bitrate", "500000")
	flv := viewFLV(t, w.http("/live/show/stream.flv"))
	rtmp := viewRTMP(t, w.rtmp("live/show", ""))
	whep, err := viewWHEP(t.Context(), t, w.http("/live/show/whep"), false)
	if err != nil {
		t.Fatal(err)
	}
	whep.awaitPackets(t, 10, 10)
	browser := watchMany(t,
		map[string]any{"engine": "hls.js", "url": w.http("/live/show/index.m3u8"), "low": true},
		map[string]any{"engine": "hls.js", "url": w.http("/live/show/index.m3u8"), "low": false},
		map[string]any{"engine": "shaka", "url": w.http("/live/show/index.m3u8"), "low": true},
		map[string]any{"engine": "shaka", "url": w.http("/live/show/index.m3u8"), "low": false},
		map[string]any{"engine": "shaka", "url": w.http("/live/show/index.mpd"), "low": false},
		map[string]any{"engine": "dash.js", "url": w.http("/live/show/index.mpd"), "low": false})
	poll := pollLists(t, w, "live/show")
	pause(t, settle)
	var outages []outage
	for _, absence := range absences {
		publisher.kill()
		pause(t, absence)
		before := len(flv.all())
		video, audio := whep.got("video"), whep.got("audio")
		publisher = spawn(t, binary, "publish", "--pattern", w.rtmp("live/show", key), "--size", "640x360", "--bitrate", "500000")
		outages = append(outages, flv.gap(t, before))
		whep.awaitPackets(t, video+30, audio+30)
		pause(t, settle)
	}
	flv.alive(t)
	rtmp.alive(t)
	whep.alive(t)
	monotonic(t, "HTTP-FLV", flv.all())
	monotonic(t, "RTMP", rtmp.all())
	for _, o := range outages {
		if n := countAfter(rtmp.all(), o.to); n < 50 {
			t.Errorf("RTMP: %d messages after the absence of %v", n, o.length())
		}
	}
	poll.finish(t)
	for _, p := range browser.finish(t) {
		if p.Engine == "shaka" && strings.HasSuffix(p.URL, ".m3u8") {
			// It stands still for about a second when it begins on a young stream, whether or not the publisher stays.
			p.Gaps = slices.DeleteFunc(p.Gaps, func(g [2]float64) bool { return time.UnixMilli(int64(g[0] + g[1])).Before(outages[0].from) })
		}
		judgeStalls(t, p, outages)
	}
	clean(t, "index.m3u8 with absences", lintOf(t, w.http("/live/show/index.m3u8"), 6*time.Second))
}

// gap waits for a picture after the first n tags and returns the time without one before it.
func (v *flvViewer) gap(t *testing.T, n int) outage {
	t.Helper()
	var o outage
	eventually(t, 15*time.Second, "pictures of the returned publisher", func() error {
		select {
		case <-v.done:
			t.Fatalf("the viewer's connection ended: %v", v.err)
		default:
		}
		all := v.all()
		for i, a := range all[:n] {
			if a.counter >= 0 {
				o.from = all[i].at
			}
		}
		for _, a := range all[n:] {
			if a.counter >= 0 {
				o.to = a.at
				return nil
			}
		}
		return fmt.Errorf("%d tags", len(all)-n)
	})
	return o
}

func countAfter(tags []arrival, from time.Time) (n int) {
	for _, a := range tags {
		if a.at.After(from) {
			n++
		}
	}
	return n
}

// judgeStalls: no fatal error, and no time without pictures longer than the absence that caused it and 2 s.
func judgeStalls(t *testing.T, p watched, outages []outage) {
	t.Helper()
	t.Logf("%s %s: %d pictures, gaps %v", p.Engine, p.URL, p.Presented, p.Gaps)
	if len(p.Errors) > 0 || p.Presented == 0 {
		t.Errorf("%s: errors %v, %d pictures; events %v", p.Engine, p.Errors, p.Presented, p.Events)
	}
	const reach = 20 * time.Second // a player shows a moment as late as this
	for _, g := range p.Gaps {
		from, length := time.UnixMilli(int64(g[0])), time.Duration(g[1])*time.Millisecond
		allowed := time.Second // the machine's own
		for _, o := range outages {
			if o.from.Before(from.Add(length)) && o.to.After(from.Add(-reach)) {
				allowed = max(allowed, o.length()+2*time.Second)
			}
		}
		if length > allowed {
			t.Errorf("%s stood still for %v, at most %v; events %v", p.Engine, length, allowed, p.Events)
		}
	}
}
