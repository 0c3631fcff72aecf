package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/server"
)

// TestShow_3_4_Joints is the short form: a publisher drops, wraps, jumps both ways, lies and changes its resolution.
func TestShow_3_4_Joints(t *testing.T) {
	need(t, "ffmpeg", "node", "chromium")
	t.Parallel()
	w := start(t)
	j := newJointFeed(t, w, "joints/show")
	j.connect()
	j.send("start", 3*time.Second, from(0))
	j.drop(1300 * time.Millisecond)
	j.connect()
	j.send("wrap", 3*time.Second, from(1<<32-1500))
	j.send("ahead", 3*time.Second, from(3_600_000))
	j.send("back", 3*time.Second, from(1_000_000))
	j.drop(1200 * time.Millisecond)
	j.connect()
	j.send("honest", 2*time.Second, from(0))
	j.send("lies", 3*time.Second, func(ms int64) uint32 {
		if ms >= 440 { // in the middle of a group
			return uint32(ms) * 2654435761
		}
		return uint32(2000 + ms)
	})
	j.drop(200 * time.Millisecond)
	j.connect()
	j.send("stands", 4*time.Second, func(ms int64) uint32 { return uint32(min(ms, 1500)) })
	large := j.resized(640, 360, 3*time.Second)
	j.drop(200 * time.Millisecond)
	j.connect()
	j.send("small", 3*time.Second, from(0))
	j.resize(640, 360, large)
	j.send("large", 3*time.Second, from(3000))
	j.drop(0)
	k := j.settled()
	judgeCauses(t, k)
	j.judge(k)
}

// judgeCauses: runs and gaps have their causes.
func judgeCauses(t *testing.T, k keptLine) {
	t.Helper()
	for i, s := range k.Spans {
		if i > 0 && s.From.Before(k.Spans[i-1].To.Add(-100*time.Millisecond)) {
			t.Errorf("span %d begins %v before the end of the one before", i, k.Spans[i-1].To.Sub(s.From))
		}
		if gap := i+1 < len(k.Spans) && k.Spans[i+1].From.Sub(s.To) > 250*time.Millisecond; gap && s.End != "publisher_gone" {
			t.Errorf("there is a gap behind span %d, which ended for %q", i, s.End)
		}
	}
	for _, g := range k.Gaps {
		if g.Cause != "publisher_gone" || g.To.Sub(g.From) < time.Second {
			t.Errorf("a gap of %v for %q", g.To.Sub(g.From), g.Cause)
		}
	}
}

// TestShow_3_4_ClockIsSet: the server's clock is set an hour forward and back, and a little back into what was recorded already,
// in the middle of groups, while players watch and the clock drifts by 200 ppm.
func TestShow_3_4_ClockIsSet(t *testing.T) {
	need(t, "ffmpeg", "node", "chromium")
	t.Parallel()
	clocks(t, 4*time.Second, 0, time.Hour, -time.Hour, -5*time.Second)
}

// clocks publishes for a while after each step of the clock.
func clocks(t *testing.T, each time.Duration, steps ...time.Duration) {
	const (
		base     = -6 * time.Hour // whatever the steps, the footage lies in the past
		starting = 8 * time.Second
	)
	var off atomic.Int64
	began := time.Now()
	off.Store(int64(base))
	w := startWithin(t, func(c *server.Config) {
		c.Wall = func() time.Time {
			now := time.Now()
			return now.Add(time.Duration(off.Load()) + now.Sub(began)*200/1e6)
		}
	})
	j := newJointFeed(t, w, "joints/clock")
	j.connect()
	var live *process
	sent := int64(0)
	send := func(what string, length time.Duration) {
		j.send(what, length, from(sent))
		sent += length.Milliseconds()
	}
	for i, step := range steps {
		if i > 0 { // within a group
			time.AfterFunc(each/2+300*time.Millisecond, func() { off.Add(int64(step)) })
		}
		send(fmt.Sprintf("step of %v", step), each)
		if i == 0 {
			live = j.playing(overJoints, "", 1, each*time.Duration(len(steps)-1)+starting+7*time.Second)
			send("players begin", starting)
		}
	}
	// Players are some segments behind.
	send("end", 8*time.Second)
	j.judgePlayers(live, 2, false)
	j.drop(0)
	k := j.settled()
	if len(k.Spans) != len(steps) {
		t.Errorf("%d spans of %d runs", len(k.Spans), len(steps))
	}
	for i, s := range k.Spans {
		if want := map[bool]string{true: "publisher_gone", false: "clock_step"}[s.Run == newest(k)]; s.End != want {
			t.Errorf("span %d ended for %q, not %q", i, s.End, want)
		}
	}
	for _, g := range k.Gaps {
		for _, s := range k.Spans {
			if s.From.Before(g.To) && g.From.Before(s.To) {
				t.Errorf("a gap from %v to %v, and footage from %v to %v", g.From, g.To, s.From, s.To)
			}
		}
	}
	j.judge(k)
}

// newest is the last run.
func newest(k keptLine) (run uint64) {
	for _, s := range k.Spans {
		run = max(run, s.Run)
	}
	return run
}

