package timeline

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestWaitReturnsAtTheNextPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t, Config{})
		tl, _ := st.Open("x")
		begin(t, tl, 10, "v0")
		seen := tl.Snapshot().Version
		got := make(chan *Snapshot)
		go func() {
			s, _ := tl.Wait(t.Context(), seen)
			got <- s
		}()
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("Wait returned without a change")
		default:
		}
		if err := tl.Append("v0", part(10, 0, "a", false)); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s.Version <= seen || len(s.Runs[0].Renditions[0].Segments) != 1 {
			t.Fatalf("woken with %+v", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := tl.Wait(ctx, tl.Snapshot().Version); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Wait ended with %v", err)
		}
		tl.End()
		if s, err := tl.Wait(t.Context(), 1<<60); err != nil || !s.Ended {
			t.Fatalf("after End: %+v %v", s, err)
		}
	})
}

func TestReaderFollowsTheOpenSegment(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		synctest.Test(t, func(t *testing.T) {
			st := newStore(t, Config{Dir: dir})
			tl, _ := st.Open("x")
			r := begin(t, tl, 10, "v0")
			_ = tl.Append("v0", part(10, 0, "aa", false))
			rd, err := tl.OpenSegment(r.ID, "v0", 10)
			if err != nil || rd.Size() != -1 || rd.File() != nil {
				t.Fatalf("open segment: %v, size %d", err, rd.Size())
			}
			defer rd.Close()
			out := make(chan string)
			go func() {
				defer close(out)
				for {
					b, err := rd.Next(t.Context())
					if err != nil {
						if !errors.Is(err, io.EOF) {
							t.Errorf("Next: %v", err)
						}
						return
					}
					out <- string(b)
				}
			}()
			if got := <-out; got != "aa" {
				t.Fatalf("first part %q", got)
			}
			synctest.Wait()
			_ = tl.Append("v0", part(10, 1, "bb", false))
			if got := <-out; got != "bb" {
				t.Fatalf("second part %q", got)
			}
			_ = tl.Append("v0", part(10, 2, "cc", true))
			_ = tl.Append("v0", part(11, 0, "next", false))
			if got := <-out; got != "cc" {
				t.Fatalf("last part %q", got)
			}
			if _, more := <-out; more {
				t.Fatal("the reader ran into the next segment")
			}
		})
	}
}

func TestReaderOutlivesItsSegment(t *testing.T) {
	st := newStore(t, Config{Dir: t.TempDir(), Window: 3 * testD})
	tl, _ := st.Open("x")
	r := begin(t, tl, 10, "v0")
	_ = tl.Append("v0", part(10, 0, "first", true))
	if err := st.volume().flush(true); err != nil {
		t.Fatal(err)
	}
	rd, err := tl.OpenSegment(r.ID, "v0", 10)
	if err != nil || rd.File() == nil {
		t.Fatalf("finished segment has no file: %v", err)
	}
	for n := int64(11); n < 100; n++ {
		_ = tl.Append("v0", part(n, 0, "later", true))
	}
	if _, err := tl.OpenSegment(r.ID, "v0", 10); !errors.Is(err, ErrGone) {
		t.Errorf("evicted segment: %v", err)
	}
	var b strings.Builder
	if _, err := rd.WriteTo(&b); err != nil || b.String() != "first" {
		t.Errorf("reader of an evicted segment: %q %v", b.String(), err)
	}
	rd.Close()
	st.Remove("x")
	if err := tl.Append("v0", part(100, 0, "x", true)); err == nil {
		t.Error("a removed timeline takes parts")
	}
}

func TestRunsContinueTheNumbers(t *testing.T) {
	st := newStore(t, Config{})
	tl, _ := st.Open("x")
	a := begin(t, tl, 500, "v0", "a0")
	_ = tl.Append("v0", part(500, 0, "x", true))
	_ = tl.Append("v0", part(501, 0, "x", false)) // audio is one segment behind
	_ = tl.Append("a0", part(500, 0, "x", true))
	tl.EndRun()
	empty := begin(t, tl, 507, "v0", "a0") // nothing comes
	b := begin(t, tl, 300, "v0", "a0")     // the clock was set back
	if a.MSNBase != 500 || b.MSNBase != 502 || b.DiscontinuitySeq != 1 || empty.ID == b.ID || b.ID <= a.ID {
		t.Fatalf("runs %+v, %+v", a, b)
	}
	s := tl.Snapshot()
	if len(s.Runs) != 2 || !s.Runs[0].Ended || s.Runs[1].Ended {
		t.Fatalf("snapshot %+v", s)
	}
	audio := s.Runs[0].Renditions[1].Segments
	if len(audio) != 2 || !audio[1].Gap || !audio[1].Complete || audio[1].MSN != 501 || audio[1].Duration != 180000 {
		t.Fatalf("audio was not levelled: %+v", audio)
	}
	if want := "init-"; !strings.HasPrefix(b.Renditions[0].InitName, want) || b.Renditions[0].InitName == a.Renditions[0].InitName {
		t.Errorf("init names %q, %q", a.Renditions[0].InitName, b.Renditions[0].InitName)
	}
}

