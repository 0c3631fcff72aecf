package file_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/internal/blob"
	"weir/internal/blob/file"
)

const (
	childFolder = "WEIR_TEST_BLOB_FOLDER"
	childAdopts = "WEIR_TEST_BLOB_ADOPT"
)

// told says on standard output that bytes have been read.
type told struct{ r io.Reader }

func (r told) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	fmt.Println(n)
	return n, err
}

// TestMain is also the process that gets killed.
func TestMain(m *testing.M) {
	dir := os.Getenv(childFolder)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := file.New(dir)
	if from := os.Getenv(childAdopts); from != "" && err == nil {
		err = errors.Join(
			s.Put(context.Background(), "p/q/put", strings.NewReader("x"), 1),
			s.Adopt(context.Background(), "p/adopted", from),
			s.Delete(context.Background(), "p/q/put"))
		fmt.Fprint(os.Stderr, err)
		os.Exit(0)
	}
	if err == nil {
		err = s.Put(context.Background(), "a/whole", bytes.NewReader(make([]byte, 1000)), 1000)
	}
	if err == nil {
		err = s.Put(context.Background(), "a/half", told{os.Stdin}, 1<<30)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A process that is killed in the middle of Put leaves what it had finished, and nothing else.
func TestKilledInPut(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range 3 { // what was read before has been written then
		if _, err := in.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() {
			t.Fatal("the child has ended by itself")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "killed"
	drafts, err := filepath.Glob(filepath.Join(dir, "~draft", "*"))
	if err != nil || len(drafts) != 1 {
		t.Fatalf("drafts %v %v: the child was not in the middle of Put", drafts, err)
	}
	s := open(t, dir)
	var keys []string
	if err := s.List(t.Context(), "", func(i blob.Info) error {
		keys = append(keys, fmt.Sprint(i.Key, i.Size))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 1 || keys[0] != "a/whole1000" {
		t.Errorf("objects %v", keys)
	}
	if _, err := os.Stat(drafts[0]); err == nil {
		t.Error("the draft is still there")
	}
	if err := s.Put(t.Context(), "a/half", bytes.NewReader([]byte("x")), 1); err != nil {
		t.Error(err)
	}
}

// What is done is durable: strace sees the file synced before it gets its name, and the name, each new
// folder and each removal synced before the call returns.
func TestOrderOfSyncs(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	root := t.TempDir()
	dir, from, log := filepath.Join(root, "blobs"), filepath.Join(root, "open", "x.mp4"), filepath.Join(root, "log")
	write(t, from, "footage")
	cmd := exec.Command(strace, "-f", "-y", "-s", "4096", "-o", log, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,mkdirat,mkdir,unlinkat,unlink,rmdir", os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir, childAdopts+"="+from)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "<nil>") {
		t.Skipf("strace does not work here: %v %s", err, out)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	rest := strings.NewReplacer(root+">", "/>", root, "").Replace(string(b))
	for _, want := range []string{
		`mkdirat\(.*"/blobs"`, `fsync\(\d+</>\)`,
		`fsync\(\d+</blobs/~draft/\d+>\)`, `mkdirat\(.*"/blobs/p"`, `fsync\(\d+</blobs>\)`, `mkdirat\(.*"/blobs/p/q"`, `fsync\(\d+</blobs/p>\)`,
		`rename.*"/blobs/~draft/\d+".*"/blobs/p/q/put"`, `fsync\(\d+</blobs/p/q>\)`,
		`fsync\(\d+</open/x.mp4>\)`, `rename.*"/open/x.mp4".*"/blobs/p/adopted"`, `fsync\(\d+</blobs/p>\)`, `fsync\(\d+</open>\)`,
		`unlink.*"/blobs/p/q/put"`, `unlink.*"/blobs/p/q".*REMOVEDIR`, `fsync\(\d+</blobs/p>\)`,
	} {
		at := regexp.MustCompile(`(?m)^.*` + want + `.*(= 0|<unfinished \.\.\.>)$`).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("there is no %s in what is left of the calls:\n%s\nall:\n%s", want, rest, b)
		}
		rest = rest[at[1]:]
	}
}
