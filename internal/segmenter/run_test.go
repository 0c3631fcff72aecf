package segmenter

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/internal/faketime"
	"weir/internal/fault"
	"weir/internal/format/cmaf"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/outside"
	"weir/internal/timeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// stage is a hub with a stream that is being segmented, in fake time.
type stage struct {
	t     *testing.T
	hub   *hub.Hub
	store *timeline.Store
	tl    *timeline.Timeline
	done  chan error
	stop  context.CancelFunc
	wall  atomic.Int64 // how far the wall clock was set
}

func newStage(t *testing.T, tracks ...media.Track) (*stage, *hub.Publication) {
	t.Helper()
	s := &stage{t: t, done: make(chan error, 1)}
	s.hub = hub.New(hub.Config{Grace: 20 * time.Second, Wall: wallOf(&s.wall)}, quiet)
	store, err := timeline.NewStore(timeline.Config{Dir: t.TempDir()}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.store = store
	s.tl, _ = store.Open("live/x")
	p := s.publish(tracks...)
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	sub, err := s.hub.Subscribe(ctx, "live/x", hub.Want{})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer sub.Close()
		s.done <- Run(ctx, sub, s.tl, Config{Log: quiet})
	}()
	t.Cleanup(func() { stop(); s.hub.Close(); store.Close() })
	return s, p
}

func (s *stage) publish(tracks ...media.Track) *hub.Publication {
	s.t.Helper()
	p, err := s.hub.Publish(hub.Offer{Name: "live/x", Tracks: tracks, TakeOver: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// send writes frames at the speed of their timestamps.
func (s *stage) send(p *hub.Publication, frames []media.Frame) {
	s.t.Helper()
	began := time.Now()
	var base time.Duration
	for i, f := range frames {
		at := media.ToDuration(f.DTS, map[media.TrackID]uint32{1: 90000, 2: 48000}[f.Track])
		if i == 0 {
			base = at
		}
		if wait := at - base - time.Since(began); wait > 0 {
			faketime.Pass(wait)
		}
		if err := p.Write(f); err != nil {
			s.t.Fatal(err)
		}
	}
	synctest.Wait()
}

func both(seconds int) []media.Frame {
	return interleave(gop(0, 25*seconds, 50, 25, 0), aac(0, seconds*48000/1024), 0)
}

func TestRunOverRepublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStage(t, videoTrack(), audioTrack())
		s.send(p, both(7))
		if snap := s.tl.Snapshot(); len(snap.Runs) != 1 || len(snap.Runs[0].Renditions[0].Segments) < 3 {
			t.Fatalf("after 7 s: %+v", snap)
		}
		p.Close(errors.New("gone"))
		synctest.Wait()
		snap := s.tl.Snapshot()
		if r := snap.Runs[0]; !r.Ended || !r.Renditions[0].Segments[len(r.Renditions[0].Segments)-1].Complete {
			t.Fatal("the publisher is away and the last segment is still open")
		}
		total := int64(0)
		for _, seg := range snap.Runs[0].Renditions[0].Segments {
			total += seg.Duration
		}
		if total != 7*90000 {
			t.Errorf("%d ticks of video came out of 7 s", total)
		}
		faketime.Pass(3 * time.Second)
		p = s.publish(videoTrack(), audioTrack())
		s.send(p, both(5))
		p.Close(nil)
		faketime.Pass(30 * time.Second) // the grace is over
		if err := <-s.done; err != nil {
			t.Fatal(err)
		}
		checkRuns(t, s.tl.Snapshot(), 2)
		if !s.tl.Snapshot().Ended {
			t.Error("the stream is over and the timeline is not")
		}
	})
}

// checkRuns: media sequence numbers go on by one over all runs, in every rendition.
func checkRuns(t *testing.T, snap *timeline.Snapshot, runs int) {
	t.Helper()
	if len(snap.Runs) != runs {
		t.Fatalf("%d runs, want %d", len(snap.Runs), runs)
	}
	for j := range snap.Runs[0].Renditions {
		msn := snap.Runs[0].Renditions[j].Segments[0].MSN
		for i, r := range snap.Runs {
			if r.DiscontinuitySeq != i {
				t.Errorf("run %d has discontinuity sequence %d", i, r.DiscontinuitySeq)
			}
			for _, seg := range r.Renditions[j].Segments {
				if seg.MSN != msn || seg.Gap {
					t.Errorf("run %d rendition %d: segment %d (gap %v), want %d", i, j, seg.MSN, seg.Gap, msn)
				}
				msn++
			}
		}
	}
}

func TestRunLeavesOutWhatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStage(t, videoTrack(), audioTrack())
		s.send(p, gop(0, 25*4, 50, 25, 0))
		if r := s.tl.Snapshot().Runs[0]; len(r.Renditions) != 1 || r.Run.Renditions[0].Name != "v0" {
			t.Fatalf("renditions %+v", r.Run.Renditions)
		}
		// It comes after all: a new run with both.
		s.send(p, interleave(gop(4*time.Second, 25*6, 50, 25, 0), aac(4*time.Second, 6*48000/1024), 0))
		snap := s.tl.Snapshot()
		if r := snap.Runs[len(snap.Runs)-1]; len(snap.Runs) != 2 || len(r.Renditions) != 2 || len(r.Renditions[1].Segments) < 2 {
			t.Fatalf("%d runs, last %+v", len(snap.Runs), r)
		}
		s.stop()
		if err := <-s.done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
		if r := s.tl.Snapshot().Runs; !r[len(r)-1].Ended {
			t.Error("the run is still open")
		}
	})
}

// lasts is how long all of a rendition's segments are.
func lasts(runs []timeline.RunView, rendition string, scale uint32) time.Duration {
	total := int64(0)
	for _, r := range runs {
		for i, rd := range r.Renditions {
			if r.Run.Renditions[i].Name != rendition {
				continue
			}
			for _, seg := range rd.Segments {
				if !seg.Gap {
					total += seg.Duration
				}
			}
		}
	}
	return media.ToDuration(total, scale)
}

// TestRunLosesNoPictureToLateSound: sound that begins in the middle of a group is there from the next key frame on, and the
// pictures up to it stay.
func TestRunLosesNoPictureToLateSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStage(t, videoTrack(), audioTrack())
		s.send(p, interleave(gop(0, 25*12, 50, 25, 0), aac(4700*time.Millisecond, 7300*48/1024), 0))
		s.stop()
		<-s.done
		runs := s.tl.Snapshot().Runs
		if v := lasts(runs, "v0", 90000); v != 12*time.Second {
			t.Errorf("%v of 12 s of picture", v)
		}
		if a := lasts(runs, "a0", 48000); len(runs) != 2 || a < 5900*time.Millisecond {
			t.Errorf("%d runs, %v of 6 s of sound", len(runs), a)
		}
	})
}

// TestRunHoldsBursts: FFmpeg sends the sound between two pictures together with the second one; pictures far apart must
// not make a run of their own each.
func TestRunHoldsBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStage(t, videoTrack(), audioTrack())
		video, audio := gop(0, 15, 1, 0.5, 0), aac(0, 28*48000/1024)
		for _, v := range video {
			for len(audio) > 0 && media.ToDuration(audio[0].DTS, 48000) < media.ToDuration(v.DTS, 90000) {
				s.send(p, audio[:1])
				audio = audio[1:]
			}
			s.send(p, []media.Frame{v})
			faketime.Pass(2 * time.Second)
		}
		s.stop()
		<-s.done
		runs := s.tl.Snapshot().Runs
		if len(runs) > 2 {
			t.Errorf("%d runs", len(runs))
		}
		if v, a := lasts(runs, "v0", 90000), lasts(runs, "a0", 48000); v < 28*time.Second || a < 24*time.Second {
			t.Errorf("%v of picture and %v of sound of 28 s", v, a)
		}
	})
}

func TestRunTakesLongerSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStage(t, videoTrack(), audioTrack())
		s.send(p, interleave(gop(0, 25*40, 125, 25, 0), aac(0, 40*48000/1024), 0))
		snap := s.tl.Snapshot()
		last := snap.Runs[len(snap.Runs)-1]
		if len(snap.Runs) != 2 || last.SegmentDuration.Round(time.Millisecond) != 5*time.Second {
			t.Fatalf("%d runs, the last with segments of %v", len(snap.Runs), last.SegmentDuration)
		}
		for _, seg := range last.Renditions[0].Segments {
			if !seg.Independent {
				t.Errorf("segment %d is dependent", seg.N)
			}
		}
		s.stop()
		<-s.done
	})
}

func TestRunChangesConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStage(t, videoTrack())
		s.send(p, gop(0, 25*3, 50, 25, 0))
		other := videoTrack()
		other.Width = 32
		if err := p.Update([]media.Track{other}); err != nil {
			t.Fatal(err)
		}
		s.send(p, gop(4*time.Second, 25*3, 50, 25, 0))
		s.stop()
		<-s.done
		snap := s.tl.Snapshot()
		if len(snap.Runs) != 2 || bytes.Equal(snap.Runs[0].Run.Renditions[0].Init, snap.Runs[1].Run.Renditions[0].Init) {
			t.Fatalf("%d runs", len(snap.Runs))
		}
	})
}

func TestRunRefusesWhatCannotBeCarried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStage(t, media.Track{ID: 1, Kind: media.Video, Codec: media.H264, TimeScale: 90000})
		_ = p.Write(media.Frame{Track: 1, Key: true, Data: []byte("x")})
		if err := <-s.done; fault.Code(err) != "codec_config_missing" {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// cutToFiles gives for each rendition its header followed by all of its parts.
func cutToFiles(t *testing.T, run *timeline.Run, frames []media.Frame) map[string]*bytes.Buffer {
	t.Helper()
	raw := map[string]*bytes.Buffer{}
	c := NewCutter(run, func(name string, p timeline.Part) error {
		raw[name].Write(p.Data)
		return nil
	})
	for _, r := range run.Renditions {
		header, err := cmaf.Init(r.Track)
		if err != nil {
			t.Fatal(err)
		}
		raw[r.Name] = bytes.NewBuffer(header)
	}
	for i := range frames {
		if err := c.Add(&frames[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	return raw
}

// Real frames, cut and put together again, read by ffmpeg without a word.
func TestSegmentsReadByFFmpeg(t *testing.T) {
	outside.Need(t, "ffmpeg")
	src, err := os.ReadFile("testdata/sample_fragmented.mp4")
	if err != nil {
		t.Fatal(err)
	}
	h, err := cmaf.ParseInit(src)
	if err != nil {
		t.Fatal(err)
	}
	frames, err := h.Frames(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	start := epoch*time.Second + 300*time.Millisecond
	count := map[media.TrackID]int{}
	for i := range frames {
		scale := media.Find(h.Tracks, frames[i].Track).TimeScale
		by := media.FromDuration(start, scale)
		frames[i].DTS += by
		frames[i].PTS += by
		frames[i].Duration = 0
		count[frames[i].Track]++
	}
	run := testRun(time.Second, start, h.Tracks...)
	raw := cutToFiles(t, run, frames)
	for _, r := range run.Renditions {
		name, b := r.Name, raw[r.Name]
		file := filepath.Join(t.TempDir(), name+".mp4")
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("ffmpeg", "-v", "error", "-i", file, "-f", "null", "-").CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		list, err := exec.Command("ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file).Output()
		if want := strconv.Itoa(count[r.Track.ID]); err != nil || strings.TrimSpace(string(list)) != want {
			t.Errorf("%s: ffprobe reads %q packets (%v), want %s", name, list, err, want)
		}
	}
}

// TestRunMeasuresRatesThatCannotBe: a declared frame rate stays unless it is the fineness of a clock.
func TestRunMeasuresRatesThatCannotBe(t *testing.T) {
	for _, c := range []struct{ declared, want float64 }{{0, 0}, {30, 30}, {29.97, 29.97}, {60, 60}, {15, 15}, {600, 30}, {1000, 30}, {1, 30}} {
		synctest.Test(t, func(t *testing.T) {
			track := videoTrack()
			track.FrameRate = c.declared
			s, p := newStage(t, track)
			s.send(p, gop(0, 90, 30, 30, 0))
			s.stop()
			<-s.done
			if got := s.tl.Snapshot().Runs[0].Run.Renditions[0].Track.FrameRate; got != c.want {
				t.Errorf("declared %v, sent 30: %v", c.declared, got)
			}
		})
	}
}
