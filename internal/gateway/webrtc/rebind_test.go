package webrtc

import (
	"net/netip"
	"testing"
	"time"

	"weir/internal/media"
)

// A NAT that gives a viewer another address tells nobody. The viewer's checks go on to be answered, so he would wait for ever.
func TestViewerIsFollowedToAnotherAddress(t *testing.T) {
	w := newWorld(t, Config{})
	track, _ := clip(t)
	w.onAir("live/show", 50, track)
	n := w.throughBadNet(fate{})
	_, units, _ := w.watch("live/show")
	for range 2 {
		next(t, units, media.H264)
		n.rebind()
		for len(units) > 0 {
			<-units
		}
		deadline := time.After(20 * time.Second)
		for range 10 { // a few were on their way
			select {
			case <-units:
			case <-deadline:
				t.Fatal("nothing came to the new address")
			}
		}
	}
}

func TestPathsOfAPeer(t *testing.T) {
	at := func(port uint16) path {
		return path{udp: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)}
	}
	begun := time.Now()
	tr := &transport{chosen: make(chan struct{})}
	for i, c := range []struct {
		from      path
		nominated bool
		after     time.Duration
		want      path
	}{
		{at(1), false, 0, path{}}, // nothing is sent before the peer has chosen
		{at(1), true, 0, at(1)},
		{at(2), false, time.Second, at(1)}, // it looks at others, too
		{at(1), false, 2 * time.Second, at(1)},
		{at(2), false, 4 * time.Second, at(1)},
		{at(2), false, 6 * time.Second, at(2)}, // the first one is quiet
		{at(1), false, 7 * time.Second, at(2)},
		{at(3), true, 7 * time.Second, at(3)},
	} {
		tr.follow(c.from, c.nominated, begun.Add(c.after))
		if got := tr.current(); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

// However often a peer gets another address, its packets are known by the latest ones.
func TestAddressesOfAPeer(t *testing.T) {
	p, tr := newPort(nil), &transport{ufrag: "here"}
	p.add(tr)
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(1+i))
	}
	for i := range 100 {
		if !p.learn(tr, at(i)) || p.find(nil, at(i)) != tr {
			t.Fatalf("address %d is not known", i)
		}
	}
	if len(p.addrs) > 16 || len(tr.known) > 16 || p.find(nil, at(10)) != nil {
		t.Errorf("%d and %d addresses are kept", len(p.addrs), len(tr.known))
	}
	p.remove(tr)
	if len(p.addrs) != 0 || p.learn(tr, at(1)) {
		t.Errorf("%d addresses of a transport that has gone", len(p.addrs))
	}
}
