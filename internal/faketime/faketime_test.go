package faketime

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var due, later atomic.Int32
		start := time.Now()
		for range 100 {
			go func() { <-time.After(time.Hour); due.Add(1) }()
			go func() { <-time.After(time.Hour + 1); later.Add(1) }()
		}
		Pass(time.Hour)
		if d := time.Since(start); d != time.Hour || due.Load() != 100 || later.Load() != 0 {
			t.Errorf("%v went by; %d of 100 happened that were due, %d that were not", d, due.Load(), later.Load())
		}
		Pass(1)
		if Pass(-time.Second); time.Since(start) != time.Hour+1 || later.Load() != 100 {
			t.Errorf("%v went by, %d of 100 happened", time.Since(start), later.Load())
		}
	})
}

func TestPassOutsideABubble(t *testing.T) {
	start := time.Now()
	defer func() {
		if recover() == nil || time.Since(start) > time.Minute {
			t.Errorf("Pass waited for %v in real time", time.Since(start))
		}
	}()
	Pass(time.Hour)
}
