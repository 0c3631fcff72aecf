package timeline

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// volumeScript records with a process that is stopped, killed and loses its power at random moments.
type volumeScript struct {
	rt    *rapid.T
	t     *testing.T
	dir   string
	st    *Store
	d     *faulty
	f     *film
	safe  map[string]int   // bytes of each segment that were acknowledged
	gone  map[string]bool  // what retention or a person may have removed
	pins  map[string]Range // what must stay
	sec   int64            // where the next run begins
	last  Run              // the run before
	dead  map[uint64]bool  // runs of earlier processes
	known Run              // the newest run that was acknowledged
	open  bool             // a run is open
}

const scriptKeep = 60 * time.Second

func (s *volumeScript) start() {
	s.d = newFaulty()
	var err error
	s.st, err = openStore(Config{Dir: s.dir, Window: 8 * time.Second, Keep: func(string) Keep { return Keep{For: scriptKeep} }}, s.d.disk, quiet)
	if err != nil {
		s.rt.Fatal(err)
	}
	old := s.f
	s.f, s.open = newFilm(s.t, s.st, "live/show"), false
	if old != nil {
		s.f.made, s.f.ends = old.made, old.ends
	}
}

func (s *volumeScript) begin() {
	if s.open {
		s.sec += int64(len(s.f.tl.Snapshot().Runs)) // any time later
	}
	s.sec = max(s.sec, 2*s.f.n["v0"]-filmFrom, 2*s.f.n["a0"]-filmFrom) + 2*rapid.Int64Range(0, 20).Draw(s.rt, "pause")
	s.f.begin(s.sec)
	if r := s.f.run; s.last.ID != 0 && (r.ID <= s.last.ID || r.MSNBase < s.last.MSNBase || r.DiscontinuitySeq < s.last.DiscontinuitySeq) {
		s.rt.Fatalf("run %d, media sequence %d, discontinuity %d after %d, %d, %d", r.ID, r.MSNBase, r.DiscontinuitySeq, s.last.ID, s.last.MSNBase, s.last.DiscontinuitySeq)
	}
	s.last, s.open = s.f.run, true
}

// acknowledge notes what a successful Flush has promised.
func (s *volumeScript) acknowledge() {
	for key, b := range s.f.made {
		run, _, _ := splitKey(key)
		if s.dead[run] {
			continue // of an earlier process
		}
		s.safe[key] = len(b)
		if run == s.last.ID {
			s.known = s.last
		}
	}
}

func (s *volumeScript) step() {
	rt := s.rt
	switch op := rapid.IntRange(0, 19).Draw(rt, "op"); {
	case !s.open || op == 0:
		s.begin()
	case op == 1:
		s.f.tl.EndRun()
		s.open = false
	case op == 2:
		if err := s.st.Flush(); err != nil {
			rt.Fatal(err)
		}
		s.acknowledge()
	case op < 6:
		if err := s.st.volume().flush(false); err != nil {
			rt.Fatal(err)
		}
	case op == 6:
		if err := s.st.volume().sealAll(s.t.Context()); err != nil {
			rt.Fatal(err)
		}
	case op == 7:
		s.restart()
	case op == 8:
		s.pin()
	case op == 9:
		s.retain()
	case op < 15:
		s.f.segments(rapid.IntRange(1, 12).Draw(rt, "segments"))
	default:
		s.f.add(rapid.SampledFrom([]string{"v0", "a0"}).Draw(rt, "rendition"))
	}
}

// restart ends the process in one of three ways.
func (s *volumeScript) restart() {
	switch rapid.SampledFrom([]string{"stop", "kill", "power"}).Draw(s.rt, "end") {
	case "stop":
		s.st.Close()
		s.acknowledge()
	case "kill":
		kill(s.st)
	case "power":
		kill(s.st)
		s.cutPower()
	}
	s.last = s.known
	for key := range s.f.made {
		run, _, _ := splitKey(key)
		s.dead[run] = true
	}
	s.start()
	s.check()
}

