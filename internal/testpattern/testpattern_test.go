package testpattern

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
)

func TestFramesComeInOrderOnTheirGrid(t *testing.T) {
	s := newSource(t, Options{Width: 320, Height: 180, FPS: 24, GOP: time.Second, Audio: true})
	tracks := s.Tracks()
	var last time.Duration
	var count [2]int64
	for s.Due() < 10*time.Second {
		due := s.Due()
		f := s.Next(epoch)
		tr := media.Find(tracks, f.Track)
		at := tr.Duration(f.DTS)
		n := count[f.Track]
		count[f.Track]++
		if at != due || at < last || f.DTS != f.PTS || f.Wall != epoch.UnixNano() {
			t.Fatalf("track %d frame %d: DTS %v, due %v, after %v", f.Track, n, at, due, last)
		}
		last = at
		if f.Track == AudioTrack {
			if f.DTS != 1024*n || !f.Key || f.Duration != 1024 {
				t.Fatalf("audio frame %d: %+v", n, f)
			}
			continue
		}
		if f.Key != (n%24 == 0) || f.DTS != n*3750 || f.Duration != 3750 {
			t.Fatalf("video frame %d: key %v DTS %d duration %d", n, f.Key, f.DTS, f.Duration)
		}
		if m, ok := ReadSEI(f.Data, media.H264); !ok || int64(m.Counter) != n || m.SentMS != epoch.UnixMilli() {
			t.Fatalf("SEI of frame %d: %+v %v", n, m, ok)
		}
	}
	if count != [2]int64{240, 469} {
		t.Fatalf("%v frames", count)
	}
}

func TestBitrateIsMet(t *testing.T) {
	for _, rate := range []int{500_000, 2_650_000, 20_000_000} {
		s := newSource(t, Options{Bitrate: rate})
		total := 0
		for s.Due() < 6*time.Second {
			total += len(s.Next(epoch.Add(s.Due())).Data)
		}
		if got := float64(total) * 8 / 6; got < 0.98*float64(rate) || got > 1.02*float64(rate) {
			t.Errorf("asked for %d bit/s, got %.0f", rate, got)
		}
	}
}

func TestLoopIsEightSeconds(t *testing.T) {
	total := 0
	loop := soundLoop()
	for _, f := range loop {
		total += len(f) + adtsHeader
	}
	if len(loop) != loopFrames || total != len(beepLoop) {
		t.Fatalf("%d frames of %d bytes, want %d of %d", len(loop), total, loopFrames, len(beepLoop))
	}
}

func TestOptionsOutsideTheRangeAreRefused(t *testing.T) {
	for _, o := range []Options{
		{Width: 318, Height: 180}, {Width: 320, Height: 178}, {Width: 321, Height: 180}, {Width: 5000, Height: 720},
		{Width: 640}, {FPS: -1}, {FPS: 121}, {GOP: -1}, {GOP: 2 * time.Hour}, {Bitrate: -1}, {Bitrate: 1e9},
	} {
		if _, err := New(o); fault.Code(err) != "pattern_options" {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestSamplesStayTheSame holds the bytes of a whole second: a change of the picture or the encoder shows here first.
func TestSamplesStayTheSame(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("other processors may fuse the arithmetic of the waves and move a cell")
	}
	s := newSource(t, Options{Width: 640, Height: 360, Audio: true})
	h := sha256.New()
	for _, tr := range s.Tracks() {
		h.Write(tr.Config)
	}
	for s.Due() < time.Second {
		h.Write(s.Next(epoch.Add(s.Due())).Data)
	}
	const want = "607231bbe7ce3951e857aa8b34371bde8fbd9fe00f05ecf41a9369ec72dfdae1"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Fatalf("sha256 %s, want %s", got, want)
	}
}

func TestRunKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, Options{Width: 320, Height: 180, Audio: true})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start, frames := time.Now(), 0
		err := s.Run(ctx, func(f media.Frame) error {
			at := media.Find(s.Tracks(), f.Track).Duration(f.DTS)
			if late := time.Since(start) - at; late != 0 {
				t.Fatalf("frame at %v came %v late", at, late)
			}
			frames++
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || frames < 90+140 {
			t.Fatalf("%d frames, %v", frames, err)
		}
	})
}

func TestRunCatchesUpButNotAfterALongSleep(t *testing.T) {
	for _, c := range []struct{ block, late time.Duration }{{4 * time.Second, 0}, {time.Minute, time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(t, Options{Width: 320, Height: 180, FPS: 10})
			start, end := time.Now(), errors.New("enough")
			err := s.Run(t.Context(), func(f media.Frame) error {
				if f.DTS == 90000 {
					<-time.After(c.block) // a writer that does not return
				}
				if f.DTS < 90000*8 {
					return nil
				}
				if late := time.Since(start) - 8*time.Second; (late - c.late).Abs() > 100*time.Millisecond {
					t.Errorf("blocked for %v: %v late, want %v", c.block, late, c.late)
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
		})
	}
}

func TestTallyCountsWhatIsWrong(t *testing.T) {
	var tally Tally
	at := epoch
	for i, counter := range []uint32{7, 8, 8, 10, 9, 13} {
		at = epoch.Add(time.Duration(i) * 10 * time.Millisecond)
		tally.Add(Mark{Counter: counter, SentMS: at.UnixMilli() - int64(i)}, at)
	}
	tally.Add(Mark{Counter: 14, SentMS: at.UnixMilli()}, at.Add(time.Second))
	tally.AddUnreadable()
	got := tally.Report()
	want := Report{
		Frames: 8, Unreadable: 1, Missing: 2, Duplicates: 1, OutOfOrder: 1, First: 7, Last: 14,
		LatencyP50: 3 * time.Millisecond, LatencyP95: time.Second, LatencyP99: time.Second, LatencyMax: time.Second, LongestGap: time.Second,
	}
	if got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if empty := new(Tally).Report(); empty != (Report{}) {
		t.Fatalf("nothing: %+v", empty)
	}
}

func TestSyncNeedsPairs(t *testing.T) {
	if _, err := JudgeSync([]time.Duration{time.Second}, []time.Duration{1600 * time.Millisecond}); fault.Code(err) != "sync_unseen" {
		t.Fatal(err)
	}
}

func TestBeepsAreNotAnyNoise(t *testing.T) {
	pcm := make([]byte, 2*sampleRate)
	for i := sampleRate / 2; i < sampleRate/2+4800; i++ {
		if i/12%2 == 0 { // a square wave of 2 kHz
			pcm[2*i+1] = 0x40
		} else {
			pcm[2*i+1] = 0xC0
		}
	}
	if got, err := Beeps(bytes.NewReader(pcm), sampleRate, 1); err != nil || len(got) != 0 {
		t.Fatalf("%v %v", got, err)
	}
}

// BenchmarkSecond makes one second of 720p30 with sound.
func BenchmarkSecond(b *testing.B) {
	for name, rate := range map[string]int{"bare": 0, "2650kbit": 2_650_000} {
		b.Run(name, func(b *testing.B) {
			s := newSource(b, Options{Audio: true, Bitrate: rate})
			b.ReportAllocs()
			bytes := 0
			for b.Loop() {
				for end := s.Due() + time.Second; s.Due() < end; {
					bytes += len(s.Next(epoch.Add(s.Due())).Data)
				}
			}
			b.ReportMetric(float64(bytes)/float64(b.N), "bytes/op")
		})
	}
}
