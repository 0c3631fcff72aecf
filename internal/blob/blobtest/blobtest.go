// Package blobtest is what every blob store has to pass. What belongs here: the promises of
// blob.Store. What does not: what only one kind of store promises.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/blob"
	"weir/internal/fault"
)

// Run holds the stores that open returns, each empty, to the promises of blob.Store.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, blob.Store)
	}{
		{"PutAndRead", putAndRead}, {"Unknown", unknown}, {"Exists", exists}, {"Delete", remove}, {"List", list},
		{"AllOrNothing", allOrNothing}, {"Keys", keys}, {"Folders", folders}, {"OneWinner", oneWinner}, {"Cancelled", cancelled}, {"Churn", churn},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func put(t *testing.T, s blob.Store, key, text string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(text), int64(len(text))); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func get(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	o, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("open %s: %v", key, err)
	}
	defer o.Close()
	b, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, s blob.Store, prefix string) []string {
	t.Helper()
	var out []string
	err := s.List(t.Context(), prefix, func(i blob.Info) error {
		out = append(out, i.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func putAndRead(t *testing.T, s blob.Store) {
	big := strings.Repeat("0123456789", 100_000)
	for key, text := range map[string]string{"a": "x", "b/c/d.mp4": big, "empty": ""} {
		before := time.Now().Add(-time.Minute)
		put(t, s, key, text)
		if got := get(t, s, key); got != text {
			t.Errorf("%s: %d bytes, want %d", key, len(got), len(text))
		}
		info, err := s.Stat(t.Context(), key)
		if err != nil || info.Key != key || info.Size != int64(len(text)) || info.Modified.Before(before) {
			t.Errorf("stat %s: %+v %v", key, info, err)
		}
	}
	o, err := s.Open(t.Context(), "b/c/d.mp4")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	b := make([]byte, 8)
	if n, err := o.ReadAt(b, 12345); n != 8 || err != nil || string(b) != big[12345:12353] {
		t.Errorf("%q %v", b[:n], err)
	}
	if n, err := o.ReadAt(b, o.Size()-3); n != 3 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
}

func unknown(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "x")
	for _, key := range []string{"nothing", "a", "a/c", "a/b/c"} {
		if _, err := s.Open(t.Context(), key); !errors.Is(err, blob.ErrUnknown) {
			t.Errorf("open %s: %v", key, err)
		}
		if _, err := s.Stat(t.Context(), key); !errors.Is(err, blob.ErrUnknown) {
			t.Errorf("stat %s: %v", key, err)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %s: %v", key, err)
		}
	}
	if get(t, s, "a/b") != "x" {
		t.Error("an object went with what was not there")
	}
}

func exists(t *testing.T, s blob.Store) {
	put(t, s, "k", "first")
	if err := s.Put(t.Context(), "k", strings.NewReader("other"), 5); !errors.Is(err, blob.ErrExists) {
		t.Errorf("put again: %v", err)
	}
	if got := get(t, s, "k"); got != "first" {
		t.Errorf("an object changed to %q", got)
	}
}

func remove(t *testing.T, s blob.Store) {
	put(t, s, "a/b/c", "x")
	put(t, s, "a/b/d", "y")
	if err := s.Delete(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s, ""); !slices.Equal(got, []string{"a/b/d"}) {
		t.Errorf("left: %v", got)
	}
	if err := s.Delete(t.Context(), "a/b/d"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "now a file") // the folder is gone with its last object
	if got := get(t, s, "a"); got != "now a file" {
		t.Errorf("%q", got)
	}
}

func list(t *testing.T, s blob.Store) {
	all := []string{"a%2F", "a-1", "a.b", "a/b", "a/b.c", "a/b0", "a/c/d", "a0", "aa/x", "b", "b-/x", "b./y"}
	for _, key := range slices.Backward(all) {
		put(t, s, key, key)
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/c/", "aa", "b", "c", "a/c/d", "a/c/d/e", "b.", "/", "../", "~"} {
		var want []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		if got := names(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("prefix %q: %v, want %v", prefix, got, want)
		}
	}
	stop := errors.New("enough")
	seen := 0
	if err := s.List(t.Context(), "", func(i blob.Info) error {
		seen++
		if i.Size != int64(len(i.Key)) {
			t.Errorf("%+v", i)
		}
		return stop
	}); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("%v after %d", err, seen)
	}
}

type broken struct{ after io.Reader }

var errBroken = errors.New("the source broke")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.after.Read(p)
	if errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

func allOrNothing(t *testing.T, s blob.Store) {
	for _, c := range []struct {
		why  string
		r    io.Reader
		size int64
		want error
	}{
		{"short", strings.NewReader("12345"), 6, blob.ErrSize},
		{"long", strings.NewReader("12345"), 4, blob.ErrSize},
		{"negative", strings.NewReader(""), -1, blob.ErrSize},
		{"broken", broken{strings.NewReader("12345")}, 10, errBroken},
	} {
		if err := s.Put(t.Context(), "dir/k", c.r, c.size); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.why, err)
		}
		if got := names(t, s, ""); len(got) > 0 {
			t.Errorf("%s: there is %v", c.why, got)
		}
	}
	put(t, s, "dir/k", "12345")
}

