package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"weir/internal/media"
	"weir/internal/testpattern"
)

// arrival is one FLV tag as a viewer got it.
type arrival struct {
	at      time.Time
	ms      uint32 // the tag's time stamp
	audio   bool
	config  bool // a sequence header
	key     bool
	counter int64 // of the judge's picture; -1 = none
	sentMS  int64
}

// flvViewer is a viewer of the barest kind: one TCP connection, one GET, and a parser of its own. It never connects again, so
// whatever it sees came over that one connection.
type flvViewer struct {
	conn net.Conn
	done chan struct{}

	mu   sync.Mutex
	tags []arrival
	err  error // why it ended
}

// viewFLV connects and reads until the test ends or the server closes.
func viewFLV(t *testing.T, address string) *flvViewer {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	v := &flvViewer{conn: conn, done: make(chan struct{})}
	t.Cleanup(v.close)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", u.RequestURI(), u.Host); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReaderSize(conn, 1<<16)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s %s", address, resp.Status, b)
	}
	go func() {
		defer close(v.done)
		err := v.read(resp.Body)
		v.mu.Lock()
		v.err = err
		v.mu.Unlock()
	}()
	return v
}

func (v *flvViewer) close() {
	_ = v.conn.Close()
	<-v.done
}

func (v *flvViewer) read(r io.Reader) error {
	var head [13]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	if string(head[:3]) != "FLV" {
		return fmt.Errorf("no FLV header: %q", head)
	}
	for {
		a, err := readTag(r)
		if err != nil {
			return err
		}
		if a == nil {
			continue
		}
		v.mu.Lock()
		v.tags = append(v.tags, *a)
		v.mu.Unlock()
	}
}

// readTag reads a tag with the size behind it (Annex E.4); nil for script data.
func readTag(r io.Reader) (*arrival, error) {
	var h [11]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, err
	}
	size := int(h[1])<<16 | int(h[2])<<8 | int(h[3])
	body := make([]byte, size+4)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	if back := int(body[size])<<24 | int(body[size+1])<<16 | int(body[size+2])<<8 | int(body[size+3]); back != size+11 {
		return nil, fmt.Errorf("the size behind the tag is %d, not %d", back, size+11)
	}
	return readBody(h[0], uint32(h[4])<<16|uint32(h[5])<<8|uint32(h[6])|uint32(h[7])<<24, body[:size])
}

// readBody takes an audio or video body apart, as FLV and RTMP carry it: nil for anything else.
func readBody(kind byte, ms uint32, body []byte) (*arrival, error) {
	a := &arrival{at: time.Now(), ms: ms, counter: -1}
	switch {
	case kind == 8 && len(body) > 1:
		a.audio, a.config = true, body[0]>>4 == 10 && body[1] == 0
	case kind == 9 && len(body) > 4:
		a.key, a.config = body[0]>>4&7 == 1, body[1] == 0
		if !a.config && body[0]&0x8F == 7 {
			if m, ok := testpattern.ReadSEI(body[5:], media.H264); ok {
				a.counter, a.sentMS = int64(m.Counter), m.SentMS
			}
		}
	case kind == 18:
		return nil, nil
	default:
		return nil, fmt.Errorf("a tag of type %d with %d bytes", kind, len(body))
	}
	return a, nil
}

// all returns what came so far.
func (v *flvViewer) all() []arrival {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.tags)
}

// alive fails the test if the connection has ended.
func (v *flvViewer) alive(t *testing.T) {
	t.Helper()
	select {
	case <-v.done:
		v.mu.Lock()
		defer v.mu.Unlock()
		t.Errorf("the viewer's connection ended: %v", v.err)
	default:
	}
}

// pictures are the video tags with a counter.
func (v *flvViewer) pictures() []arrival {
	return slices.DeleteFunc(v.all(), func(a arrival) bool { return a.counter < 0 })
}

// monotonic fails the test if a time stamp went back within audio or within video.
func monotonic(t *testing.T, who string, tags []arrival) {
	t.Helper()
	last := map[bool]uint32{}
	for i, a := range tags {
		if before, ok := last[a.audio]; ok && a.ms < before {
			t.Errorf("%s: tag %d goes back from %d to %d ms (audio %t)", who, i, before, a.ms, a.audio)
			return
		}
		last[a.audio] = a.ms
	}
}

// complete fails the test unless every counter of one publisher came exactly once and in order.
func complete(t *testing.T, who string, pictures []arrival) {
	t.Helper()
	if len(pictures) == 0 {
		t.Errorf("%s: no picture", who)
		return
	}
	for i := 1; i < len(pictures); i++ {
		if a, b := pictures[i-1], pictures[i]; b.counter != a.counter+1 || b.ms <= a.ms {
			t.Errorf("%s: counter %d at %d ms follows %d at %d ms", who, b.counter, b.ms, a.counter, a.ms)
			return
		}
	}
}

// latency is the p-th part of the times from the making of a picture to its arrival, of those that arrived in a stretch of time.
func latency(pictures []arrival, from, to time.Time, p float64) time.Duration {
	var d []time.Duration
	for _, a := range pictures {
		if a.at.After(from) && a.at.Before(to) {
			d = append(d, a.at.Sub(time.UnixMilli(a.sentMS)))
		}
	}
	return percentile(d, p)
}

func percentile(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(float64(len(d))*p))]
}

// get reads an address whole.
func get(address string) (body []byte, status int, err error) {
	resp, err := http.Get(address) //nolint:noctx // the tests' addresses answer or the test times out
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return body, resp.StatusCode, err
}

func mustGet(t *testing.T, address string) []byte {
	t.Helper()
	b, status, err := get(address)
	if err == nil && status != http.StatusOK {
		err = errors.New(http.StatusText(status) + ": " + string(b))
	}
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return b
}

// pause lets the run go on for a while; it ends early with the test.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.FailNow()
	}
}
