package fan

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// plain sends each frame as its length, a flag for key frames, and its data.
type plain struct{}

func (plain) Start([]media.Track, *hub.Run) (header, inband [][]byte, err error) {
	return [][]byte{[]byte("HEAD")}, nil, nil
}

func (plain) Encode(dst [][]byte, f *media.Frame) [][]byte {
	head := binary.BigEndian.AppendUint32(make([]byte, 0, 5), uint32(len(f.Data)))
	if f.Key {
		head = append(head, 'K')
	} else {
		head = append(head, '.')
	}
	return append(dst, head, f.Data)
}

type rig struct {
	t    *testing.T
	hub  *hub.Hub
	fan  *Fan
	pub  *hub.Publication
	lane *hub.Lane
	n    int64
	size int
}

func newRig(t *testing.T, hc hub.Config, fc Config) *rig {
	t.Helper()
	r := &rig{t: t, hub: hub.New(hc, quiet), fan: New(fc, quiet), size: 2000}
	var err error
	r.pub, err = r.hub.Publish(hub.Offer{Name: "live/x", Tracks: []media.Track{
		{ID: 0, Kind: media.Video, Codec: media.H264, TimeScale: 90000}, {ID: 1, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000}}})
	if err != nil {
		t.Fatal(err)
	}
	r.lane, err = r.hub.Lane(t.Context(), "live/x", hub.LaneKey{Format: "plain"}, hub.Want{}, func(*hub.Stream) hub.Encoder { return plain{} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.lane.Close(); r.fan.Close(); r.hub.Close() })
	return r
}

func (r *rig) send(frames int) {
	for range frames {
		data := make([]byte, r.size)
		binary.BigEndian.PutUint32(data, uint32(r.n))
		copy(data[4:], ramp[r.n%256:])
		if err := r.pub.Write(media.Frame{Key: r.n%30 == 0, DTS: r.n * 3000, PTS: r.n * 3000, Data: data}); err != nil {
			r.t.Error(err)
			return
		}
		r.n++
	}
}

// ramp holds the bytes of all frames: each begins at its number.
var ramp = func() []byte {
	b := make([]byte, 2<<20)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

// pair returns both ends of a loopback connection.
func pair(t *testing.T) (server *net.TCPConn, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	}()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	c, ok := <-accepted
	if !ok {
		t.Fatal("accept failed")
	}
	t.Cleanup(func() { c.Close(); client.Close() })
	return c.(*net.TCPConn), client
}

func readHead(t *testing.T, r io.Reader) {
	t.Helper()
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil || string(head) != "HEAD" {
		t.Fatalf("header %q %v", head, err)
	}
}

// readFrame returns the counter of the next frame.
func readFrame(r io.Reader) (n uint32, key bool, err error) {
	var head [5]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, false, err
	}
	size := binary.BigEndian.Uint32(head[:4])
	if size < 4 || size > 1<<20 || head[4] != 'K' && head[4] != '.' {
		return 0, false, fmt.Errorf("torn chunk: %x", head)
	}
	data := make([]byte, size)
	_, err = io.ReadFull(r, data)
	if err != nil {
		return 0, false, err
	}
	n = binary.BigEndian.Uint32(data)
	if rest := data[4:]; !bytes.Equal(rest, ramp[n%256:][:len(rest)]) {
		return n, false, fmt.Errorf("frame %d is damaged", n)
	}
	return n, head[4] == 'K', nil
}

