package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/testpattern"
)

// spoil turns one bit in segments of a rendition on the disk, counted from the first: in the payload, or, for a moof, in its size.
func (s *stage) spoil(rendition string, moof bool, ks ...int64) {
	s.t.Helper()
	for _, k := range ks {
		n := epoch.UnixNano()/int64(2*time.Second) + k
		if !s.spoilOne(rendition, moof, n) {
			s.t.Fatalf("no file holds %s %d", rendition, n)
		}
	}
}

func (s *stage) spoilOne(rendition string, moof bool, n int64) (done bool) {
	s.t.Helper()
	// In front of each segment lies a mark that says its number.
	want := binary.BigEndian.AppendUint64(nil, uint64(n))
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if done || err != nil || !d.Type().IsRegular() || !strings.Contains(d.Name(), rendition) {
			return nil // one that is being sealed has two names, of which the first may go at any time
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		for at := 0; !done; {
			i := bytes.Index(b[at:], []byte("WEIRtr\x8ba"))
			if i < 0 {
				return nil
			}
			if at += i + 8; len(b) > at+20 && bytes.Equal(b[at+12:at+20], want) && b[at+7] == 0xe2 {
				s.turn(path, b, at, moof)
				done = true
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

func (s *stage) turn(path string, b []byte, at int, moof bool) {
	s.t.Helper()
	at += bytes.Index(b[at:], []byte("mdat")) + 40
	if moof {
		at = at + bytes.LastIndex(b[:at], []byte("trun")) - at + 10
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{b[at] ^ 4}, int64(at)); err != nil {
		s.t.Fatal(err)
	}
}

// A clip over damaged segments is, to the byte, the clip of a range in which they were never recorded, and says so.
func TestDamageIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		video, audio []int64
		moof         bool
	}{
		"picture":       {video: []int64{3}},
		"sound":         {audio: []int64{4}},
		"both":          {video: []int64{3}, audio: []int64{3}},
		"several":       {video: []int64{2, 3, 6}, audio: []int64{6, 7}},
		"a moof":        {video: []int64{3}, moof: true},
		"the first":     {video: []int64{1}},
		"the last":      {video: []int64{7}, audio: []int64{7}},
		"most pictures": {video: []int64{1, 2, 3, 4, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			lost := func(rendition string, n int64) bool {
				k := n - epoch.UnixNano()/int64(2*time.Second)
				all := c.video
				if rendition == "a0" {
					all = c.audio
				}
				for _, x := range all {
					if x == k {
						return true
					}
				}
				return false
			}
			without, s := newStage(t, Config{}), newStage(t, Config{})
			without.pattern(without.source(testpattern.Options{Audio: true}), 0, 20*time.Second, lost)
			s.pattern(s.source(testpattern.Options{Audio: true}), 0, 20*time.Second, nil)
			s.spoil("v0", c.moof, c.video...)
			s.spoil("a0", c.moof, c.audio...)
			for _, more := range []string{"", "&cut=key"} {
				want := without.do(http.MethodGet, without.url(2500*time.Millisecond, 15300*time.Millisecond, more))
				got := s.do(http.MethodGet, s.url(2500*time.Millisecond, 15300*time.Millisecond, more))
				if got.status != want.status || !bytes.Equal(got.body, want.body) {
					t.Errorf("%s: %d with %d bytes, %d with %d where they are lost", more, got.status, len(got.body), want.status, len(want.body))
				}
				if n := got.header.Get(damagedHeader); n != string(rune('0'+len(c.video)+len(c.audio))) {
					t.Errorf("%s: the header says %q", more, n)
				}
				if want.header.Get(damagedHeader) != "" {
					t.Error("what was never recorded is said to be damaged")
				}
			}
			if n := s.store.Stats().Damaged; n != int64(len(c.video)+len(c.audio)) {
				t.Errorf("%d faults were counted", n)
			}
		})
	}
}

// Damage that is found when the head was sent cuts the download off. Who asks again, also for the rest of it, gets another file.
func TestDamageWhileItIsSent(t *testing.T) {
	s := newStage(t, Config{Check: -1})
	s.pattern(s.source(testpattern.Options{Audio: true, Bitrate: 2_000_000}), 0, 20*time.Second, nil)
	s.spoil("v0", false, 4)
	url := s.url(2500*time.Millisecond, 15300*time.Millisecond, "")
	head := s.do(http.MethodHead, url)
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, res.Body)
	if err := errors.Join(err, res.Body.Close()); err == nil || n == 0 || n >= res.ContentLength {
		t.Fatalf("%d of %d bytes, %v", n, res.ContentLength, err)
	}
	a := s.do(http.MethodGet, url, "Range", "bytes="+strconv.FormatInt(n, 10)+"-", "If-Range", head.header.Get("Etag"))
	if a.status != http.StatusOK || a.header.Get(damagedHeader) != "1" || head.header.Get(damagedHeader) != "" || a.header.Get("Etag") == head.header.Get("Etag") {
		t.Errorf("%d %v", a.status, a.header)
	}
	if r := judge(t, s.save(a.body)); r.Unreadable+r.Duplicates+r.OutOfOrder > 0 || r.Missing != 60 {
		t.Errorf("%+v", r)
	}
}

// A clip of a range that grows goes on behind damage as behind any hole, though its head is out.
func TestDamageInAGrowingClip(t *testing.T) {
	s := newStage(t, Config{})
	src := s.source(testpattern.Options{Audio: true})
	start := time.Since(epoch).Truncate(2*time.Second) - 20*time.Second
	r := s.live(src, start, 10*time.Second)
	if err := s.store.Flush(); err != nil {
		t.Fatal(err)
	}
	first := int64(start / (2 * time.Second))
	s.spoil("v0", false, first+2)
	s.spoil("a0", false, first+3)
	res, err := s.http.Client().Get(s.http.URL + "/clip.mp4?from=" + instant(epoch.Add(start)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	begin := make([]byte, 1000)
	if _, err := io.ReadFull(res.Body, begin); err != nil {
		t.Fatal(err)
	}
	r.more(src, start, 16*time.Second)
	r.end()
	s.tl.End()
	rest, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	path := s.save(append(begin, rest...))
	if v := judge(t, path); v.First != 0 || v.Last != 479 || v.Frames != 420 || v.Missing != 60 || v.Duplicates+v.OutOfOrder+v.Unreadable > 0 {
		t.Errorf("%+v", v)
	}
	if sync := inSync(t, path); sync.Pairs < 10 || sync.Worst.Abs() > 40*time.Millisecond {
		t.Errorf("sound against picture: %+v", sync)
	}
	if n := s.store.Stats().Damaged; n != 2 {
		t.Errorf("%d faults", n)
	}
}
