package timeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/format/cmaf/trackfile"
	"weir/internal/media"
)

const filmFrom = 1_750_000_000 // epoch seconds where films begin

// film makes true CMAF: every part holds a counter that can be found again.
type film struct {
	t     testing.TB
	store *Store
	tl    *Timeline
	run   Run
	n     map[string]int64
	part  map[string]int
	made  map[string][]byte // all bytes of a segment, by key
	ends  map[string]time.Time
	parts int // of a segment
	pad   int // bytes to add to a frame
}

func filmTracks() []media.Track {
	return []media.Track{
		{ID: 1, Kind: media.Video, Codec: media.VP8, TimeScale: 90000, Width: 16, Height: 16},
		{ID: 1, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, SampleRate: 48000, Channels: 2, Config: []byte{0x11, 0x90}},
	}
}

func newFilm(t testing.TB, st *Store, name string) *film {
	t.Helper()
	tl, err := st.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return &film{t: t, store: st, tl: tl, made: map[string][]byte{}, ends: map[string]time.Time{}, parts: 4}
}

// begin begins a run at a second after filmFrom.
func (f *film) begin(second int64) {
	f.t.Helper()
	first := (filmFrom + second) / 2
	r := Run{FirstN: first, Start: time.Unix(first*2, 0).UTC(), SegmentDuration: testD, PartDuration: testD / time.Duration(f.parts)}
	for i, name := range []string{"v0", "a0"} {
		track := filmTracks()[i]
		init, err := cmaf.Init(track)
		if err != nil {
			f.t.Fatal(err)
		}
		r.Renditions = append(r.Renditions, Rendition{Name: name, Track: track, Init: init})
	}
	var err error
	if f.run, err = f.tl.BeginRun(r); err != nil {
		f.t.Fatal(err)
	}
	f.n = map[string]int64{"v0": first, "a0": first}
	f.part = map[string]int{}
}

func segKey(run uint64, rendition string, n int64) string {
	return fmt.Sprint(run, "/", rendition, "/", n)
}

// add appends the next part of a rendition.
func (f *film) add(name string) {
	f.t.Helper()
	n, k := f.n[name], f.part[name]
	track := f.run.Renditions[f.run.indexOf(name)].Track
	length := track.Ticks(testD) / int64(f.parts)
	start := track.Ticks(time.Duration(n)*testD) + int64(k)*length
	frame := media.Frame{Track: 1, Key: k == 0 || track.Kind == media.Audio, DTS: start, PTS: start, Duration: length,
		Data: append(fmt.Appendf(nil, "counter %s %d %d %d.", name, f.run.ID, n, k), make([]byte, f.pad)...)}
	for i := range frame.Data[len(frame.Data)-f.pad:] {
		frame.Data[len(frame.Data)-1-i] = byte(i*7 + k)
	}
	p := Part{N: n, Index: k, Start: start, DTS: start, Duration: length, Independent: frame.Key, Last: k == f.parts-1,
		Data: cmaf.AppendChunk(nil, &cmaf.Chunk{Sequence: uint32(n)<<8 | uint32(k), Styp: k == 0, Frames: []media.Frame{frame}})}
	if k == 0 && track.Kind == media.Video {
		p.Key = int64(len(p.Data))
	}
	if err := f.tl.Append(name, p); err != nil {
		f.t.Fatal(err)
	}
	key := segKey(f.run.ID, name, n)
	f.made[key] = append(f.made[key], p.Data...)
	f.ends[key] = at(start+length, track.TimeScale)
	if f.part[name]++; p.Last {
		f.n[name], f.part[name] = n+1, 0
	}
}

// segments appends whole segments of both renditions.
func (f *film) segments(n int) {
	f.t.Helper()
	for range n {
		for _, name := range []string{"v0", "a0"} {
			for range f.parts {
				f.add(name)
			}
		}
	}
}

func openDir(t testing.TB, dir string, cfg Config) *Store {
	t.Helper()
	cfg.Dir = dir
	return newStore(t, cfg)
}