func TestEveryViewerGetsEveryFrame(t *testing.T) {
	for _, profile := range []Profile{Live, Realtime, Relaxed} {
		t.Run(fmt.Sprint(profile), func(t *testing.T) {
			r := newRig(t, hub.Config{}, Config{})
			r.send(40)
			var wg sync.WaitGroup
			for range 20 {
				server, client := pair(t)
				v, err := r.fan.Attach(server, r.lane, Options{Profile: profile})
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				wg.Go(func() {
					readHead(t, client)
					for want := uint32(30); want < 400; want++ {
						if n, _, err := readFrame(client); err != nil || n != want {
							t.Errorf("frame %d, want %d: %v", n, want, err)
							return
						}
					}
				})
			}
			r.send(360)
			wg.Wait()
			if st := r.fan.Stats(); st.Viewers != 20 || st.Skips != 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

// TestRelaxedViewersWaitForTheirTurn, whatever wakes their shard: another who joins, or who can be written to again.
func TestRelaxedViewersWaitForTheirTurn(t *testing.T) {
	r := newRig(t, hub.Config{}, Config{})
	r.send(1)
	server, client := pair(t)
	v, err := r.fan.Attach(server, r.lane, Options{Profile: Relaxed})
	if err != nil {
		t.Fatal(err)
	}
	readHead(t, client)
	for range 400 {
		r.send(1)
		v.group.shard.wakeUp(v.group)
		for v.group.queued.Load() {
			runtime.Gosched()
		}
	}
	v.Close()
	if n := r.fan.Stats().Writes; n > 200 {
		t.Errorf("%d writes of 400 frames", n)
	}
}

func TestSlowViewerSkipsToAKeyFrameAndChunksStayWhole(t *testing.T) {
	r := newRig(t, hub.Config{Window: time.Nanosecond}, Config{})
	r.size = 200_000
	r.send(1)
	server, client := pair(t)
	_ = server.SetWriteBuffer(64 << 10)
	v, err := r.fan.Attach(server, r.lane, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	r.send(200) // 40 MB that nobody reads
	readHead(t, client)
	last, jumped := int64(-1), false
	for !jumped && last < 195 { // a batch that has begun is sent to its end, and how long it is depends on how busy the machine is
		n, key, err := readFrame(client)
		if err != nil {
			t.Fatal(err)
		}
		if int64(n) != last+1 {
			if !key {
				t.Fatalf("went on at %d, which is no key frame", n)
			}
			jumped = true
		}
		last = int64(n)
	}
	if !jumped || r.fan.Stats().Skips == 0 {
		t.Error("the viewer did not skip")
	}
}

func TestStalledViewerIsLetGoWithAReason(t *testing.T) {
	r := newRig(t, hub.Config{}, Config{Stall: 100 * time.Millisecond})
	r.size = 1 << 20
	server, _ := pair(t)
	ended := make(chan error, 1)
	if _, err := r.fan.Attach(server, r.lane, Options{Ended: func(err error) { ended <- err }}); err != nil {
		t.Fatal(err)
	}
	r.send(29)
	if err := <-ended; fault.Code(err) != "viewer_stalled" {
		t.Errorf("ended with %v", err)
	}
	if st := r.fan.Stats(); st.Stalled != 1 || st.Viewers != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestInjectedBytesFallBetweenChunks(t *testing.T) {
	r := newRig(t, hub.Config{}, Config{})
	r.send(1)
	server, client := pair(t)
	v, err := r.fan.Attach(server, r.lane, Options{Profile: Realtime})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	note := append([]byte{0, 0, 0, 4, '.'}, 0xFF, 0xFF, 0xFF, 0xFF)
	go func() {
		for range 50 {
			r.send(1)
			if err := v.Inject(note); err != nil {
				t.Error(err)
			}
		}
	}()
	readHead(t, client)
	want, notes := uint32(0), 0
	for want < 51 || notes < 50 {
		n, _, err := readFrame(client)
		switch {
		case err != nil:
			t.Fatal(err)
		case n == 0xFFFFFFFF:
			notes++
		case n != want:
			t.Fatalf("frame %d, want %d", n, want)
		default:
			want++
		}
	}
}

func TestEndOfStreamLeavesTheConnectionOpen(t *testing.T) {
	r := newRig(t, hub.Config{}, Config{})
	r.send(3)
	server, client := pair(t)
	ended := make(chan error, 1)
	if _, err := r.fan.Attach(server, r.lane, Options{Ended: func(err error) {
		_, werr := server.Write([]byte("BYE"))
		ended <- errors.Join(werr, server.Close())
		_ = err
	}}); err != nil {
		t.Fatal(err)
	}
	r.pub.End(nil)
	readHead(t, client)
	for range 3 {
		if _, _, err := readFrame(client); err != nil {
			t.Fatal(err)
		}
	}
	rest, err := io.ReadAll(client)
	if string(rest) != "BYE" || err != nil || <-ended != nil {
		t.Errorf("after the end: %q %v", rest, err)
	}
}

func TestCopyFollowsTheLane(t *testing.T) {
	r := newRig(t, hub.Config{}, Config{})
	r.send(31)
	pr, pw := io.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- r.fan.Copy(ctx, r.lane, Options{}, func(bufs [][]byte) error {
			for _, b := range bufs {
				if _, err := pw.Write(b); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	readHead(t, pr)
	for want := uint32(30); want < 100; want++ {
		if want >= 31 {
			r.send(1)
		}
		if n, _, err := readFrame(pr); err != nil || n != want {
			t.Fatalf("frame %d, want %d: %v", n, want, err)
		}
	}
	kicked := errors.New("kicked")
	cancel(kicked)
	if err := <-done; !errors.Is(err, kicked) {
		t.Errorf("Copy returned %v", err)
	}
}

// BenchmarkFlush is one video frame of 11 kB to 100 viewers that read.
func BenchmarkFlush(b *testing.B) {
	h := hub.New(hub.Config{}, quiet)
	f := New(Config{}, quiet)
	defer h.Close()
	defer f.Close()
	p, err := h.Publish(hub.Offer{Name: "b", Tracks: []media.Track{{Kind: media.Video, Codec: media.H264, TimeScale: 90000}}})
	if err != nil {
		b.Fatal(err)
	}
	l, err := h.Lane(b.Context(), "b", hub.LaneKey{}, hub.Want{}, func(*hub.Stream) hub.Encoder { return plain{} })
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	var read atomic.Int64
	for range 100 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			buf := make([]byte, 32<<10)
			for n, err := 0, error(nil); err == nil; {
				n, err = c.Read(buf)
				read.Add(int64(n))
			}
		})
		s, err := ln.Accept()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Attach(s.(*net.TCPConn), l, Options{}); err != nil {
			b.Fatal(err)
		}
		defer s.Close()
	}
	data := make([]byte, 11_000)
	b.SetBytes(100 * 11_000)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		_ = p.Write(media.Frame{Key: n%60 == 0, DTS: n * 3000, PTS: n * 3000, Data: data})
		for want := (n + 1) * 100 * 11_000; read.Load() < want; { // wait until all have it
			runtime.Gosched()
		}
	}
}
