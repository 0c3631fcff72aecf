package transcode

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/hub"
	"weir/internal/media"
)

// The wall clock is set an hour back: converted sound goes on, with the time that the clock shows now.
func TestClockIsSetBack(t *testing.T) {
	track, frames := made(t, "-f", "lavfi", "-i", beep, "-c:a", "aac")
	var off atomic.Int64
	w := newWorldAt(t, Config{}, func() time.Time { return time.Now().Add(time.Duration(off.Load())) })
	w.publish(t, track, frames)
	want := only(media.Opus)
	want.Need = media.Opus
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	sub, err := w.hub.Subscribe(ctx, "live/a", want)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	heard, last := 0, time.Now()
	var first, prev hub.Item
	for {
		item, err := sub.Next(ctx)
		if err != nil {
			break
		}
		if gap := time.Since(last); heard > 0 && gap > time.Second {
			t.Errorf("no sound for %v", gap)
		}
		last, prev = time.Now(), item
		if heard++; heard == 1 {
			first = item
			off.Store(int64(-time.Hour))
		}
	}
	if heard < 100 {
		t.Fatalf("%d frames", heard)
	}
	at := func(i hub.Item) time.Duration { return i.Tracks[0].Duration(i.PTS) }
	if moved := at(prev) - at(first); moved > -time.Hour+10*time.Second || moved < -time.Hour {
		t.Errorf("the last frame is %v after the first", moved)
	}
}
