package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"weir/internal/format/rtmpmsg"
)

// attack is one kind of bad input, made over and over until the context ends.
type attack struct {
	name string
	run  func(ctx context.Context, t *testing.T, w *weir)
}

// until calls f with parallel workers until ctx ends.
func until(ctx context.Context, workers int, f func()) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				f()
			}
		})
	}
	wg.Wait()
}

// send writes b to a new connection and waits until the server closes it or the attack is over.
func send(ctx context.Context, port int, b []byte) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_, _ = conn.Write(b) // the server may have closed already
	_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, _ = io.Copy(io.Discard, conn)
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

var attacks = []attack{
	{"garbage on every port", func(ctx context.Context, _ *testing.T, w *weir) {
		var wg sync.WaitGroup
		defer wg.Wait()
		for _, name := range []string{"http", "rtmp", "webrtc"} {
			wg.Go(func() { until(ctx, 4, func() { send(ctx, w.ports[name], noise(3000)) }) })
		}
		wg.Go(func() {
			conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", w.ports["webrtc"]))
			if err != nil {
				return
			}
			defer conn.Close()
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				b := noise(20 + n%1200)
				b[0] = []byte{0, 1, 22, 128, 200}[n%5] // as STUN, DTLS, RTP and RTCP begin
				_, _ = conn.Write(b)
				<-tick.C
			}
		})
	}},
	{"half-open handshakes by the thousand", func(ctx context.Context, _ *testing.T, w *weir) {
		var held []net.Conn
		for i := range 3000 {
			port, word := w.ports["rtmp"], "\x03" // C0
			if i%6 == 0 {
				port, word = w.ports["http"], "GET /"
			}
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				break
			}
			_, _ = io.WriteString(conn, word)
			held = append(held, conn)
		}
		<-ctx.Done()
		for _, c := range held {
			_ = c.Close()
		}
	}},
	{"chunk and AMF bombs", func(ctx context.Context, t *testing.T, w *weir) {
		nested := append(rtmpmsg.AppendAMF0(nil, "connect", 1.0), bytes.Repeat([]byte{3, 0, 1, 'a'}, 10_000)...)
		wide := append(rtmpmsg.AppendAMF0(nil, "connect", 1.0), 8, 0xFF, 0xFF, 0xFF, 0xFF)
		strict := append(rtmpmsg.AppendAMF0(nil, "connect", 1.0), 10, 0x7F, 0xFF, 0xFF, 0xFF)
		var many []byte
		for i := range 200 {
			many = append(many, 0, byte(i), 0, 0, 0, 0xFF, 0xFF, 0xFF, 9, 0, 0, 0, 0)
			many = append(many, make([]byte, 128)...)
		}
		bombs := [][]byte{many, rtmpmsg.AppendControl(nil, rtmpmsg.TypeSetChunkSize, 0), rtmpmsg.AppendControl(nil, rtmpmsg.TypeSetChunkSize, 1<<31-1)}
		for _, p := range [][]byte{nested, wide, strict} {
			bombs = append(bombs, rtmpmsg.AppendMessage(nil, rtmpmsg.Header{CSID: 3, Type: 20, ChunkSize: 128}, p))
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		for _, b := range bombs {
			wg.Go(func() {
				until(ctx, 1, func() {
					c := w.dialRTMP(t)
					defer c.conn.Close()
					_ = c.conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
					if c.shake() == nil {
						_, _ = c.conn.Write(b)
						_, _ = io.Copy(io.Discard, c.conn)
					}
				})
			})
		}
	}},
	{"bombs over HTTP", func(ctx context.Context, _ *testing.T, w *weir) {
		head := append([]byte("GET / HTTP/1.1\r\nHost: x\r\n"), bytes.Repeat([]byte("X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"), 100_000)...)
		until(ctx, 2, func() {
			send(ctx, w.ports["http"], head)
			for _, path := range []string{"/live/x/whip", "/live/x/whep", "/api/v1/session"} {
				body := io.LimitReader(endless{}, 64<<20)
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.http(path), body)
				if err != nil {
					return
				}
				req.Header.Set("Content-Type", "application/sdp")
				if resp, err := http.DefaultClient.Do(req); err == nil {
					_ = resp.Body.Close()
				}
			}
		})
	}},
	{"viewers that never read", func(ctx context.Context, _ *testing.T, w *weir) {
		var held []net.Conn
		for range 100 {
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.ports["http"]))
			if err != nil {
				break
			}
			_ = conn.(*net.TCPConn).SetReadBuffer(4096)
			_, _ = io.WriteString(conn, "GET /good/stream/stream.flv HTTP/1.1\r\nHost: x\r\n\r\n")
			held = append(held, conn)
		}
		<-ctx.Done()
		for _, c := range held {
			_ = c.Close()
		}
	}},
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}
