package fan

import (
	"bytes"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"weir/internal/hub"
)

// TestSpooledBytesStayWhole: a viewer that comes back late finds in its socket what was sent, though the pages it was sent from
// have been given back long since.
func TestSpooledBytesStayWhole(t *testing.T) {
	r := newRig(t, hub.Config{}, Config{})
	r.size = 40_000
	r.send(1)
	const frames = 200 // 8 MB
	var newest mark
	read := func(c interface{ Read([]byte) (int, error) }) {
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
		newest.await(n + 1)
	}
	wg.Wait()
	close(all)
	late.Wait()
	spooled, held := spools(t, r.fan)
	if spooled < spoolKeep || held > int64(len(r.fan.shards))*(spoolKeep+spoolMost) {
		t.Errorf("%d bytes went by the spools, which hold %d", spooled, held)
	}
}

// spools tells how much was written to the spools of a fan, and how much memory they hold.
func spools(t *testing.T, f *Fan) (written, held int64) {
	t.Helper()
	f.Close() // the shards are over; their numbers stay
	for _, s := range f.shards {
		written += s.cache.spool.end
		held += s.cache.spool.end - s.cache.spool.holeTo
	}
	return written, held
}

// TestSpoolKeepsAFlush: what was taken in a flush is there until it is over, however much that is.
func TestSpoolKeepsAFlush(t *testing.T) {
	var c cache
	defer c.spool.close()
	var taken []*vector
	for n := range 5 {
		v := newVector([][]byte{ramp[n:][:spoolMost]})
		if !c.spool.take(v) {
			t.Fatal("not taken")
		}
		taken = append(taken, v)
	}
	lies := func(n int) bool {
		got := make([]byte, spoolMost)
		_, err := unix.Pread(c.spool.fd, got, taken[n].at)
		return err == nil && bytes.Equal(got, ramp[n:][:spoolMost])
	}
	for n := range taken {
		if !lies(n) {
			t.Errorf("vector %d is damaged", n)
		}
	}
	if c.reset(); lies(0) {
		t.Error("nothing was given back")
	}
}

// TestSpoolGivesBack: what has been sent leaves memory, as the kernel counts it.
func TestSpoolGivesBack(t *testing.T) {
	var s spool
	defer s.close()
	for range 1000 {
		if v := newVector([][]byte{make([]byte, 50_001), make([]byte, 7)}); !s.take(v) || v.file == 0 {
			t.Fatal("not taken")
		}
		s.giveBack()
	}
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		t.Fatal(os.NewSyscallError("fstat", err))
	}
	if st.Size != 1000*50_008 || st.Blocks*512 > 2*spoolKeep {
		t.Errorf("%d bytes in %d of memory", st.Size, st.Blocks*512)
	}
	s.close()
	if s.take(newVector([][]byte{make([]byte, spoolFrom)})) {
		t.Error("a closed spool took something")
	}
}
