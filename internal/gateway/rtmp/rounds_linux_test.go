package rtmp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"weir/internal/fan"
)

// inletPair is a connection whose one end is read through an inlet, of a server with so many publishers.
func inletPair(t *testing.T, publishers int) (*Server, *inlet, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	out, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = out.Close(), conn.Close() })
	s := &Server{}
	s.SetConfig(Config{})
	s.count.publishers.Store(int64(publishers))
	in := &inlet{conn: conn}
	in.publishing(s)
	return s, in, out
}

// Whatever the sizes, and while a crowd comes and goes, every byte arrives in order, and then the end.
func TestRoundsLoseNothing(t *testing.T) {
	s, in, out := inletPair(t, crowd+1)
	random := rand.New(rand.NewPCG(1, 2))
	sent := make([]byte, 3<<20)
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer out.Close()
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(1<<random.IntN(19)))
			if _, err := out.Write(rest[:n]); err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
			s.count.publishers.Store(int64(crowd + random.IntN(2)))
		}
	})
	got, err := io.ReadAll(in)
	wg.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes, the same: %v, error %v", len(got), len(sent), bytes.Equal(got, sent), err)
	}
}

// What comes between two rounds is read at once, and by one read.
func TestACrowdIsReadInRounds(t *testing.T) {
	_, in, out := inletPair(t, crowd+1)
	buf := make([]byte, 100)
	if _, err := out.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	if n, err := in.Read(buf); n != 1 || err != nil { // makes the kernel calm
		t.Fatal(n, err)
	}
	in.server.rounds.mu.Lock() // no round can begin
	read := make(chan string)
	go func() {
		n, err := in.Read(buf)
		if err != nil {
			t.Error(err)
		}
		read <- string(buf[:n])
	}()
	for _, message := range []string{"b", "c", "d"} {
		if _, err := out.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	in.server.rounds.mu.Unlock()
	if got := <-read; got != "bcd" {
		t.Fatalf("one round read %q", got)
	}
}

// When the crowd has gone, a single byte wakes its reader again.
func TestAfterTheCrowdEachMessageWakes(t *testing.T) {
	s, in, out := inletPair(t, crowd+1)
	buf := make([]byte, 100)
	for _, publishers := range []int{crowd + 1, crowd, crowd + 1} {
		s.count.publishers.Store(int64(publishers))
		if _, err := out.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := in.Read(buf); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if want := publishers > crowd; in.calm != want {
			t.Fatalf("with %d publishers calm is %v", publishers, in.calm)
		}
	}
	in.gone()
	if err := in.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan error, 1)
	go func() {
		_, err := in.Read(buf) // parks first, so that only the kernel can wake it
		arrived <- err
	}()
	if _, err := out.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if err := <-arrived; err != nil {
		t.Fatal("the reader of a single byte was not woken:", err)
	}
}

// A kick (a deadline in the past) and a closed connection end a reader that waits in rounds.
func TestRoundsEndWithTheirConnection(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(net.Conn) error
		want error
	}{
		"kicked": {func(c net.Conn) error { return c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"closed": {net.Conn.Close, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			_, in, _ := inletPair(t, crowd+1)
			ended := make(chan error, 1)
			go func() {
				_, err := in.Read(make([]byte, 100))
				ended <- err
			}()
			if err := c.end(in.conn); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; !errors.Is(err, c.want) {
				t.Fatal(err)
			}
		})
	}
}

// The more publishers, the further apart their rounds, unless every message is wanted at once.
func TestRoundsOfACrowd(t *testing.T) {
	s := &Server{}
	s.SetConfig(Config{})
	for publishers, want := range map[int64]time.Duration{1: 0, crowd: 0, crowd + 1: roundEvery, throng: roundEvery, throng + 1: 3 * roundEvery} {
		s.count.publishers.Store(publishers)
		got := time.Duration(0)
		if s.crowded() {
			got = s.betweenRounds()
		}
		if got != want {
			t.Errorf("%d publishers: %v, want %v", publishers, got, want)
		}
	}
	s.config().Profile = fan.Realtime
	if s.crowded() {
		t.Error("rounds at the realtime profile")
	}
}
