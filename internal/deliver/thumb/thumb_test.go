package thumb

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/blob"
	"weir/internal/timeline"
)

var cueLine = regexp.MustCompile(`(?m)^(\d\d):(\d\d):(\d\d)\.(\d\d\d) --> \S+\n(sprite-\d+\.jpg\S*)#xywh=(\d+),(\d+),160,90$`)

// Every cue of a list shows the picture of its time.
func TestCuesShowTheirTime(t *testing.T) {
	s := newStage(t, "")
	s.record(20, 200, "320x180")
	s.record(240, 380, "180x320") // after a hole, another shape
	_, h, body := s.get("thumbs.vtt?from=" + seconds(epoch) + "&to=" + seconds(epoch.Add(400*time.Second)))
	if ct := h.Get("Content-Type"); !strings.HasPrefix(ct, "text/vtt") || !strings.Contains(string(body[:60]), "\nNOTE start=2025-06-15T15:10:00.000Z\n") {
		t.Error(h)
	}
	cues := cueLine.FindAllStringSubmatch(string(body), -1)
	if len(cues) != 18+14 {
		t.Fatalf("%d cues:\n%s", len(cues), body)
	}
	for _, c := range cues {
		min, _ := strconv.Atoi(c[2])
		sec, _ := strconv.Atoi(c[3])
		x, _ := strconv.Atoi(c[6])
		y, _ := strconv.Atoi(c[7])
		img := s.picture(c[5])
		if got, want := ten(img, x+width/2, y+height/2), (min*60+sec)/10%30; got != want {
			t.Errorf("%s: shows the %d tens, want %d", c[0], got, want)
		}
	}
	if st := s.srv.Stats(); st.Made != 2 || st.FromMemory < 20 {
		t.Errorf("%+v", st)
	}
	if _, _, body := s.get("thumbs.vtt?from=" + seconds(epoch) + "&to=" + seconds(epoch.Add(400*time.Second)) + "&every=60"); len(cueLine.FindAll(body, -1)) != 7 {
		t.Errorf("every minute:\n%s", body)
	}
}

