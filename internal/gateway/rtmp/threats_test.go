package rtmp

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"weir/internal/format/rtmpmsg"
)

// good publishes and plays once and says how long it took until the first picture.
func good(t *testing.T, s *stack, name string) time.Duration {
	t.Helper()
	start := time.Now()
	c := dialRaw(t, s.addr).shake()
	c.connect("live")
	c.call("publish", 2, nil, name, "live")
	if code, text := c.status(); code != "NetStream.Publish.Start" {
		t.Fatalf("%s: %s", code, text)
	}
	c.publishH264(0)
	p := dialRaw(t, s.addr).shake()
	p.connect("live")
	p.call("play", 2, nil, name)
	for {
		m, err := p.r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if m.Type == rtmpmsg.TypeVideo {
			break
		}
	}
	took := time.Since(start)
	_ = c.conn.Close()
	_ = p.conn.Close()
	return took
}

// TestHalfOpenFlood: thousands of silent and of half-shaken connections cost
// little and keep no publisher out.
func TestHalfOpenFlood(t *testing.T) {
	s := newStack(t, Config{Pending: 200})
	before := heap()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for i := range 3000 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			_, _ = c.Write(make([]byte, 100)[:1+i%50]) // a zero first byte: refused at once
		} else if i%4 == 0 {
			_, _ = c.Write([]byte{3, 0, 0, 0})
		}
		conns = append(conns, c)
	}
	if took := good(t, s, "during"); took > time.Second {
		t.Errorf("a good publisher took %s", took)
	}
	waitFor(t, "the pending to be cut", func() bool { return s.server.Stats().Connections <= 200+2 })
	st := s.server.Stats()
	if st.Pending > 200 || st.Evicted == 0 || st.Broken == 0 {
		t.Errorf("%+v", st)
	}
	if used := heap() - before; used > 20<<20 {
		t.Errorf("%d MiB held", used>>20)
	}
}

// TestPendingLimits: who has got least far goes first, of the address or of all.
func TestPendingLimits(t *testing.T) {
	var p pending
	ip := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, last}) }
	add := func(last byte, progress int32) *halfOpen {
		h := &halfOpen{ip: ip(last)}
		h.progress.Store(progress)
		if p.add(h, 3, 5) != nil {
			t.Fatal("too early")
		}
		return h
	}
	a, b, c := add(1, 1), add(1, 0), add(1, 0)
	if got := p.add(&halfOpen{ip: ip(1)}, 3, 5); got != b {
		t.Errorf("evicted %+v", got)
	}
	add(2, 0)
	add(3, 0)
	if got := p.add(&halfOpen{ip: ip(4)}, 3, 5); got != c {
		t.Errorf("evicted %+v", got)
	}
	p.remove(a)
	p.remove(a)
	if p.size() != 4 {
		t.Errorf("%d pending", p.size())
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSilenceEnds: each stage before admission has its deadline.
func TestSilenceEnds(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{Handshake: 100 * time.Millisecond, Admission: 150 * time.Millisecond, Idle: 200 * time.Millisecond})
	t.Run("before the handshake", func(t *testing.T) { dialRaw(t, s.addr).closed() })
	t.Run("after it", func(t *testing.T) { dialRaw(t, s.addr).shake().closed() })
	t.Run("after connect", func(t *testing.T) {
		c := dialRaw(t, s.addr).shake()
		c.connect("live")
		c.closed()
	})
	t.Run("a publisher that sends nothing", func(t *testing.T) {
		c := dialRaw(t, s.addr).shake()
		c.connect("live")
		c.call("publish", 2, nil, "show")
		c.status()
		c.closed()
	})
	waitFor(t, "all to be gone", func() bool { return s.server.Stats().Connections == 0 })
}