// TestAbsence: how many segments the time between two runs fills, if the publisher was away.
func TestAbsence(t *testing.T) {
	for name, c := range map[string]struct {
		away time.Duration
		end  func(*Timeline)
		want int64
	}{
		"a moment":            {99 * time.Millisecond, (*Timeline).EndRun, 0},
		"short":               {200 * time.Millisecond, (*Timeline).EndRun, 1},
		"as long as segments": {4 * time.Second, (*Timeline).EndRun, 2},
		"longer":              {4*time.Second + 1, (*Timeline).EndRun, 3},
		"hours":               {5 * time.Hour, (*Timeline).EndRun, 30},
		"the clock was set":   {-time.Hour, (*Timeline).EndRun, 0},
		"it was set forward":  {time.Hour, func(tl *Timeline) { tl.EndRunFor(EndClockStep) }, 0},
		"the stream was over": {10 * time.Second, (*Timeline).End, 0},
	} {
		tl, _ := newStore(t, Config{}).Open("x")
		first := begin(t, tl, 500, "v0")
		_ = tl.Append("v0", part(500, 0, "x", true)) // 200 ms
		c.end(tl)
		r := Run{Start: time.Unix(1000, 200e6).Add(c.away), FirstN: 505, SegmentDuration: testD, Renditions: []Rendition{video("v0")}}
		r, err := tl.BeginRun(r)
		if err != nil || r.Absent != c.want || r.AbsentSoFar != c.want || r.Counted(505) != first.Counted(500)+c.want+1 {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
}

// TestCountedNeverBack: numbers that count absences go on even after a restart, though nobody writes the absences down.
func TestCountedNeverBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		last, at := int64(0), time.Unix(1_750_000_000, 0)
		for range rapid.IntRange(1, 3).Draw(rt, "restarts") {
			st, err := NewStore(Config{Dir: dir}, quiet)
			if err != nil {
				rt.Fatal(err)
			}
			tl, _ := st.Open("x")
			for range rapid.IntRange(1, 6).Draw(rt, "runs") {
				at = at.Add(time.Duration(rapid.IntRange(60, 20_000).Draw(rt, "away")) * time.Millisecond)
				n := at.UnixNano() / int64(testD)
				r, err := tl.BeginRun(Run{Start: at, FirstN: n, SegmentDuration: testD, Renditions: []Rendition{video("v0")}})
				if err != nil || r.Counted(n) <= last {
					rt.Fatalf("segment %d counts %d after %d, %v", n, r.Counted(n), last, err)
				}
				for range rapid.IntRange(1, 4).Draw(rt, "segments") {
					p := part(n, 0, "x", true)
					p.Start = at.Unix()*90000 + int64(at.Nanosecond())*9/100000
					_ = tl.Append("v0", p)
					last = r.Counted(n)
					n++
					at = at.Add(200 * time.Millisecond)
					if edge := time.Unix(0, n*int64(testD)); at.Before(edge) {
						at = edge
					}
				}
				tl.EndRun()
			}
			st.Close()
		}
	})
}

func TestAppendRefuses(t *testing.T) {
	st := newStore(t, Config{})
	tl, _ := st.Open("x")
	if err := tl.Append("v0", part(1, 0, "x", true)); !errors.Is(err, errNoRun) {
		t.Errorf("without a run: %v", err)
	}
	begin(t, tl, 10, "v0")
	_ = tl.Append("v0", part(10, 0, "x", true))
	for name, want := range map[string]error{"a9": errUnknown, "v0": ErrOrder} {
		if err := tl.Append(name, part(10, 0, "x", false)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if err := tl.Append("v0", part(1e6, 0, "x", false)); !errors.Is(err, ErrOrder) {
		t.Errorf("a jump of a million segments: %v", err)
	}
	if _, err := tl.BeginRun(Run{SegmentDuration: testD}); !errors.Is(err, errRun) {
		t.Errorf("a run without renditions: %v", err)
	}
	if _, err := tl.BeginRun(Run{SegmentDuration: testD, Renditions: []Rendition{video("a"), video("a")}}); !errors.Is(err, errRun) {
		t.Errorf("a run with equal names: %v", err)
	}
}

// The head of a stream of video and audio in 200 ms parts has to stay far below half a
// mebibyte besides the payload.
func TestMemoryPerStream(t *testing.T) {
	st := newStore(t, Config{Dir: t.TempDir()})
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	const streams = 20
	for i := range streams {
		tl, _ := st.Open(string(rune('a' + i)))
		begin(t, tl, 0, "v0", "a0")
		for n := range int64(60) {
			for k := range 10 {
				for _, name := range []string{"v0", "a0"} {
					if err := tl.Append(name, part(n, k, "0123456789", k == 9)); err != nil {
						t.Fatal(err)
					}
				}
			}
			tl.Snapshot()
			if n%5 == 0 {
				_ = st.Flush()
			}
		}
	}
	per := (heap() - before) / streams
	t.Logf("%d bytes per stream", per)
	if per > 128<<10 {
		t.Errorf("%d bytes per stream", per)
	}
}

func BenchmarkAppendPart(b *testing.B) {
	st := newStore(b, Config{Dir: b.TempDir()})
	tl, _ := st.Open("x")
	begin(b, tl, 0, "v0")
	data := make([]byte, 50_000)
	b.ReportAllocs()
	for i := range b.N {
		k := i % 10
		p := Part{N: int64(i / 10), Index: k, Start: int64(i), Duration: 18000, Independent: k == 0, Data: data, Last: k == 9}
		if err := tl.Append("v0", p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSnapshot(b *testing.B) {
	st := newStore(b, Config{Dir: b.TempDir()})
	tl, _ := st.Open("x")
	begin(b, tl, 0, "v0", "a0")
	b.ReportAllocs()
	for i := range b.N {
		k := i % 10
		p := Part{N: int64(i / 10), Index: k, Start: int64(i), Duration: 18000, Data: []byte("x"), Last: k == 9}
		_ = tl.Append("v0", p)
		_ = tl.Append("a0", p)
		tl.Snapshot()
	}
}
