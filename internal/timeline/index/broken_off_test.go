package index

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A transaction that is broken off at any moment has happened or has not, and the index knows which: what comes next fits.
func TestBrokenOff(t *testing.T) {
	d := fresh(t)
	dice := rand.New(rand.NewPCG(1, 2))
	cut := 0
	for i := range 300 {
		name := fmt.Sprintf("live/s%d", i/3)
		id := uint64(epoch.UnixMilli()) + uint64(i)
		b := Batch{Runs: []Run{run(name, id, epoch, time.Time{})}, Files: []File{file(name, id, "v0", i, epoch, time.Minute)}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(dice.IntN(400))*time.Microsecond)
		err := d.Apply(ctx, b)
		cancel()
		if err == nil {
			continue
		}
		cut++
		if ctx.Err() == nil || errors.Is(err, ErrDamaged) {
			t.Fatalf("round %d: %v", i, err)
		}
		apply(t, d, b)
	}
	if cut == 0 {
		t.Fatal("no transaction was broken off")
	}
	if err := d.Check(t.Context(), func(what string) { t.Error(what) }); err != nil {
		t.Fatal(err)
	}
}

func TestTheDiskIsAskedWhetherItAnswers(t *testing.T) {
	d := fresh(t)
	if err := d.Answers(); err != nil {
		t.Error(err)
	}
	gone := &DB{dir: d.dir}
	d.dir = nil
	if err := gone.dir.Close(); err != nil {
		t.Fatal(err)
	}
	if gone.Answers() == nil {
		t.Error("a disk that is gone answers")
	}
}