func keys(t *testing.T, s blob.Store) {
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/..", "./a", "a/./b", "a..b", "a b", "a\\b", "a\x00b", "ä", "~draft", "~draft/a",
		"%", "%2", "%2f", "%GG", "a:b", "*", strings.Repeat("a", 513), strings.Repeat("a", 256), strings.Repeat("a/", 256) + "a",
	} {
		err := s.Put(t.Context(), key, strings.NewReader("x"), 1)
		_, open := s.Open(t.Context(), key)
		_, stat := s.Stat(t.Context(), key)
		for what, err := range map[string]error{"put": err, "open": open, "stat": stat, "delete": s.Delete(t.Context(), key)} {
			if fault.Code(err) != "object_key" {
				t.Errorf("%s %.20q: %v", what, key, err)
			}
		}
	}
	long := strings.Repeat("a", 255) + "/" + strings.Repeat("b", 255)
	for _, key := range []string{"%2Fetc%2Fpasswd", ".hidden/x.mp4", "-rf", "A_b-C.9", long, strings.Repeat("d/", 255) + "ee"} {
		put(t, s, key, key)
		if got := get(t, s, key); got != key {
			t.Errorf("%.20q: %.20q", key, got)
		}
	}
}

func folders(t *testing.T, s blob.Store) {
	put(t, s, "a/b/c", "x")
	put(t, s, "f", "x")
	for _, key := range []string{"a", "a/b", "a/b/c/d", "f/g", "f/g/h"} {
		if err := s.Put(t.Context(), key, strings.NewReader("y"), 1); !errors.Is(err, blob.ErrFolder) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func oneWinner(t *testing.T, s blob.Store) {
	var wins atomic.Int32
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			text := strings.Repeat(fmt.Sprint(i), 100_000)
			err := s.Put(t.Context(), "a/k", strings.NewReader(text), int64(len(text)))
			if err == nil {
				wins.Add(1)
			} else if !errors.Is(err, blob.ErrExists) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got := get(t, s, "a/k")
	if wins.Load() != 1 || len(got) != 100_000 || strings.Trim(got, got[:1]) != "" {
		t.Errorf("%d have won, %d bytes", wins.Load(), len(got))
	}
}

func cancelled(t *testing.T, s blob.Store) {
	put(t, s, "k", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, open := s.Open(ctx, "k")
	_, stat := s.Stat(ctx, "k")
	for what, err := range map[string]error{
		"put": s.Put(ctx, "l", strings.NewReader("x"), 1), "open": open, "stat": stat, "delete": s.Delete(ctx, "k"),
		"list": s.List(ctx, "", func(blob.Info) error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := names(t, s, ""); !slices.Equal(got, []string{"k"}) {
		t.Errorf("%v", got)
	}
}

// churn puts and deletes in the same folder at once: none may lose its folder to another.
func churn(t *testing.T, s blob.Store) {
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			key := fmt.Sprintf("same/folder/%d", i)
			for range 20 {
				if err := s.Put(t.Context(), key, bytes.NewReader([]byte("x")), 1); err != nil {
					t.Error("put", err)
				}
				if err := s.Delete(t.Context(), key); err != nil {
					t.Error("delete", err)
				}
			}
		})
	}
	all.Wait()
	if got := names(t, s, ""); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}