// A sprite of a window that is over is made once and kept with the footage, until that is gone.
func TestSpritesAreKept(t *testing.T) {
	s := newStage(t, "")
	s.record(0, 60, "320x180")
	name := spritePrefix + strconv.FormatInt(epoch.Unix(), 10) + spriteSuffix
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { s.picture(name) })
	}
	wg.Wait()
	ctx := context.Background()
	if _, err := s.blobs.Stat(ctx, spriteKey(stream, epoch)); err != nil || s.srv.Stats().Made != 1 {
		t.Fatal(err, s.srv.Stats())
	}
	s.srv.mu.Lock()
	clear(s.srv.kept)
	s.srv.mu.Unlock()
	s.picture(name)
	if st := s.srv.Stats(); st.FromBlobs != 1 {
		t.Errorf("%+v", st)
	}
	if err := s.srv.Sweep(ctx, stream, epoch.Add(window-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.blobs.Stat(ctx, spriteKey(stream, epoch)); err != nil {
		t.Error("it went before its footage")
	}
	if err := s.srv.Sweep(ctx, stream, epoch.Add(window)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.blobs.Stat(ctx, spriteKey(stream, epoch)); !errors.Is(err, blob.ErrUnknown) || s.srv.Stats().Kept != 0 {
		t.Error(err, s.srv.Stats())
	}
}

// A sprite of a window that goes on is made again when it has grown, and not kept.
func TestGrowingSprite(t *testing.T) {
	s := newStage(t, "")
	s.now = epoch.Add(100 * time.Second)
	s.record(0, 60, "320x180")
	path := func() string {
		_, _, body := s.get("thumbs.vtt?from=" + seconds(epoch))
		cues := cueLine.FindAllStringSubmatch(string(body), -1)
		if len(cues) == 0 {
			t.Fatalf("%s", body)
		}
		return cues[len(cues)-1][5]
	}
	first := path()
	if img := s.picture(first); ten(img, 5*width+80, 45) != 5 {
		t.Error("the picture of 50 s is not there")
	}
	s.record(60, 100, "320x180")
	second := path()
	if first == second {
		t.Errorf("the address is %s still", second)
	}
	if img := s.picture(second); ten(img, 9*width+80, 45) != 9 {
		t.Error("the picture of 90 s is not there")
	}
	if _, err := s.blobs.Stat(context.Background(), spriteKey(stream, epoch)); err == nil {
		t.Error("a growing sprite was kept")
	}
}

func TestFrame(t *testing.T) {
	s := newStage(t, "")
	s.record(0, 60, "320x180")
	for at, want := range map[time.Duration]int{0: 0, 9999 * time.Millisecond: 0, 10 * time.Second: 1, 59 * time.Second: 5, 70 * time.Second: 5} {
		if got := ten(s.picture("frame.jpg?at="+seconds(epoch.Add(at))), 160, 90); got != want {
			t.Errorf("at %v: the %d tens, want %d", at, got, want)
		}
	}
	if status, _, body := s.get("frame.jpg?at=" + seconds(epoch.Add(-time.Minute))); status != http.StatusNotFound {
		t.Errorf("before all: %d %s", status, body)
	}
	if status, _, _ := s.get("frame.jpg"); status != http.StatusBadRequest {
		t.Error(status)
	}
}

// Without FFmpeg there is a list without cues, and a clear fault in place of pictures.
func TestWithoutFFmpeg(t *testing.T) {
	s := newStage(t, "")
	s.record(0, 20, "320x180")
	bare := newStage(t, "/nonexistent/ffmpeg")
	bare.srv.footage = s.srv.footage
	status, _, body := bare.get("thumbs.vtt?from=" + seconds(epoch) + "&to=" + seconds(epoch.Add(20*time.Second)))
	if status != http.StatusOK || !strings.HasPrefix(string(body), "WEBVTT\n") || len(cueLine.FindAll(body, -1)) != 0 || !strings.Contains(string(body), "FFmpeg") {
		t.Errorf("%d %s", status, body)
	}
	name := spritePrefix + strconv.FormatInt(epoch.Unix(), 10) + spriteSuffix
	if status, _, body := bare.get(name); status != http.StatusServiceUnavailable || !strings.Contains(string(body), "ffmpeg_missing") {
		t.Errorf("%d %s", status, body)
	}
}

// What was deleted is not to be seen in a kept sprite.
func TestDeletedFootageIsNotShown(t *testing.T) {
	s := newStage(t, "")
	s.record(0, 20, "320x180")
	s.record(40, 60, "320x180")
	name := spritePrefix + strconv.FormatInt(epoch.Unix(), 10) + spriteSuffix
	if img := s.picture(name); ten(img, width+80, 45) != 1 || ten(img, 4*width+80, 45) != 4 {
		t.Fatal("the sprite is wrong")
	}
	s.srv.footage = without{s.srv.footage, epoch.Add(30 * time.Second)}
	s.now = s.now.Add(2 * compared) // as seen by the table
	s.srv.mu.Lock()
	for _, p := range s.srv.kept {
		p.until = s.now.Add(-time.Second)
	}
	s.srv.mu.Unlock()
	if img := s.picture(name); ten(img, width+80, 45) != 0 || ten(img, 4*width+80, 45) != 4 { // black is 0
		t.Error("deleted footage is shown, or what was not deleted is not")
	}
	if st := s.srv.Stats(); st.FromBlobs != 0 {
		t.Errorf("%+v", st)
	}
}

// without is footage of which everything before an instant was deleted.
type without struct {
	Footage
	from time.Time
}

func (w without) Past(ctx context.Context, name string, r timeline.Range) (*timeline.Snapshot, error) {
	if r.From.Before(w.from) {
		r.From = w.from
	}
	return w.Footage.Past(ctx, name, r)
}

func TestSigns(t *testing.T) {
	plain := []byte{0xff, 0xd8, 0xff, 0xd9}
	if m := signed(sign(plain, 0x2bcdef01)); m != 0x2bcdef01 {
		t.Errorf("%x", m)
	}
	for _, b := range [][]byte{nil, plain, []byte(commentHead), []byte(commentHead + "xxxxxxxxxxxxxxx")} {
		if m := signed(b); m != 1<<32-1 {
			t.Errorf("%q: %x", b, m)
		}
	}
}

// Sprites of streams whose footage has gone, wholly or in part, go too.
func TestTidy(t *testing.T) {
	s := newStage(t, "")
	s.record(0, 20, "320x180")
	s.picture(spritePrefix + strconv.FormatInt(epoch.Unix(), 10) + spriteSuffix)
	ctx := context.Background()
	kept := func() bool {
		_, err := s.blobs.Stat(ctx, spriteKey(stream, epoch))
		return err == nil
	}
	for _, c := range []struct {
		oldest map[string]time.Time
		want   bool
	}{
		{map[string]time.Time{stream: epoch}, true},
		{map[string]time.Time{stream: epoch.Add(window - time.Second), "live/other": {}}, true},
		{map[string]time.Time{"live/other": epoch}, false},
	} {
		if err := s.srv.Tidy(ctx, c.oldest); err != nil || kept() != c.want {
			t.Errorf("%v: kept %v, %v", c.oldest, kept(), err)
		}
	}
}

func TestNames(t *testing.T) {
	for file, ok := range map[string]bool{
		"sprite-1750000200.jpg": true, "sprite-1750000201.jpg": false, "sprite-0.jpg": true, "sprite-00.jpg": false, "sprite--300.jpg": false,
		"sprite-+300.jpg": false, "sprite-.jpg": false, "sprite-300.png": false, "300.jpg": false, "sprite-9999999999999999999.jpg": false,
	} {
		if _, got := Start(file); got != ok {
			t.Errorf("%s: %v", file, got)
		}
	}
}

func TestFaults(t *testing.T) {
	s := newStage(t, "")
	s.record(0, 20, "320x180")
	for path, want := range map[string]string{
		"sprite-1750000201.jpg":                    "no_such_address",
		"sprite-3000000000.jpg":                    "no_footage",
		"sprite-1749999900.jpg":                    "no_footage",
		"thumbs.vtt?from=1700000000&to=1750000300": "range_too_long",
		"thumbs.vtt?from=x":                        "range_wrong",
	} {
		if _, _, body := s.get(path); !strings.Contains(string(body), want) {
			t.Errorf("%s: %s", path, body)
		}
	}
}