func read(t testing.TB, st *Store, name string, run uint64, rendition string, n int64) []byte {
	t.Helper()
	rd, err := st.OpenSegment(context.Background(), name, run, rendition, n)
	if err != nil {
		t.Fatalf("segment %s %d: %v", rendition, n, err)
	}
	defer rd.Close()
	var b bytes.Buffer
	if _, err := rd.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if rd.Size() >= 0 && rd.Size() != int64(b.Len()) {
		t.Fatalf("segment %s %d: %d bytes, announced %d", rendition, n, b.Len(), rd.Size())
	}
	return b.Bytes()
}

// checkPast holds the past against what was made: every segment in it is the same to the byte, numbers go on over
// renditions and runs. It returns how many segments there are that are no gaps.
func (f *film) checkPast(r Range) (found, gaps int) {
	f.t.Helper()
	snap, err := f.store.Past(context.Background(), f.tl.name, r)
	if errors.Is(err, ErrNoFootage) {
		return 0, 0
	}
	if err != nil {
		f.t.Fatal(err)
	}
	next := map[string]int64{}
	for i := range snap.Runs {
		rv := &snap.Runs[i]
		for name := range next {
			if rv.indexOf(name) < 0 {
				delete(next, name) // after a crash nothing may be left of a rendition; players see a row of gaps
			}
		}
		for j := range rv.Renditions {
			name := rv.Run.Renditions[j].Name
			for _, s := range rv.Renditions[j].Segments {
				if want, ok := next[name]; ok && s.MSN != want {
					f.dump(snap)
					f.t.Fatalf("%s: media sequence %d after %d; run %d of %d, %d to %d", name, s.MSN, want-1, i, len(snap.Runs), rv.FirstN, rv.MSNBase)
				}
				next[name] = s.MSN + 1
				if s.Gap {
					gaps++
					continue
				}
				found++
				if rd, err := f.store.OpenSegment(context.Background(), f.tl.name, rv.ID, name, s.N); err == nil {
					rd.Close()
				} else {
					f.dump(snap)
					f.t.Fatal(rv.ID, name, s.N, s.Size, err)
				}
				got := read(f.t, f.store, f.tl.name, rv.ID, name, s.N)
				if want := f.made[segKey(rv.ID, name, s.N)]; !bytes.HasPrefix(want, got) || int64(len(got)) != s.Size {
					f.t.Fatalf("%s %d: %d bytes (listed %d) are not the %d that were made", name, s.N, len(got), s.Size, len(want))
				}
				init, err := f.store.Init(context.Background(), f.tl.name, rv.ID, name)
				if err != nil || len(init) == 0 {
					f.t.Fatalf("init of %s: %v", name, err)
				}
			}
		}
	}
	return found, gaps
}

