package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// TestShow_3_3_ClipOverAKill: a download that the server's death cut off goes on where it was, byte for byte, at the next start.
func TestShow_3_3_ClipOverAKill(t *testing.T) {
	t.Parallel()
	w := start(t)
	begun := time.Now()
	l := w.publishLedger(t, "live/clip", w.key("live/*"))
	pause(t, 12*time.Second)
	from, to := begun.Add(2*time.Second), begun.Add(8*time.Second)
	path := "/live/clip/clip.mp4?from=" + stamp(from) + "&to=" + stamp(to)
	whole, status, err := get(w.http(path))
	if err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	res, err := http.Get(w.http(path))
	if err != nil {
		t.Fatal(err)
	}
	half := make([]byte, len(whole)/2)
	if _, err := io.ReadFull(res.Body, half); err != nil {
		t.Fatal(err)
	}
	etag := res.Header.Get("Etag")
	w.kill()
	_ = res.Body.Close()
	l.stop()
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	req, err := http.NewRequest(http.MethodGet, w.http(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", len(half)))
	req.Header.Set("If-Range", etag)
	res, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	rest, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusPartialContent || !bytes.Equal(append(half, rest...), whole) {
		t.Errorf("%s, %d bytes after %d of %d, %v", res.Status, len(rest), len(half), len(whole), err)
	}
}

// TestShow_3_3_DeletedWhileWatched: footage that is deleted while somebody rewinds in it is a gap of the list that grows; nothing moves, nothing
// is taken away, and what follows is played.
func TestShow_3_3_DeletedWhileWatched(t *testing.T) {
	t.Parallel()
	w, f := startWithPast(t, "live/gone", 4*time.Minute)
	l := w.publishLedger(t, "live/gone", w.key("live/*")) // so that the list grows
	defer l.stop()
	list := w.beside("live/gone", "v0.m3u8?from="+stamp(f.from))
	eventually(t, 10*time.Second, "the stream to be live", func() error {
		if text, _, _ := get(w.beside("live/gone", "v0.m3u8")); !bytes.Contains(text, []byte("#EXTINF")) {
			return fmt.Errorf("%.100s", text)
		}
		return nil
	})
	read := func() mediaList {
		t.Helper()
		text, status, err := get(list)
		if err != nil || status != http.StatusOK {
			t.Fatalf("%d %v %.300s", status, err, text)
		}
		return parseMedia(t, text)
	}
	before := read()
	w.api(http.MethodDelete, "/timelines/"+url.PathEscape("live/gone")+"?from="+stamp(f.from.Add(-time.Second))+"&to="+stamp(f.from.Add(130*time.Second)), nil, nil)
	var after mediaList
	gaps := 0
	eventually(t, 30*time.Second, "the deletion to be told", func() error {
		after, gaps = read(), 0
		for _, s := range after.segments {
			if s.gap {
				gaps++
			}
		}
		if gaps == 0 {
			return fmt.Errorf("no gaps in %d segments", len(after.segments))
		}
		return nil
	})
	if len(after.segments) < len(before.segments) {
		t.Errorf("%d segments were %d", len(after.segments), len(before.segments))
	}
	for i := range before.segments {
		a, b := before.segments[i], after.segments[i]
		if !b.gap && a.uri != b.uri {
			t.Errorf("segment %d was %q, is %q", i, a.uri, b.uri)
		}
		if !b.gap {
			if _, status, err := get(w.beside("live/gone", b.uri)); err != nil || status != http.StatusOK {
				t.Errorf("segment %d is listed and answers %d %v", i, status, err)
			}
		}
	}
	t.Logf("%d of %d segments are gaps", gaps, len(after.segments))
}
