package watch

import (
	"sync"
	"testing"
)

func TestWhoHears(t *testing.T) {
	var l List[int]
	l.Tell(1)
	if l.Some() {
		t.Error("somebody watches")
	}
	a, stopA := l.Watch()
	l.Tell(2)
	b, stopB := l.Watch()
	l.Tell(3)
	stopB()
	stopB()
	l.Tell(4)
	if !l.Some() {
		t.Error("nobody watches")
	}
	l.Close()
	stopA()
	l.Tell(5)
	c, stopC := l.Watch()
	stopC()
	for name, want := range map[string]struct {
		events <-chan int
		list   []int
	}{"the first": {a, []int{2, 3, 4}}, "who stopped": {b, []int{3}}, "who came too late": {c, nil}} {
		for i := 0; ; i++ {
			e, open := <-want.events
			if !open && i == len(want.list) {
				break
			}
			if !open || i >= len(want.list) || e != want.list[i] {
				t.Errorf("%s heard %d (%v) as number %d of %v", name, e, open, i, want.list)
				break
			}
		}
	}
	if l.Some() || l.Dropped() != 0 {
		t.Errorf("somebody watches: %v; %d events were lost", l.Some(), l.Dropped())
	}
}

// Who does not read keeps nobody waiting, and has the newest.
func TestTheOldestAreLost(t *testing.T) {
	var l List[int]
	slow, stop := l.Watch()
	defer stop()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range length {
				l.Tell(i)
			}
		})
	}
	wg.Wait()
	l.Tell(-1)
	if n := l.Dropped(); n != 3*length+1 || len(slow) != length {
		t.Errorf("%d were lost, %d are kept", n, len(slow))
	}
	last := 0
	for range length {
		last = <-slow
	}
	if last != -1 {
		t.Errorf("the newest is %d", last)
	}
}