func seal(t testing.TB, st *Store) {
	t.Helper()
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := st.volume().sealAll(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestPastJoinsFilesAndHead(t *testing.T) {
	dir := t.TempDir()
	st := openDir(t, dir, Config{Window: 20 * time.Second, Keep: func(string) Keep { return Keep{For: -1} }})
	f := newFilm(t, st, "live/show")
	f.begin(0)
	for range 20 {
		f.segments(5)
		_ = st.volume().flush(false)
	}
	seal(t, st)
	if found, gaps := f.checkPast(Range{}); found != 200 || gaps != 0 {
		t.Fatalf("%d segments and %d gaps, want 200", found, gaps)
	}
	from := time.Unix(filmFrom+50, 0)
	snap, err := st.Past(t.Context(), "live/show", Range{from, from.Add(20 * time.Second)})
	if err != nil || len(snap.Runs) != 1 || len(snap.Runs[0].Renditions[0].Segments) != 10 || len(snap.Runs[0].Renditions[1].Segments) != 10 || !snap.Ended {
		t.Fatalf("a range of 20 s: %+v %v", snap, err)
	}
	if s := snap.Runs[0].Renditions[0].Segments[0]; s.N != (filmFrom+50)/2 || s.Key == 0 || s.MSN != s.N {
		t.Fatalf("first segment %+v", s)
	}
	f.tl.EndRun()
	f.begin(300)
	f.segments(10)
	if _, err := st.Past(t.Context(), "nobody", Range{}); !errors.Is(err, ErrNoFootage) {
		t.Fatalf("a stream that never was: %v", err)
	}
	spans, err := st.Spans(t.Context(), "live/show", Range{}, time.Second)
	if err != nil || len(spans) != 2 || spans[0].Live || !spans[1].Live || spans[0].End != EndPublisherGone || spans[0].To.Sub(spans[0].From) != 200*time.Second {
		t.Fatalf("spans %+v %v", spans, err)
	}
	cov, err := st.Coverage(t.Context(), "live/", "", 10)
	if err != nil || len(cov) != 1 || !cov[0].Live || cov[0].From != spans[0].From || cov[0].To != spans[1].To {
		t.Fatalf("coverage %+v %v", cov, err)
	}
	before := f.run
	st.Close()

	st = openDir(t, dir, Config{Window: 20 * time.Second})
	g := newFilm(t, st, "live/show")
	g.made = f.made
	if found, gaps := g.checkPast(Range{}); found != 220 || gaps != 0 {
		t.Fatalf("after a restart %d segments and %d gaps, want 220", found, gaps)
	}
	g.begin(400)
	if g.run.MSNBase != before.MSNBase+10 || g.run.DiscontinuitySeq != before.DiscontinuitySeq+1 || g.run.ID <= before.ID {
		t.Fatalf("run %+v after %+v", g.run, before)
	}
	left, _ := os.ReadDir(filepath.Join(dir, openFolder))
	if len(left) != 0 {
		t.Errorf("left in the open folder: %v", left)
	}
}

// kill leaves the store as a killed process does: nothing more is written.
func kill(st *Store) {
	st.mu.Lock()
	st.closed = true
	st.mu.Unlock()
	_ = st.volume().close()
}

func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	st := openDir(t, dir, Config{})
	f := newFilm(t, st, "live/show")
	f.begin(0)
	f.segments(40)
	seal(t, st)
	f.segments(10)
	f.add("v0")
	f.add("v0")
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	f.add("v0")
	before := f.run
	kill(st)

	st = openDir(t, dir, Config{})
	g := newFilm(t, st, "live/show")
	g.made = f.made
	if found, gaps := g.checkPast(Range{}); found != 101 || gaps != 1 {
		t.Fatalf("%d segments and %d gaps, want 101 and 1", found, gaps)
	}
	g.begin(600)
	if want := before.MSNBase + 51 + 1; g.run.MSNBase != want || g.run.DiscontinuitySeq != 1 {
		t.Fatalf("media sequence %d after a crash, want %d (one that viewers may have seen is not given again)", g.run.MSNBase, want)
	}
	g.segments(3)
	if found, gaps := g.checkPast(Range{}); found != 107 || gaps != 3 {
		t.Fatalf("%d segments and %d gaps over the joint, want 107 and 3", found, gaps)
	}
}

// Every sealed file reads and verifies by itself.
func verifyAll(t testing.TB, dir string) (files int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, sealedFolder), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		st, _ := f.Stat()
		files++
		return trackfile.Verify(f, st.Size(), func(at int64, what string) { t.Errorf("%s at %d: %s", path, at, what) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func splitKey(key string) (run uint64, rendition string, n int64) {
	parts := strings.Split(key, "/")
	run, _ = strconv.ParseUint(parts[0], 10, 64)
	n, _ = strconv.ParseInt(parts[2], 10, 64)
	return run, parts[1], n
}

// dump shows what the past and the index know.
func (f *film) dump(snap *Snapshot) {
	for i := range snap.Runs {
		rv := &snap.Runs[i]
		f.t.Log("past run", rv.ID, "first", rv.FirstN, "MSN", rv.MSNBase, "ended", rv.Ended, rv.EndReason)
		for j := range rv.Renditions {
			if segs := rv.Renditions[j].Segments; len(segs) > 0 {
				f.t.Log("  ", rv.Run.Renditions[j].Name, segs[0].N, "to", segs[len(segs)-1].N)
			}
		}
	}
	files, _ := f.store.volume().db.Files(f.t.Context(), f.tl.name, time.Time{}, time.Time{})
	for _, r := range files {
		f.t.Log("file", r.Object, r.FirstN, r.LastN, r.From.Unix(), r.To.Unix(), r.End, r.Size)
	}
	runs, _ := f.store.volume().db.Runs(f.t.Context(), f.tl.name, time.Time{}, time.Time{})
	for _, r := range runs {
		f.t.Log("run", r.ID, r.FirstN, r.LastN, r.MSNBase, r.Seq, r.Start.Unix(), r.End.Unix(), r.Reason)
	}
}