// TestGarbage: whatever comes in, the server closes, counts it, and serves the next.
func TestGarbage(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	random := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, 4000)
	_, _ = random.Read(noise)
	u24 := func(v int) []byte { return []byte{byte(v >> 16), byte(v >> 8), byte(v)} }
	bombs := map[string]func(c *raw){
		"HTTP": func(c *raw) { c.write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) },
		"TLS":  func(c *raw) { c.write([]byte{0x16, 3, 1, 0}); _ = c.conn.(*net.TCPConn).CloseWrite() },
		"noise after the handshake": func(c *raw) {
			c.shake()
			_, _ = c.conn.Write(noise)
			_ = c.conn.(*net.TCPConn).CloseWrite()
		},
		"a message of 65 KiB before connect": func(c *raw) {
			c.shake().write(bytes.Join([][]byte{{3}, u24(0), u24(65 << 10), {20, 0, 0, 0, 0}}, nil))
		},
		"a nested bomb": func(c *raw) {
			c.shake()
			p := append(rtmpmsg.AppendAMF0(nil, "connect", 1.0), bytes.Repeat([]byte{3, 0, 1, 'a'}, 10_000)...)
			c.write(rtmpmsg.AppendMessage(nil, rtmpmsg.Header{CSID: 3, Type: 20, ChunkSize: 128}, p))
		},
		"a wide bomb": func(c *raw) {
			c.shake()
			p := append(rtmpmsg.AppendAMF0(nil, "connect", 1.0), bytes.Repeat([]byte{5}, 60_000)...)
			c.write(rtmpmsg.AppendMessage(nil, rtmpmsg.Header{CSID: 3, Type: 20, ChunkSize: 128}, p))
		},
		"many chunk streams": func(c *raw) {
			c.shake()
			var b []byte
			for i := range 100 {
				b = append(b, bytes.Join([][]byte{{0, byte(i)}, u24(0), u24(1000), {9, 0, 0, 0, 0}, make([]byte, 128)}, nil)...)
			}
			_, _ = c.conn.Write(b)
		},
		"chunk size zero": func(c *raw) { c.shake().write(rtmpmsg.AppendControl(nil, rtmpmsg.TypeSetChunkSize, 0)) },
		"16 MiB claimed on 64 chunk streams by a publisher": func(c *raw) {
			c.shake()
			c.connect("live")
			c.call("publish", 2, nil, "bomb")
			c.status()
			b := rtmpmsg.AppendControl(nil, rtmpmsg.TypeSetChunkSize, 1)
			for i := range 70 {
				b = append(b, bytes.Join([][]byte{{0, byte(i)}, u24(0), u24(1<<24 - 1), {9, 0, 0, 0, 0, 1}}, nil)...)
			}
			_, _ = c.conn.Write(b)
		},
	}
	for name, attack := range bombs {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, s.addr)
			attack(c)
			c.closed()
		})
	}
	good(t, s, "after")
	if st := s.server.Stats(); st.Broken < 6 || st.Panics != 0 {
		t.Errorf("%+v", st)
	}
}

// TestViewerThatNeverReads does no harm to the one beside it.
func TestViewerThatNeverReads(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	c := dialRaw(t, s.addr).shake()
	c.connect("live")
	c.call("publish", 2, nil, "show", "live")
	c.status()
	c.write(rtmpmsg.AppendControl(nil, rtmpmsg.TypeSetChunkSize, 1<<20))
	send := func(ms uint32, body []byte) {
		c.write(rtmpmsg.AppendMessage(nil, rtmpmsg.Header{CSID: 6, Type: 9, StreamID: 1, Timestamp: ms, ChunkSize: 1 << 20}, body))
	}
	c.media(18, 0, rtmpmsg.AppendAMF0(nil, "onMetaData", rtmpmsg.Object{{Key: "videocodecid", Value: 7}}))
	send(0, cat(avcStart, unhex(t, avcHex)))
	big := func(head []byte, n int) []byte {
		b := append(bytes.Clone(head[:5]), byte(n>>24), byte(n>>16), byte(n>>8), byte(n), head[9])
		return append(b, make([]byte, n-1)...)
	}
	send(0, big(avcKey, 1000))
	lazy := dialRaw(t, s.addr).shake()
	lazy.connect("live")
	lazy.call("play", 2, nil, "show")
	reader := dialRaw(t, s.addr).shake()
	reader.connect("live")
	reader.call("play", 2, nil, "show")
	waitFor(t, "both players", func() bool { return s.fan.Stats().Viewers == 2 })
	const frames = 300
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; n < frames; {
			m, err := reader.r.Read()
			if err != nil {
				t.Errorf("after %d pictures: %v", n, err)
				return
			}
			if m.Type == rtmpmsg.TypeVideo && len(m.Payload) > 50_000 {
				n++
			}
		}
	})
	for i := range uint32(frames) { // 30 MB: far over what sockets hold
		head := avcInter
		if i%25 == 0 {
			head = avcKey
		}
		send(40*(i+1), big(head, 100_000))
		if i%10 == 9 { // no faster than the reader beside it can be
			waitFor(t, "the reader", func() bool { return s.fan.Stats().Bytes > uint64(i-8)*100_000 })
		}
	}
	wg.Wait()
	if st := s.fan.Stats(); st.Blocked == 0 {
		t.Errorf("the lazy viewer was never full: %+v", st)
	}
	_, _ = io.CopyN(io.Discard, lazy.conn, 1)
}
