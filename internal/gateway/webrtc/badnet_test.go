package webrtc

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"weir/internal/media"
)

// badNet carries datagrams between peers and the gateway's port, and does to them what bad networks do. Its dice are seeded.
type badNet struct {
	front *net.UDPConn
	to    *net.UDPAddr
	wg    sync.WaitGroup

	mu      sync.Mutex
	dice    *rand.Rand
	fate    fate
	clients map[netip.AddrPort]*net.UDPConn
	closed  bool
	letters []letter // by time
	timer   *time.Timer
	done    chan struct{}

	carried, lost atomic.Int64
}

// fate is what happens to a datagram; chances are in percent.
type fate struct {
	lost, twice float64
	late        time.Duration // at most, each by itself: so they overtake one another
	delay       time.Duration // of all
	mute        bool          // nothing comes through
}

// throughBadNet puts a bad network before the gateway: sessions that are opened from now on go through it.
func (w *world) throughBadNet(f fate) *badNet {
	w.t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		w.t.Fatal(err)
	}
	_ = front.SetReadBuffer(bufferSize)
	udp, _ := w.gw.Ports()
	n := &badNet{front: front, to: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: udp}, dice: rand.New(rand.NewPCG(1, 2)), fate: f,
		clients: map[netip.AddrPort]*net.UDPConn{}, timer: time.NewTimer(time.Hour), done: make(chan struct{})}
	w.net = n
	n.wg.Go(n.inward)
	n.wg.Go(n.postman)
	w.t.Cleanup(n.close)
	return n
}

func (n *badNet) set(f fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fate = f
}

// rebind gives every peer another address from now on, as a NAT does that forgot it.
func (n *badNet) rebind() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for from, c := range n.clients {
		_ = c.Close()
		delete(n.clients, from)
	}
}

func (n *badNet) close() {
	n.mu.Lock()
	n.closed = true
	for _, c := range n.clients {
		_ = c.Close()
	}
	n.mu.Unlock()
	_ = n.front.Close()
	close(n.done)
	n.wg.Wait()
}

var candidatePort = regexp.MustCompile(`(a=candidate:\d+ 1 udp \d+ \S+) \d+ typ`)

// lead sends those who read an answer through the network.
func (n *badNet) lead(answer string) string {
	port := n.front.LocalAddr().(*net.UDPAddr).Port
	return candidatePort.ReplaceAllString(answer, "$1 "+strconv.Itoa(port)+" typ")
}

func (n *badNet) inward() {
	buf := make([]byte, 65536)
	for {
		size, from, err := n.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if c := n.client(from); c != nil {
			n.carry(buf[:size], func(b []byte) { _, _ = c.Write(b) })
		}
	}
}

func (n *badNet) client(from netip.AddrPort) *net.UDPConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.clients[from]
	if c != nil || n.closed {
		return c
	}
	c, err := net.DialUDP("udp4", nil, n.to)
	if err != nil {
		return nil
	}
	_ = c.SetReadBuffer(bufferSize)
	n.clients[from] = c
	n.wg.Go(func() {
		buf := make([]byte, 65536)
		for {
			size, err := c.Read(buf)
			if err != nil {
				return
			}
			n.carry(buf[:size], func(b []byte) { _, _ = n.front.WriteToUDPAddrPort(b, from) })
		}
	})
	return c
}

// carry delivers a datagram, or not, now or later, once or twice.
func (n *badNet) carry(b []byte, deliver func([]byte)) {
	n.mu.Lock()
	f := n.fate
	times := 1
	if f.mute || n.dice.Float64()*100 < f.lost {
		times = 0
	} else if n.dice.Float64()*100 < f.twice {
		times = 2
	}
	var waits [2]time.Duration
	for i := range waits {
		if waits[i] = f.delay; f.late > 0 {
			waits[i] += time.Duration(n.dice.Int64N(int64(f.late)))
		}
	}
	n.mu.Unlock()
	n.carried.Add(1)
	if times == 0 {
		n.lost.Add(1)
		return
	}
	var kept []byte
	for i := range times {
		if waits[i] == 0 {
			deliver(b)
			continue
		}
		if kept == nil {
			kept = append(kept, b...)
		}
		n.post(letter{time.Now().Add(waits[i]), func() { deliver(kept) }})
	}
}