// cutPower leaves of the open files what was synced, and sometimes a tail of zeros.
func (s *volumeScript) cutPower() {
	entries, err := os.ReadDir(filepath.Join(s.dir, openFolder))
	if err != nil {
		s.rt.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, openFolder, e.Name())
		size, ok := s.d.synced[e.Name()]
		if !ok {
			size = 0
		}
		st, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, min(size, st.Size()))
		}
		if err == nil && rapid.Bool().Draw(s.rt, "zeros") {
			err = os.Truncate(path, st.Size())
		}
		if err != nil {
			s.rt.Fatal(err)
		}
	}
}

func (s *volumeScript) pin() {
	from := time.Unix(filmFrom+rapid.Int64Range(0, max(1, s.sec+40)).Draw(s.rt, "from"), 0)
	p := Pin{Timeline: "live/show", Kind: PinRecording, Title: "x", From: from, To: from.Add(time.Duration(rapid.IntRange(1, 30).Draw(s.rt, "length")) * time.Second)}
	if rapid.IntRange(0, 3).Draw(s.rt, "unpin") == 0 && len(s.pins) > 0 {
		for id := range s.pins {
			if err := s.st.Unpin(s.t.Context(), id); err != nil {
				s.rt.Fatal(err)
			}
			delete(s.pins, id)
			return
		}
	}
	if !s.f.tl.Snapshot().reaches(p.To) {
		return // it would wait for it
	}
	p, err := s.st.Pin(s.t.Context(), p)
	if err != nil {
		s.rt.Fatal(err)
	}
	s.acknowledge() // nothing waits behind a pin
	s.pins[p.ID] = Range{p.From, p.To}
}

// retain applies retention as if it were as late as the film.
func (s *volumeScript) retain() {
	now := time.Unix(max(2*s.f.n["v0"], 2*s.f.n["a0"], filmFrom), 0)
	if err := s.st.volume().retain(s.t.Context(), now, now); err != nil {
		s.rt.Fatal(err)
	}
	for key := range s.f.made {
		if from, to := s.times(key); !to.After(now.Add(-scriptKeep)) {
			pinned := false
			for _, r := range s.pins {
				pinned = pinned || r.overlaps(from, to)
			}
			if !pinned {
				s.gone[key] = true
			}
		}
	}
}

func (s *volumeScript) times(key string) (from, to time.Time) {
	_, _, n := splitKey(key)
	return time.Unix(2*n, 0), s.f.ends[key]
}

// check holds everything that was acknowledged and not removed against the past.
func (s *volumeScript) check() {
	s.f.checkPast(Range{})
	have := map[string]int64{}
	snap, err := s.st.Past(s.t.Context(), "live/show", Range{})
	if err != nil && !errors.Is(err, ErrNoFootage) {
		s.rt.Fatal(err)
	}
	for i := 0; err == nil && i < len(snap.Runs); i++ {
		rv := &snap.Runs[i]
		for j := range rv.Renditions {
			for _, g := range rv.Renditions[j].Segments {
				if !g.Gap {
					have[segKey(rv.ID, rv.Run.Renditions[j].Name, g.N)] = g.Size
				}
			}
		}
	}
	if s.open {
		// Open segments are no part of the past.
		for name, n := range s.f.n {
			have[segKey(s.f.run.ID, name, n)] = 1 << 40
		}
	}
	for key, size := range s.safe {
		if !s.gone[key] && have[key] < int64(size) {
			s.f.dump(snap)
			s.rt.Fatalf("%s: %d bytes of %d that were acknowledged", key, have[key], size)
		}
	}
}

func TestVolumeAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &volumeScript{rt: rt, t: t, dir: t.TempDir(), safe: map[string]int{}, gone: map[string]bool{}, dead: map[uint64]bool{}, pins: map[string]Range{}}
		s.start()
		for range rapid.IntRange(5, 80).Draw(rt, "steps") {
			s.step()
		}
		s.check()
		s.restart()
		seal(t, s.st)
		s.check()
		if got := len(s.st.Pins("live/show")); got != len(s.pins) {
			rt.Fatalf("%d pins, want %d", got, len(s.pins))
		}
		s.st.Close()
		verifyAll(t, s.dir)
		report, err := Check(t.Context(), s.dir, true, func(f Finding) { rt.Errorf("%v", f) })
		if err != nil || report.Open != 0 || report.Unknown != 0 {
			rt.Fatalf("check: %+v %v", report, err)
		}
	})
}
