package deliver

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestBlocksAreOneGzip: pieces compressed apart are, strung together, what a strict reader of one member takes.
func TestBlocksAreOneGzip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var blocks []*Block
		want := ""
		for i := range rapid.IntRange(0, 6).Draw(t, "blocks") {
			text := strings.Repeat("#EXTINF:2.0,\nseg-1-v0-1.m4s\n", rapid.IntRange(0, 40).Draw(t, "lines"))
			if rapid.Bool().Draw(t, "noise") {
				b := make([]byte, rapid.IntRange(0, 70_000).Draw(t, "size"))
				r := rand.New(rand.NewPCG(uint64(i), 1))
				for k := range b {
					b[k] = byte(r.Uint32())
				}
				text += string(b)
			}
			want += text
			blocks = append(blocks, NewBlock([]byte(text)))
		}
		d := NewDocOf(blocks)
		pieces, size := d.gzipped()
		packed := bytes.Join(pieces, nil)
		if len(packed) != size {
			t.Fatalf("%d bytes, announced %d", len(packed), size)
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		got, err := io.ReadAll(z)
		if err != nil || string(got) != want {
			t.Fatalf("%d bytes, want %d: %v", len(got), len(want), err)
		}
	})
}

// TestDocOfBlocks: the two kinds of document answer alike.
func TestDocOfBlocks(t *testing.T) {
	text := strings.Repeat("#EXTINF:2.0,\nseg-1-v0-1.m4s\n", 100)
	whole := NewDoc([]byte(text))
	parts := NewDocOf([]*Block{NewBlock([]byte(text[:1000])), NewBlock([]byte(text[1000:]))})
	for _, d := range []*Doc{whole, parts} {
		w := httptest.NewRecorder()
		n := d.Serve(w, httptest.NewRequest("GET", "/x", nil), "text/plain", "no-cache")
		if n != len(text) || w.Body.String() != text {
			t.Errorf("%d bytes", n)
		}
		q := httptest.NewRequest("GET", "/x", nil)
		q.Header.Set("If-None-Match", w.Header().Get("ETag"))
		if w = httptest.NewRecorder(); d.Serve(w, q, "text/plain", "no-cache") != 0 || w.Code != 304 {
			t.Error(w.Code)
		}
	}
	other := NewDocOf([]*Block{NewBlock([]byte(text[:1000])), NewBlock([]byte(text[1000:] + "x"))})
	if other.etag == parts.etag {
		t.Error("two documents have one tag")
	}
}

func TestCacheForgetsTheOldest(t *testing.T) {
	c := newCache[int, int](10)
	made := 0
	get := func(k int) int {
		return c.get(k, func() (int, int64) { made++; return k * k, 4 })
	}
	for _, k := range []int{1, 2, 1, 3, 1, 2} { // 2 is forgotten when 3 comes
		if get(k) != k*k {
			t.Error(k)
		}
	}
	if made != 4 || c.total != 8 {
		t.Errorf("made %d, total %d", made, c.total)
	}
	c.weigh(2, 100) // the latest stays, however heavy
	if get(2) != 4 || c.order.Len() != 1 || c.total != 100 {
		t.Errorf("%d kept, total %d", c.order.Len(), c.total)
	}
	c.drop(2)
	if c.total != 0 || c.order.Len() != 0 {
		t.Error(c.total)
	}
}
