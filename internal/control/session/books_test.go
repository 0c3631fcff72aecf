package session

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/internal/faketime"
)

// Whatever comes and goes in whatever order, the books say what a recount of the open
// sessions says, and no limit is broken.
func TestBooksBalance(t *testing.T) {
	limits := Limits{Publishers: 3, Viewers: 6, ViewersPerStream: 4, ViewersPerAddress: 3}
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			d := New(Config{Limits: limits, Idle: time.Second}, discard)
			defer d.Close()
			var open []*Session
			for range rapid.IntRange(1, 40).Draw(rt, "steps") {
				open = step(t, rt, d, open)
				recount(t, d, limits)
			}
			for _, s := range open {
				s.Close(nil)
			}
			faketime.Pass(10 * time.Second) // what came by Touch goes by itself
			if st := d.Stats(); st.Publishers+st.Viewers+st.Streams != 0 || len(d.sessions)+len(d.tally.addresses) != 0 {
				t.Fatalf("left: %+v", st)
			}
		})
	})
}

func step(t *testing.T, rt *rapid.T, d *Door, open []*Session) []*Session {
	r := request(Play, rapid.SampledFrom([]string{"live/a", "live/b", "live/c"}).Draw(rt, "name"), fmt.Sprintf("198.51.100.%d:1", rapid.IntRange(1, 3).Draw(rt, "host")))
	r.Protocol = rapid.SampledFrom([]string{"rtmp", "hls"}).Draw(rt, "protocol")
	r.Internal = rapid.IntRange(0, 5).Draw(rt, "internal") == 0
	pick := func() *Session { return open[rapid.IntRange(0, len(open)-1).Draw(rt, "which")] }
	switch action := rapid.IntRange(0, 5).Draw(rt, "step"); {
	case action <= 1:
		if action == 0 {
			r.Action = Publish
		}
		if s, err := d.Open(t.Context(), r); err == nil {
			open = append(open, s)
		}
	case action == 2 && len(open) > 0:
		pick().Close(nil)
	case action == 3 && len(open) > 0:
		d.Kick(pick().ID(), nil)
	case action == 4:
		id := ""
		if len(open) > 0 {
			id = pick().ID()
		}
		if s, err := d.Touch(t.Context(), r, id, 100); err == nil {
			open = append(open, s)
		}
	case action == 5:
		faketime.Pass(time.Duration(rapid.IntRange(1, 3).Draw(rt, "wait")) * time.Second)
	}
	return open
}

func recount(t *testing.T, d *Door, l Limits) {
	t.Helper()
	publishers, viewers := 0, 0
	streams, addresses := make(map[string]map[string]int), make(map[string]int)
	for _, s := range d.all() {
		switch {
		case s.action == Publish:
			publishers++
		case !s.internal:
			viewers++
			addresses[s.remote.Addr().String()]++
			if streams[s.name] == nil {
				streams[s.name] = make(map[string]int)
			}
			streams[s.name][s.protocol]++
		}
	}
	st := d.Stats()
	if st.Publishers != publishers || st.Viewers != viewers {
		t.Fatalf("the books say %d and %d, there are %d and %d", st.Publishers, st.Viewers, publishers, viewers)
	}
	for _, name := range []string{"live/a", "live/b", "live/c"} {
		total, by := d.Viewers(name)
		want := 0
		for _, n := range streams[name] {
			want += n
		}
		if total != want || len(by) != len(streams[name]) || want > 0 && !maps.Equal(by, streams[name]) || total > l.ViewersPerStream {
			t.Fatalf("%s: %d, %v; there are %v", name, total, by, streams[name])
		}
	}
	if viewers > l.Viewers || slices.Max(append(slices.Collect(maps.Values(addresses)), 0)) > l.ViewersPerAddress {
		t.Fatalf("%d viewers, by address %v", viewers, addresses)
	}
}