// startWithin runs a server inside the test, for what only its configuration in Go can set.
func startWithin(t *testing.T, change func(*server.Config)) *weir {
	t.Helper()
	w := &weir{t: t, data: t.TempDir(), logs: &tail{}, ports: map[string]int{}}
	c := server.Config{DataDir: w.data, Streams: server.Streams{TakeOver: true}}
	c.HTTP.Listen, c.RTMP.Listen, c.WebRTC.Listen = "127.0.0.1:0", "127.0.0.1:0", "off"
	c.Footage.Policy.DVR = 24 * time.Hour
	change(&c)
	s, err := server.New(t.Context(), c, slog.New(slog.NewTextHandler(w.logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func(r server.Ready) {
			for _, g := range r.Gates {
				w.ports[g.Name] = g.Port
			}
			close(ready)
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		s.Close()
		if t.Failed() {
			t.Logf("server log:\n%.8000s", w.logs)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	return w
}

// TestShow_3_4_JointsLong: twenty drops, each time with another fault, and four minutes of a clock that drifts by 200 ppm.
func TestShow_3_4_JointsLong(t *testing.T) {
	long(t)
	need(t, "ffmpeg", "node", "chromium")
	w := start(t)
	j := newJointFeed(t, w, "joints/long")
	faults := []struct {
		what  string
		stamp func(ms int64) uint32
	}{
		{"honest", from(0)},
		{"wraps at 32 bits", from(1<<32 - 2500)},
		{"wraps at 24 bits", func(ms int64) uint32 { return uint32(1<<24-2500+ms) & 0xFFFFFF }},
		{"jumps an hour ahead", jumps(3_600_000)},
		{"jumps back", jumps(-2400)},
		{"stands still", func(ms int64) uint32 { return uint32(min(ms, 2520)) }},
		{"lies", jumpsWith(func(ms int64) uint32 { return uint32(ms) * 2654435761 })},
	}
	for i := range 20 {
		f := faults[i%len(faults)]
		width, height := 640-j.options.Width+320, 360-j.options.Height+180
		other := j.resized(width, height, 7*time.Second)
		j.connect()
		j.send(fmt.Sprintf("%d %s", i, f.what), 7*time.Second, f.stamp)
		if i%5 == 4 {
			j.resize(width, height, other)
			j.send(fmt.Sprintf("%d resized", i), 4*time.Second, func(ms int64) uint32 { return f.stamp(7000 + ms) })
		}
		j.drop(200*time.Millisecond + time.Duration(i)*300*time.Millisecond)
	}
	j.connect()
	for i := range int64(240) { // samples and time stamps come too fast alike
		j.feed.begun = j.feed.begun.Add(-200 * time.Microsecond)
		j.send(fmt.Sprintf("drift %d", i), time.Second, from(i*1000))
	}
	j.drop(0)
	k := j.settled()
	judgeCauses(t, k)
	j.judge(k)
}

// jumps lets the time stamps jump in the middle of a group.
func jumps(by int64) func(ms int64) uint32 {
	return jumpsWith(func(ms int64) uint32 { return uint32(ms + by) })
}

func jumpsWith(after func(ms int64) uint32) func(ms int64) uint32 {
	return func(ms int64) uint32 {
		if ms >= 2440 {
			return after(ms)
		}
		return uint32(ms)
	}
}

// TestShow_3_4_ClockIsSetLong sets the clock twelve times.
func TestShow_3_4_ClockIsSetLong(t *testing.T) {
	long(t)
	need(t, "ffmpeg", "node", "chromium")
	clocks(t, 20*time.Second, 0, time.Hour, -time.Hour, -5*time.Second, 1500*time.Millisecond, -time.Hour, 2*time.Hour, -time.Minute, time.Minute, -time.Hour, time.Hour, time.Hour)
}

// TestShow_3_4_OtherCodecs: the publisher returns with AV1 and Opus in the place of H.264 and AAC. The counters of each begin at 0.
func TestShow_3_4_OtherCodecs(t *testing.T) {
	need(t, "ffmpeg", "node", "chromium")
	t.Parallel()
	const length = 6 * time.Second
	w, dir := start(t), t.TempDir()
	j := newJointFeed(t, w, "joints/codecs")
	pattern := patternFile(t, dir, length)
	for i, codecs := range [][2]string{{"H.264", "AAC"}, {"AV1", "Opus"}} {
		v, a := makeClip(t, dir, pattern, codecs[0], length), makeClip(t, dir, pattern, codecs[1], length)
		if err := publishPeer(t.Context(), t, w.rtmp(j.name, j.key), v, a); err != nil {
			t.Fatal(err)
		}
		pause(t, 1200*time.Millisecond)
		j.sections = append(j.sections, section{strings.Join(codecs[:], " and "), i * 150, i*150 + 149})
	}
	k := j.settled()
	t.Log(k)
	if len(k.Spans) != 2 || len(k.Gaps) != 1 {
		t.Errorf("%d spans and %d gaps", len(k.Spans), len(k.Gaps))
	}
	// Shaka has one codec for a list of HLS (error 3014), and none of its own for each discontinuity.
	players := j.playing([][2]string{{"hls.js", "index.m3u8"}, {"shaka", "index.mpd"}, {"dash.js", "index.mpd"}}, k.whole(), 1, 40*time.Second)
	for i, s := range k.Spans {
		query := fmt.Sprintf("?from=%.3f&to=%.3f", float64(s.From.UnixMilli()+20)/1000, float64(s.To.UnixMilli()-20)/1000)
		got := j.decodeCropped(j.w.beside(j.name, "index.m3u8"+query))
		if got.Missing+got.Duplicates+got.OutOfOrder+got.Unreadable > 0 || got.Frames != 150 {
			t.Errorf("run %d: %+v", i, got)
		}
	}
	for _, p := range j.played(players) {
		for i := 1; i < len(p.Counters); i++ {
			if p.Counters[i] < p.Counters[i-1]-75 {
				for k := range p.Counters[i:] {
					p.Counters[i+k] += 150
				}
			}
		}
		j.judgePlayer(p, 0, true)
	}
}
