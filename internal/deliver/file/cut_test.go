package file

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/fault"
	"weir/internal/testpattern"
)

// Whoever is told to go gets no more of a clip, and damaged footage is cut off, never sent.
func TestDownloadsAreCutOff(t *testing.T) {
	s := newStage(t, Config{})
	s.pattern(s.source(testpattern.Options{Bitrate: 50_000_000, FPS: 10}), 0, 20*time.Second, nil)
	url := s.url(0, 20*time.Second, "")
	res, err := s.http.Client().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	sessions := s.door.Sessions(nil)
	if len(sessions) != 1 || sessions[0].Protocol != "file" {
		t.Fatalf("%+v", sessions)
	}
	s.door.Kick(sessions[0].ID, fault.New(fault.Forbidden, "kicked", "Go.", ""))
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("%d more bytes came after the kick", n)
	}
}

func TestDamageIsNotSent(t *testing.T) {
	s := newStage(t, Config{Check: -1}) // checksums are compared when payload is first read
	s.pattern(s.source(testpattern.Options{Bitrate: 2_000_000}), 0, 10*time.Second, nil)
	whole := s.do(http.MethodHead, s.url(0, 10*time.Second, ""))
	size, _ := strconv.Atoi(whole.header.Get("Content-Length"))
	flipBits(t, s.dir)
	res, err := s.http.Client().Get(s.url(0, 10*time.Second, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(b) >= size {
		t.Errorf("%d of %d bytes of damaged footage: %v", len(b), size, err)
	}
}

// flipBits flips one bit in each track file. A file that is being sealed has two names for a while, of which the first may go
// at any time; flipped by both it would be whole again.
func flipBits(t *testing.T, dir string) {
	t.Helper()
	var done []os.FileInfo
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && (d.IsDir() || !strings.HasSuffix(path, ".mp4")) {
			return nil
		}
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil || slices.ContainsFunc(done, func(other os.FileInfo) bool { return os.SameFile(st, other) }) {
			return err
		}
		done = append(done, st)
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, st.Size()*2/3); err != nil {
			return err
		}
		b[0] ^= 4
		_, err = f.WriteAt(b, st.Size()*2/3)
		return err
	})
	if err != nil || len(done) < 2 {
		t.Fatalf("%d files were damaged: %v", len(done), err)
	}
}
