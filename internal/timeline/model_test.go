package timeline

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"weir/internal/media"
)

func TestMain(m *testing.M) {
	// Each check of a model writes and syncs files; -rapid.checks on the command line asks for more of them.
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

const testD = 2 * time.Second

func newStore(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := NewStore(cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func video(name string) Rendition {
	return Rendition{Name: name, Track: media.Track{Kind: media.Video, Codec: media.H264, TimeScale: 90000}, Init: []byte(name)}
}

func begin(t testing.TB, tl *Timeline, firstN int64, names ...string) Run {
	t.Helper()
	r := Run{FirstN: firstN, SegmentDuration: testD, PartDuration: 200 * time.Millisecond}
	for _, n := range names {
		r.Renditions = append(r.Renditions, video(n))
	}
	r, err := tl.BeginRun(r)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func part(n int64, index int, data string, last bool) Part {
	return Part{N: n, Index: index, Start: n * 180000, DTS: n * 180000, Duration: 18000,
		Independent: index == 0, Data: []byte(data), Last: last}
}

// oneSegment is the model's view of a segment.
type oneSegment struct {
	n        int64
	data     string
	parts    int
	gap      bool
	complete bool
}

type oneRun struct {
	id     uint64
	first  int64
	last   int64
	ended  bool
	msn    int64
	rends  map[string][]oneSegment
	number int // segment numbers still in the window, counted from the end
}

// model keeps everything for ever; what the window should show is worked out from it.
type model struct {
	runs   []*oneRun
	window int
}

func (m *model) open() *oneRun {
	if k := len(m.runs); k > 0 && !m.runs[k-1].ended {
		return m.runs[k-1]
	}
	return nil
}

func (m *model) endRun() {
	r := m.open()
	if r == nil {
		return
	}
	r.ended = true
	if r.last < r.first {
		m.runs = m.runs[:len(m.runs)-1]
		return
	}
	for _, name := range []string{"v0", "a0"} {
		m.complete(r, name)
		m.fill(r, name, r.last+1)
	}
}

func (m *model) complete(r *oneRun, name string) {
	if s := r.rends[name]; len(s) > 0 {
		s[len(s)-1].complete = true
	}
}

func (m *model) fill(r *oneRun, name string, n int64) {
	from := r.first
	if s := r.rends[name]; len(s) > 0 {
		from = s[len(s)-1].n + 1
	}
	for ; from < n; from++ {
		r.rends[name] = append(r.rends[name], oneSegment{n: from, gap: true, complete: true})
	}
}

func (m *model) append(name string, p Part) {
	r := m.open()
	s := r.rends[name]
	if k := len(s); k == 0 || s[k-1].n != p.N {
		m.complete(r, name)
		m.fill(r, name, p.N)
		s = append(r.rends[name], oneSegment{n: p.N})
		r.last = max(r.last, p.N)
	}
	at := &s[len(s)-1]
	at.data += string(p.Data)
	at.parts++
	at.complete = p.Last
	r.rends[name] = s
}

// live is the number of segment numbers of each run that the window still shows.
func (m *model) live() []int64 {
	out := make([]int64, len(m.runs))
	left := int64(m.window)
	if r := m.open(); r != nil && r.last >= r.first {
		left++
	}
	for i := len(m.runs) - 1; i >= 0; i-- {
		out[i] = min(left, m.runs[i].last-m.runs[i].first+1)
		left -= out[i]
	}
	return out
}

// script is one random run of the model test.
type script struct {
	rt   *rapid.T
	t    *testing.T
	tl   *Timeline
	m    *model
	next map[string]int64 // segment number that each rendition goes on with
	last uint64           // run id
}

func TestTimelineAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := ""
		if rapid.Bool().Draw(rt, "on disk") {
			dir = filepath.Join(t.TempDir(), "head")
		}
		st, err := NewStore(Config{Dir: dir, Window: 5 * testD}, quiet)
		if err != nil {
			rt.Fatal(err)
		}
		defer st.Close()
		tl, _ := st.Open("live/x")
		s := &script{rt: rt, t: t, tl: tl, m: &model{window: 5}}
		for step := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch op := rapid.IntRange(0, 19).Draw(rt, "op"); {
			case op == 0 || s.m.open() == nil:
				s.begin()
			case op == 1:
				s.m.endRun()
				tl.EndRun()
			case op == 2 && st.volume() != nil:
				if err := st.volume().flush(rapid.Bool().Draw(rt, "all")); err != nil {
					rt.Fatal(err)
				}
			default:
				s.append(step)
			}
			s.m.check(rt, tl)
		}
	})
}

