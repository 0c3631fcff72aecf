package timeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"weir/internal/fault"
)

// Pins come and go, footage is deleted and found to be damaged while others list and read it: nobody gets anything but the recorded bytes or a fault
// that says why, and what a pin holds stays.
func TestCrowdInThePast(t *testing.T) {
	dir := t.TempDir()
	f := record(t, dir, 150)
	flipped(t, dir, "v0", fmt.Sprintf("counter v0 %d %d 1.", f.run.ID, f.run.FirstN+40))
	st := openDir(t, dir, Config{})
	f.store = st
	from := time.Unix(f.run.FirstN*2, 0)
	kept := Range{from.Add(200 * time.Second), from.Add(260 * time.Second)}
	if _, err := st.Pin(t.Context(), Pin{Timeline: "live/show", Kind: PinHold, From: kept.From, To: kept.To}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var wg sync.WaitGroup
	work := func(n int, do func(rnd *rand.Rand) error) {
		for i := range n {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(n), uint64(i)))
				for ctx.Err() == nil {
					if err := do(rnd); err != nil && ctx.Err() == nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	some := func(rnd *rand.Rand) Range {
		at := from.Add(time.Duration(rnd.IntN(300)) * time.Second)
		return Range{at, at.Add(time.Duration(1+rnd.IntN(100)) * time.Second)}
	}
	work(2, func(rnd *rand.Rand) error {
		r := some(rnd)
		p, err := st.Pin(ctx, Pin{Timeline: "live/show", Kind: PinClip, From: r.From, To: r.To})
		if err != nil {
			return err
		}
		return st.Unpin(ctx, p.ID)
	})
	work(1, func(rnd *rand.Rand) error {
		at := from.Add(time.Duration(rnd.IntN(300)) * time.Second)
		return st.Delete(ctx, "live/show", Range{at, at.Add(70 * time.Second)})
	})
	work(3, func(rnd *rand.Rand) error {
		_, err := st.Past(ctx, "live/show", some(rnd))
		if errors.Is(err, ErrNoFootage) {
			return nil
		}
		return err
	})
	work(3, func(rnd *rand.Rand) error {
		n := f.run.FirstN + rnd.Int64N(150)
		rd, err := st.OpenSegment(ctx, "live/show", f.run.ID, "v0", n)
		if fault.Of(err) != nil && (fault.Of(err).Kind == fault.NotFound || errors.Is(err, ErrDamaged)) {
			return nil
		}
		if err != nil {
			return err
		}
		rd.Close()
		return nil
	})
	wg.Wait()
	snap := f.past(kept)
	if holes, _ := gaps(snap, "v0"); len(holes) > 0 {
		t.Errorf("of what is held %v is gone", holes)
	}
	if holes, _ := gaps(f.past(Range{from, from.Add(300 * time.Second)}), "v0"); len(holes) == 0 && len(f.past(Range{}).Runs[0].Renditions[0].Segments) == 150 {
		t.Error("nothing was deleted")
	}
	if n := st.Stats().Damaged; n > 1 {
		t.Errorf("%d faults: footage that was deleted was taken for missing", n)
	}
}
