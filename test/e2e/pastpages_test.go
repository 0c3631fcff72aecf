package e2e

import (
	"slices"
	"testing"
	"time"
)

// TestPagesOfThePast has the owner release the held footage of one stream and no other, and send a range of the past out live: what
// the new stream shows is of that range, and one press ends it.
func TestPagesOfThePast(t *testing.T) {
	const show, lobby, again = "live/show", "live/lobby", "live/again"
	w := start(t)
	needUI(t, w)
	for _, p := range []*process{w.pattern(show, w.key(show)), w.pattern(lobby, w.key(lobby))} {
		pause(t, 4*time.Second)
		p.kill()
	}
	w.stop()
	if err := removeAll(w.data + "/timeline/index.db*"); err != nil {
		t.Fatal(err)
	}
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	s := newScene(t, "pastpages", map[string]any{"link": w.http(w.login), "base": w.http(""), "release": lobby, "of": show, "as": again})
	var held struct{ Names []string }
	s.await("held", time.Minute, &held)
	if !slices.Contains(held.Names, show) || !slices.Contains(held.Names, lobby) {
		t.Errorf("the page shows what is held of %v", held.Names)
	}
	s.await("released", 30*time.Second, nil)
	if n := w.held(lobby); n != 0 {
		t.Errorf("%d bytes of %s are held still", n, lobby)
	}
	if n := w.held(show); n == 0 {
		t.Errorf("%s was released with the other", show)
	}
	s.say("on")
	s.await("started", time.Minute, nil)
	var running struct {
		Items []struct {
			Stream, As string
			From, To   time.Time
			Loop       bool
		}
	}
	w.api("GET", "/replays", nil, &running)
	if len(running.Items) != 1 || running.Items[0].Stream != show || running.Items[0].As != again || !running.Items[0].Loop {
		t.Fatalf("what runs is %+v", running.Items)
	}
	s.say("on")
	var v struct{ Marks [][3]float64 }
	s.await("seen", time.Minute, &v)
	r := running.Items[0]
	for _, m := range v.Marks {
		if sent := time.UnixMilli(int64(m[1])); sent.Before(r.From.Add(-openPart)) || sent.After(r.To.Add(openPart)) {
			t.Fatalf("a picture of %v is shown; the range is %v to %v", sent, r.From, r.To)
		}
	}
	s.await("stopped", 30*time.Second, nil)
	w.api("GET", "/replays", nil, &running)
	if len(running.Items) != 0 {
		t.Errorf("stopped, and %+v runs", running.Items)
	}
}

// held is how much of a stream's footage the index did not know.
func (w *weir) held(name string) int64 {
	w.t.Helper()
	var known struct {
		Items []struct {
			Name string
			Held int64 `json:"held_bytes"`
		}
	}
	w.api("GET", "/timelines", nil, &known)
	for _, k := range known.Items {
		if k.Name == name {
			return k.Held
		}
	}
	w.t.Errorf("%s has no timeline", name)
	return 0
}