func (s *script) begin() {
	m := s.m
	m.endRun()
	first := rapid.Int64Range(100, 200).Draw(s.rt, "first")
	r := begin(s.t, s.tl, first, "v0", "a0")
	if r.ID <= s.last {
		s.rt.Fatalf("run id %d after %d", r.ID, s.last)
	}
	s.last = r.ID
	if len(m.runs) > 0 {
		prev := m.runs[len(m.runs)-1]
		if want := prev.msn + prev.last - prev.first + 1; r.MSNBase != want {
			s.rt.Fatalf("MSNBase %d, want %d", r.MSNBase, want)
		}
	}
	m.runs = append(m.runs, &oneRun{id: r.ID, first: first, last: first - 1, msn: r.MSNBase, rends: map[string][]oneSegment{}})
	s.next = map[string]int64{"v0": first, "a0": first}
}

func (s *script) append(step int) {
	rt, m := s.rt, s.m
	name := rapid.SampledFrom([]string{"v0", "v0", "a0"}).Draw(rt, "rendition")
	r := m.open()
	list := r.rends[name]
	k := len(list)
	p := part(s.next[name], 0, fmt.Sprintf("%s-%d;", name, step), rapid.IntRange(0, 3).Draw(rt, "last") == 0)
	if k > 0 && list[k-1].n == p.N {
		p.Index = list[k-1].parts
	} else if rapid.IntRange(0, 9).Draw(rt, "skip") == 0 {
		p.N += rapid.Int64Range(1, 8).Draw(rt, "by")
	}
	s.next[name] = p.N
	if p.Last || rapid.IntRange(0, 5).Draw(rt, "next") == 0 {
		s.next[name]++
	}
	err := s.tl.Append(name, p)
	if errors.Is(err, ErrGone) {
		if lv := m.live(); p.N > r.last-lv[len(lv)-1] {
			rt.Fatalf("%s %d refused as gone, yet %d of up to %d are live", name, p.N, lv[len(lv)-1], r.last)
		}
		s.next[name] = r.last
		if k > 0 && list[k-1].n >= r.last {
			s.next[name]++
		}
		return
	}
	if err != nil {
		rt.Fatal(err)
	}
	m.append(name, p)
}

func (m *model) check(rt *rapid.T, tl *Timeline) {
	snap := tl.Snapshot()
	live := m.live()
	at := 0
	for i, r := range m.runs {
		if live[i] == 0 && i != len(m.runs)-1 {
			continue
		}
		if live[i] == 0 && r.ended {
			continue
		}
		if at >= len(snap.Runs) || snap.Runs[at].ID != r.id {
			rt.Fatalf("run %d (%d live) is not in the snapshot at %d", r.id, live[i], at)
		}
		rv := snap.Runs[at]
		at++
		for j, name := range []string{"v0", "a0"} {
			var want []oneSegment
			for _, s := range r.rends[name] {
				if s.n > r.last-live[i] {
					want = append(want, s)
				}
			}
			got := rv.Renditions[j].Segments
			if len(got) != len(want) {
				rt.Fatalf("run %d %s: %d segments, want %d", i, name, len(got), len(want))
			}
			for k, w := range want {
				g := got[k]
				if g.N != w.n || g.MSN != r.msn+w.n-r.first || g.Gap != w.gap || g.Complete != w.complete || len(g.Parts) != w.parts || g.Size != int64(len(w.data)) {
					rt.Fatalf("run %d %s: got %+v, want %+v", i, name, g, w)
				}
				if !w.gap {
					readBack(rt, tl, r.id, name, g, w.data)
				}
			}
		}
	}
	if at != len(snap.Runs) {
		rt.Fatalf("%d runs in the snapshot, want %d", len(snap.Runs), at)
	}
	for i := 1; i < len(snap.Runs); i++ {
		if snap.Runs[i].DiscontinuitySeq != snap.Runs[i-1].DiscontinuitySeq+1 {
			rt.Fatalf("discontinuity sequence %d after %d", snap.Runs[i].DiscontinuitySeq, snap.Runs[i-1].DiscontinuitySeq)
		}
	}
}

func readBack(rt *rapid.T, tl *Timeline, run uint64, name string, g SegmentView, want string) {
	rd, err := tl.OpenSegment(run, name, g.N)
	if err != nil {
		rt.Fatal(err)
	}
	defer rd.Close()
	var b bytes.Buffer
	if _, err := rd.WriteTo(&b); err != nil || b.String() != want {
		rt.Fatalf("segment reads %q (%v), want %q", b.String(), err, want)
	}
	var parts bytes.Buffer
	for _, p := range g.Parts {
		pr, err := tl.OpenPart(run, name, g.N, p.Index)
		if err != nil {
			rt.Fatal(err)
		}
		if pr.Size() != p.Size {
			rt.Fatalf("part size %d, want %d", pr.Size(), p.Size)
		}
		for {
			b, err := pr.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				rt.Fatal(err)
			}
			parts.Write(b)
		}
		pr.Close()
	}
	if parts.String() != want {
		rt.Fatalf("parts read %q, want %q", parts.String(), want)
	}
}
