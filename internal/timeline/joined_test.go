package timeline

import (
	"math/rand/v2"
	"reflect"
	"syscall"
	"testing"
	"time"
)

// TestPastIsTheSameFromItsCache asks for sliding, growing and closed ranges while a stream is recorded, sealed, deleted from, and stumbles over
// its disk: what the cache gives is what is given without it, and no snapshot changes afterwards.
func TestPastIsTheSameFromItsCache(t *testing.T) {
	st, d, _ := openFaulty(t, t.TempDir(), Config{Window: 20 * time.Second, Keep: forEver})
	v := st.volume()
	f := newFilm(t, st, "live/show")
	f.parts = 1
	f.begin(0)
	rnd := rand.New(rand.NewPCG(1, 2))
	at := func(s int64) time.Time { return time.Unix(filmFrom+s, 0) }
	type kept struct {
		snap *Snapshot
		copy [][]SegmentView
	}
	flat := func(s *Snapshot) (out [][]SegmentView) {
		for i := range s.Runs {
			for _, rd := range s.Runs[i].Renditions {
				out = append(out, append([]SegmentView(nil), rd.Segments...))
			}
		}
		return out
	}
	var old []kept
	hits := 0
	for step := range 100 {
		f.segments(rnd.IntN(12))
		now := 2*f.n["v0"] - filmFrom
		switch rnd.IntN(12) {
		case 0:
			f.tl.EndRun()
			f.begin(now + 10)
		case 1:
			d.set("write", syscall.ENOSPC)
			_ = v.flush(false)
			f.segments(rnd.IntN(5))
			_ = v.flush(false)
			d.set("write", nil)
			due(st)
			_ = v.flush(false)
		case 2:
			if err := st.Delete(t.Context(), "live/show", Range{To: at(now - 1000)}); err != nil {
				t.Fatal(err)
			}
		default:
			_ = v.flush(false)
		}
		if rnd.IntN(3) == 0 {
			seal(t, st)
		}
		for _, r := range []Range{{From: at(now - 600)}, {}, {From: at(0)}, {From: at(now - 900), To: at(now - 300)}} {
			warm, err := st.Past(t.Context(), "live/show", r)
			if err != nil {
				continue
			}
			lists := v.cache.joined.lists
			hits += len(lists.byKey)
			v.cache.joined.lists = lru[*joinedList]{limit: cachedSegments}
			cold, err := st.Past(t.Context(), "live/show", r)
			v.cache.joined.lists = lists
			if err != nil || warm.Version != cold.Version || !reflect.DeepEqual(flat(warm), flat(cold)) {
				t.Fatalf("step %d, range %v: %v", step, r, err)
			}
			old = append(old, kept{warm, flat(warm)})
		}
		if len(old) > 20 {
			old = old[4:]
		}
		for _, k := range old {
			if !reflect.DeepEqual(flat(k.snap), k.copy) {
				t.Fatalf("step %d: a snapshot has changed", step)
			}
		}
	}
	if hits == 0 {
		t.Error("nothing was cached")
	}
}
