package rtmp

import (
	"net"
	"testing"

	"weir/internal/fault"
	"weir/internal/hub"
)

// Whoever follows the events is told in words how a publisher went: an encoder that resets its connection is no fault of ours.
func TestHowPublishersDepart(t *testing.T) {
	t.Parallel()
	for want, depart := range map[string]func(c *raw){
		"": func(c *raw) { _ = c.conn.Close() },
		"peer_left": func(c *raw) {
			_ = c.conn.(*net.TCPConn).SetLinger(0)
			_ = c.conn.Close()
		},
		"rtmp_broken": func(c *raw) { c.write([]byte{2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0}) }, // chunks of no size
	} {
		s := newStack(t, Config{})
		events, stop := s.hub.Watch()
		defer stop()
		c := s.published(t)
		depart(c)
		for e := range events {
			if e.Type != hub.WentAway {
				continue
			}
			if got := fault.Code(e.Cause); got != want {
				t.Errorf("code %q (%v), want %q", got, e.Cause, want)
			}
			break
		}
	}
}
