package fan

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"weir/internal/hub"
)

// TestSpooledBytesStayWhole: a viewer that comes back late finds in its socket what was sent, though the files it was sent from
// have been given back long since.
func TestSpooledBytesStayWhole(t *testing.T) {
	r := newRig(t, hub.Config{}, Config{})
	r.size = 40_000
	r.send(1)
	const frames = 200 // 8 MB
	var newest mark
	read := func(c io.Reader) {
		readHead(t, c)
		for last := int64(-1); last < frames-1; {
			n, key, err := readFrame(c)
			if err != nil || int64(n) != last+1 && !key {
				t.Errorf("frame %d after %d: %v", n, last, err)
				return
			}
			last = int64(n)
			newest.reach(n)
		}
	}
	var wg, late sync.WaitGroup
	all := make(chan struct{})
	for i := range 2 * flatFrom {
		server, client := pair(t)
		v, err := r.fan.Attach(server, r.lane, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		if i%8 == 0 {
			late.Go(func() { <-all; read(client) })
		} else {
			wg.Go(func() { read(client) })
		}
	}
	for n := range uint32(frames - 1) {
		r.send(1)
		newest.await(t, n+1)
	}
	wg.Wait()
	close(all)
	late.Wait()
}

// TestSentBytesOutliveTheirFile: what lies in a socket is what was sent, whatever is spooled, given back and allocated after.
func TestSentBytesOutliveTheirFile(t *testing.T) {
	const size = 40_000
	var s spool
	defer s.close()
	server, client := pair(t)
	raw, err := server.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	want := &bytes.Buffer{}
	for n := 0; ; n++ {
		v := newVector([][]byte{ramp[n%256:][:size]})
		if !s.take(v) || v.file == 0 {
			t.Fatal("not taken")
		}
		var sent uintptr
		var errno unix.Errno
		if err := raw.Write(func(fd uintptr) bool { sent, errno = v.send(fd); return true }); err != nil {
			t.Fatal(err)
		}
		if errno != 0 && errno != unix.EAGAIN {
			t.Fatal(errno)
		}
		if errno != 0 {
			sent = 0
		}
		want.Write(ramp[n%256:][:sent])
		s.giveBack()
		if sent < size {
			break // the socket is full
		}
	}
	for range 100 { // other bytes, where the first ones lay
		if !s.take(newVector([][]byte{make([]byte, spoolMost)})) {
			t.Fatal("not taken")
		}
		s.giveBack()
	}
	if want.Len() < spoolKeep {
		t.Fatalf("the socket took %d bytes, which is not a file", want.Len())
	}
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d bytes are not what was sent: %v", len(got), err)
	}
}

// TestSpoolKeepsAFlush: what was taken in a flush is there until it is over, and that is not without limit.
func TestSpoolKeepsAFlush(t *testing.T) {
	var c cache
	defer c.spool.close()
	var taken []*vector
	for n := 0; ; n++ {
		v := newVector([][]byte{ramp[n:][:spoolMost]})
		if !c.spool.take(v) {
			break
		}
		taken = append(taken, v)
	}
	if len(taken) != spoolFull/spoolMost {
		t.Fatalf("%d vectors were taken", len(taken))
	}
	for n, v := range taken {
		got := make([]byte, spoolMost)
		if _, err := unix.Pread(v.file, got, v.at); err != nil || !bytes.Equal(got, ramp[n:][:spoolMost]) {
			t.Errorf("vector %d is damaged: %v", n, err)
		}
	}
	if c.reset(); c.spool.end != 0 || !c.spool.take(newVector([][]byte{ramp[:spoolMost]})) {
		t.Error("no new file was begun")
	}
}