// letter is a datagram on its way.
type letter struct {
	due     time.Time
	deliver func()
}

func (n *badNet) post(l letter) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, _ := slices.BinarySearchFunc(n.letters, l.due, func(o letter, due time.Time) int { return o.due.Compare(due.Add(1)) }) // behind its equals
	n.letters = slices.Insert(n.letters, at, l)
	if at == 0 {
		n.timer.Reset(time.Until(l.due))
	}
}

// postman brings letters when they are due, in that order.
func (n *badNet) postman() {
	for {
		select {
		case <-n.timer.C:
		case <-n.done:
			return
		}
		for l, ok := n.next(); ok; l, ok = n.next() {
			l.deliver()
		}
	}
}

func (n *badNet) next() (l letter, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.letters) == 0 {
		return l, false
	}
	if wait := time.Until(n.letters[0].due); wait > 0 {
		n.timer.Reset(wait)
		return l, false
	}
	l, n.letters = n.letters[0], n.letters[1:]
	return l, true
}

// withoutRTX is pion as a publisher that sends packets again as they were, as OBS does.
func withoutRTX(t testing.TB) *webrtc.API {
	t.Helper()
	m := &webrtc.MediaEngine{}
	for _, c := range publisherCodecs() {
		kind := webrtc.RTPCodecTypeVideo
		switch c.MimeType {
		case webrtc.MimeTypeOpus:
			kind = webrtc.RTPCodecTypeAudio
		case webrtc.MimeTypeH264:
		default:
			continue
		}
		if err := m.RegisterCodec(c, kind); err != nil {
			t.Fatal(err)
		}
	}
	s := webrtc.SettingEngine{LoggerFactory: quiet{}}
	s.SetIncludeLoopbackCandidate(true)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s))
}

// Packets that are lost between a publisher and the gateway are asked for again, each a few times at most, and come: as they were, or
// in a stream of their own (RFC 4588). Also from so far away that others overtake a whole window of SRTP's replay protection.
func TestPublishersLossesAreRepaired(t *testing.T) {
	for name, f := range map[string]fate{"near": {lost: 5}, "far": {lost: 2, delay: 100 * time.Millisecond}} {
		for kind, api := range map[string]*webrtc.API{"RTX": peerAPI(t), "plain": withoutRTX(t)} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, Config{})
				n := w.throughBadNet(f)
				p := w.whipWith("live/show", api)
				p.sending(t, 50)
				sub, _ := w.subscribe("live/show")
				const length = 6 * time.Second
				ctx, cancel := context.WithTimeout(t.Context(), length)
				defer cancel()
				var last, frozen int64
				for {
					item, err := sub.Next(ctx)
					if err != nil {
						break
					}
					if media.Find(item.Tracks, item.Track).Kind == media.Video {
						if last != 0 {
							frozen += max(0, item.DTS-last-1800)
						}
						last = item.DTS
					}
				}
				asks, most := p.asked()
				t.Logf("%v frozen, %d packets of %d lost on the way, %d requests, at most %d for one, %+v", time.Duration(frozen)*time.Second/90000, n.lost.Load(), n.carried.Load(), asks, most, w.gw.Stats())
				if s := w.gw.Stats(); s.AskedAgain < uint64(asks) || asks == 0 {
					t.Errorf("%d requests arrived, %d were counted", asks, s.AskedAgain)
				}
				if frozen > 3*90000/2 {
					t.Error("too little came")
				}
				if most > 12 || int64(asks) > 8*n.lost.Load() {
					t.Error("too many requests")
				}
			})
		}
	}
}

// asked tells how often packets were asked for again, and the one that was most often.
func (p *publisherPeer) asked() (all, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nacks {
		all, most = all+n, max(most, n)
	}
	return all, most
}
