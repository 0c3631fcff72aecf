package file_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"weir/internal/blob"
	"weir/internal/blob/blobtest"
	"weir/internal/blob/file"
)

func open(t testing.TB, dir string) *file.Store {
	t.Helper()
	s, err := file.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, t.TempDir()) })
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "sealed"))
	path := filepath.Join(dir, "open", "x.mp4")
	write(t, path, "footage")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(t.Context(), "live%2Fshow/1/v0/0.mp4", path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file is still where it was")
	}
	after, err := os.Stat(filepath.Join(dir, "sealed", "live%2Fshow", "1", "v0", "0.mp4"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was copied: %v", err)
	}
	write(t, path, "other")
	if err := s.Adopt(t.Context(), "live%2Fshow/1/v0/0.mp4", path); !errors.Is(err, blob.ErrExists) {
		t.Errorf("adopt on an object: %v", err)
	}
	if err := s.Adopt(t.Context(), "../x", path); err == nil {
		t.Error("adopted out of the folder")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "other" {
		t.Errorf("a refused file changed: %q %v", b, err)
	}
	if err := s.Adopt(t.Context(), "y", filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("adopt of nothing: %v", err)
	}
}

func TestAdoptFromAnotherFileSystem(t *testing.T) {
	const other = "/dev/shm"
	from, err := os.MkdirTemp(other, "weir")
	if err != nil {
		t.Skip("there is no second file system: ", err)
	}
	defer os.RemoveAll(from)
	dir := t.TempDir()
	write(t, filepath.Join(from, "probe"), "")
	if err := os.Rename(filepath.Join(from, "probe"), filepath.Join(dir, "probe")); !errors.Is(err, syscall.EXDEV) {
		t.Skip("the temporary folder is on the same one")
	}
	path := filepath.Join(from, "x.mp4")
	text := strings.Repeat("footage", 100_000)
	write(t, path, text)
	s := open(t, dir)
	if err := s.Adopt(t.Context(), "a/x.mp4", path); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a", "x.mp4")); err != nil || string(b) != text {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file is still where it was")
	}
}

// What a crash in the middle of Put leaves is gone at the next start, and was never an object.
func TestLeftoversOfACrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Put(t.Context(), "a/b", strings.NewReader("whole"), 5); err != nil {
		t.Fatal(err)
	}
	half, err := os.CreateTemp(filepath.Join(dir, "~draft"), "")
	if err != nil {
		t.Fatal("drafts are kept elsewhere: ", err)
	}
	if _, err := half.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
		t.Fatal(err)
	}
	half.Close()
	write(t, filepath.Join(dir, "a", "not a key.txt"), "somebody's notes")
	list := func(s *file.Store) (keys []string) {
		if err := s.List(t.Context(), "", func(i blob.Info) error {
			keys = append(keys, i.Key)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return keys
	}
	if got := list(s); len(got) != 1 || got[0] != "a/b" {
		t.Errorf("objects %v", got)
	}
	s = open(t, dir)
	if _, err := os.Stat(half.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the half-written file is still there")
	}
	if got := list(s); len(got) != 1 || got[0] != "a/b" {
		t.Errorf("objects %v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "a", "not a key.txt")); err != nil {
		t.Error("a stranger's file is gone")
	}
}

// A descriptor of the object is its own, and outlives the name.
func TestObjectHasAFile(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Put(t.Context(), "k", strings.NewReader("12345"), 5); err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for range 2 {
		o, err := s.Open(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		files = append(files, o.(interface{ File() *os.File }).File())
	}
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	for _, f := range files {
		if n, err := f.Read(b); n != 5 || err != nil {
			t.Errorf("%d %v: descriptors share an offset", n, err)
		}
	}
}

func TestFolderThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "")
	if _, err := file.New(filepath.Join(path, "x")); err == nil {
		t.Error("a store below a file")
	}
}
