package hls

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"weir/internal/deliver"
)

// player asks for the lists of v0 with a token of its own.
type player struct {
	*site
	token string
}

var tokenOf = regexp.MustCompile(`v0\.m3u8\?(s=\w+)`)

func (s *site) player() *player {
	s.t.Helper()
	_, text, _ := s.Get("index.m3u8")
	m := tokenOf.FindStringSubmatch(text)
	if m == nil {
		s.t.Fatalf("no token in\n%s", text)
	}
	return &player{s, m[1]}
}

// ask gives the answer to a reload for a part, once it is there.
func (p *player) ask(msn, part int) <-chan string {
	got := make(chan string, 1)
	query := fmt.Sprintf("v0.m3u8?%s&_HLS_msn=%d&_HLS_part=%d", p.token, msn, part)
	go func() { _, text, _ := p.Get(query); got <- text }()
	return got
}

// first gives the list that a player begins with, which has one part more than there were.
func (p *player) first() {
	p.t.Helper()
	n := p.Server.Stats().Blocked
	got := make(chan string, 1)
	go func() { _, text, _ := p.Get("v0.m3u8?" + p.token); got <- text }()
	p.Waiting(n + 1)
	p.parts(1)
	<-got
}

// parts appends n parts; the tenth ends the segment.
func (s *site) parts(n int) {
	for range n {
		s.Add("v0", s.Run.SegmentDuration/10, 100, s.Part["v0"] == 9)
	}
}

func (s *site) address(n int) string { return fmt.Sprintf("\nseg-%d-v0-%d.m4s", s.Run.ID, n) }

// TestWholeSegmentsAtOnce: hls.js that reads no parts asks for the last part of the open segment. What it gets then must
// have the address of the segment, and what one that reads part by part gets must not (see builder.held).
func TestWholeSegmentsAtOnce(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(1)
	whole := s.player()
	whole.first()
	low := s.player() // the token of the other has come back, so this one gets its own
	low.first()       // now 1001 has three parts
	n := s.Server.Stats().Blocked
	last := whole.ask(1001, 9)
	s.Waiting(n + 1)
	for part := 3; part < 10; part++ {
		next := low.ask(1001, part)
		s.Waiting(n + int64(part-1))
		s.parts(1)
		if text := <-next; !strings.Contains(text, fmt.Sprintf("-1001-%d.m4s", part)) || strings.Contains(text, s.address(1001)) {
			t.Fatalf("reader of part %d got\n%s", part, text)
		}
	}
	if text := <-last; !strings.Contains(text, s.address(1001)) {
		t.Errorf("reader of whole segments got\n%s", text)
	}
	// It comes back shortly before the next one ends: now it asks for the part that comes next, as the other does.
	s.parts(9)
	last, next := whole.ask(1002, 9), low.ask(1002, 9)
	s.Waiting(n + 10)
	s.parts(1)
	if text := <-last; !strings.Contains(text, s.address(1002)) {
		t.Errorf("reader of whole segments got the second time\n%s", text)
	}
	if text := <-next; strings.Contains(text, s.address(1002)) {
		t.Errorf("reader of parts got\n%s", text)
	}
}

// TestAskedAgain: who was given the last part of a segment and asks for it again wants the segment.
func TestAskedAgain(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(1)
	s.parts(7)
	p := s.player()
	p.first() // nine parts
	n := s.Server.Stats().Blocked
	last := p.ask(1001, 9)
	s.Waiting(n + 1)
	s.parts(1)
	if text := <-last; strings.Contains(text, s.address(1001)) {
		t.Fatalf("this is what readers of parts ask, and they must not get\n%s", text)
	}
	code, text, h := s.Get(fmt.Sprintf("v0.m3u8?%s&_HLS_msn=1001&_HLS_part=9", p.token))
	if code != 200 || !strings.Contains(text, s.address(1001)) {
		t.Errorf("asked again, got %d\n%s", code, text)
	}
	if c := h.Get("Cache-Control"); c != "private, no-cache" {
		t.Errorf("a browser would answer that itself: %q", c)
	}
}

// TestLongWait: hls.js gives a request up after 0.8 target durations, also where the segment that it asks for takes longer.
func TestLongWait(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(2)
	p := s.player()
	p.first()
	asked := time.Now()
	text := <-p.ask(1002, 9)
	if d := time.Since(asked); d > 800*time.Millisecond || d < 400*time.Millisecond || !strings.Contains(text, "-1002-1.m4s") {
		t.Errorf("after %v\n%s", d, text)
	}
}

// TestFirstReserve: the first list of a stream comes when a player that begins with its one segment has some reserve.
func TestFirstReserve(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.Begin(1000, time.Second, 100*time.Millisecond, "v0")
	s.Segments(1, "v0")
	got := make(chan string, 1)
	go func() { _, text, _ := s.Get("v0.m3u8"); got <- text }()
	s.Waiting(1)
	s.parts(2)
	select {
	case text := <-got:
		t.Fatalf("answered too early:\n%s", text)
	case <-time.After(20 * time.Millisecond):
	}
	s.parts(1)
	if text := <-got; !strings.Contains(text, "-1001-2.m4s") {
		t.Errorf("not with the third part:\n%s", text)
	}
	n := s.Server.Stats().Blocked
	go func() { _, text, _ := s.Get("v0.m3u8"); got <- text }()
	s.Waiting(n + 1)
	s.parts(1) // and then with the next part, as ever
	if text := <-got; !strings.Contains(text, "-1001-3.m4s") {
		t.Errorf("not with the next part:\n%s", text)
	}
}
