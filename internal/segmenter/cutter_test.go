package segmenter

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/media"
	"weir/internal/timeline"
)

func TestCuts(t *testing.T) {
	for _, c := range []struct {
		name        string
		fps         float64
		gop, b      int
		offset      time.Duration // of the first frame from a window's start
		delay       time.Duration // of audio in the interleaving
		independent bool          // all segments
	}{
		{"aligned", 25, 50, 0, 0, 0, true},
		{"offset", 25, 50, 0, 700 * time.Millisecond, 0, true},
		{"b-frames", 25, 50, 2, 300 * time.Millisecond, 0, true},
		{"ntsc", 30000.0 / 1001, 60, 0, 500 * time.Millisecond, 0, true},
		{"short groups", 30, 15, 0, 100 * time.Millisecond, 0, true},
		{"audio late", 30, 60, 0, 1300 * time.Millisecond, 900 * time.Millisecond, true},
		{"audio early", 30, 60, 0, 1300 * time.Millisecond, -900 * time.Millisecond, true},
		{"key frames every 4 s", 25, 100, 0, 300 * time.Millisecond, 0, false},
		{"key frames every 3 s", 25, 75, 2, 300 * time.Millisecond, 0, false},
		{"one key frame", 25, 10000, 0, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := epoch*time.Second + c.offset
			run := testRun(2*time.Second, start, videoTrack(), audioTrack())
			run.Start = time.Unix(0, int64(start))
			run.PartDuration = choosePart(200*time.Millisecond, []time.Duration{time.Duration(float64(time.Second) / c.fps), 21333 * time.Microsecond})
			video, audio := gop(start, int(c.fps*20), c.gop, c.fps, c.b), aac(start, 20*48000/1024)
			col := cutAll(t, run, interleave(video, audio, c.delay))
			checkWindows(t, col, c.independent)
			checkFrames(t, video, col.frames("video0"))
			checkFrames(t, audio[1:], col.frames("audio1"))
			checkAudioFollows(t, col)
			col.checkParts("video0", 90000)
			col.checkParts("audio1", 48000)
			again := cutAll(t, run, interleave(video, audio, c.delay))
			if !bytes.Equal(again.raw.Bytes(), col.raw.Bytes()) {
				t.Error("the same frames make other bytes")
			}
		})
	}
}

// checkWindows: one segment per window, beginning in it or within reach of it.
func checkWindows(t *testing.T, c *collector, independent bool) {
	t.Helper()
	list := c.segs["video0"]
	if len(list) < 9 {
		t.Fatalf("only %d segments", len(list))
	}
	for i, s := range list {
		if i > 0 && s.n != list[i-1].n+1 {
			t.Errorf("segment %d after %d", s.n, list[i-1].n)
		}
		at := media.ToDuration(s.parts[0].Start, 90000)
		d := c.run.SegmentDuration
		if into := at - time.Duration(s.n)*d; into < -d/16 || into > d+d/16 {
			t.Errorf("segment %d begins %v after its window", s.n, into)
		}
		if s.parts[0].Independent != s.frames[0].Key {
			t.Errorf("segment %d: independent %v, key %v", s.n, s.parts[0].Independent, s.frames[0].Key)
		}
		if independent && !s.parts[0].Independent {
			t.Errorf("segment %d is dependent", s.n)
		}
		for k, f := range s.frames[1:] {
			// A random access point after the segment's beginning is in the wrong place
			// if it is the first one of a later window.
			if w := int64(media.ToDuration(f.PTS, 90000) / c.run.SegmentDuration); f.Key && w > s.n {
				t.Errorf("segment %d: frame %d is the key frame of window %d", s.n, k+1, w)
			}
		}
	}
}

func checkFrames(t *testing.T, want, got []media.Frame) {
	t.Helper()
	// Audio may begin a frame earlier or later than the list says.
	for len(got) > 0 && len(want) > 0 && got[0].PTS < want[0].PTS {
		got = got[1:]
	}
	if len(want) != len(got) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if want[i].PTS != got[i].PTS || want[i].DTS != got[i].DTS || want[i].Key != got[i].Key || !bytes.Equal(want[i].Data, got[i].Data) {
			t.Fatalf("frame %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// checkAudioFollows: audio cuts at its first frame at or after the video's cut.
func checkAudioFollows(t *testing.T, c *collector) {
	t.Helper()
	at := map[int64]time.Duration{}
	for _, s := range c.segs["video0"] {
		at[s.n] = media.ToDuration(s.frames[0].PTS, 90000)
	}
	for i, s := range c.segs["audio1"] {
		first := media.ToDuration(s.frames[0].PTS, 48000)
		want, ok := at[s.n]
		if !ok {
			t.Fatalf("audio segment %d has no video", s.n)
		}
		if i > 0 && (first < want || first-want > 22*time.Millisecond) {
			t.Errorf("audio segment %d begins %v after the video's", s.n, first-want)
		}
	}
}

func TestAudioOnlyCutsOnWindows(t *testing.T) {
	start := epoch*time.Second + 500*time.Millisecond
	run := testRun(2*time.Second, start, audioTrack())
	audio := aac(start, 20*48000/1024)
	col := cutAll(t, run, audio)
	list := col.segs["audio0"]
	if len(list) != 11 {
		t.Fatalf("%d segments", len(list))
	}
	for i, s := range list[1:] {
		begin := media.ToDuration(s.frames[0].PTS, 48000) - time.Duration(s.n)*2*time.Second
		if begin < 0 || begin > 22*time.Millisecond || s.n != list[i].n+1 {
			t.Errorf("segment %d begins %v into its window", s.n, begin)
		}
	}
	col.checkParts("audio0", 48000)
	checkFrames(t, audio[1:], col.frames("audio0"))
}

// A video that stops, a track that falls silent, a hole of several windows: playlists go on.
func TestHoles(t *testing.T) {
	start := epoch * time.Second
	video, audio := gop(start, 25*20, 50, 25, 0), aac(start, 20*48000/1024)
	t.Run("audio falls silent", func(t *testing.T) {
		run := testRun(2*time.Second, start, videoTrack(), audioTrack())
		col := cutAll(t, run, interleave(video, audio[:200], 0))
		list := col.segs["audio1"]
		if last := list[len(list)-1]; !last.parts[0].Gap || last.n < run.FirstN+6 {
			t.Errorf("audio ends with segment %d, gap %v", last.n-run.FirstN, last.parts[0].Gap)
		}
		checkFrames(t, audio[:200], col.frames("audio1"))
	})
	t.Run("audio returns", func(t *testing.T) {
		run := testRun(2*time.Second, start, videoTrack(), audioTrack())
		some := append(append([]media.Frame(nil), audio[:100]...), audio[600:]...)
		col := cutAll(t, run, interleave(video, some, 0))
		checkFrames(t, some, col.frames("audio1"))
		list := col.segs["audio1"]
		if last := list[len(list)-1]; last.n != run.FirstN+9 {
			t.Errorf("audio ends with segment %d", last.n-run.FirstN)
		}
	})
	t.Run("video stops", func(t *testing.T) {
		run := testRun(2*time.Second, start, videoTrack(), audioTrack())
		some := append(append([]media.Frame(nil), video[:100]...), video[350:]...)
		col := cutAll(t, run, interleave(some, audio, 0))
		checkFrames(t, some, col.frames("video0"))
		checkFrames(t, audio, col.frames("audio1"))
		for _, s := range col.segs["video0"] {
			total := int64(0)
			for _, p := range s.parts {
				total += p.Duration
			}
			if total > 2*180000 {
				t.Errorf("segment %d lasts %d ticks", s.n-run.FirstN, total)
			}
		}
	})
}

// The run ends right behind a cut that audio has not come to.
func TestAudioEndsWithTheVideo(t *testing.T) {
	start := epoch * time.Second
	video, audio := gop(start, 25*6+1, 50, 25, 0), aac(start, 5900*48/1024)
	run := testRun(2*time.Second, start, videoTrack(), audioTrack())
	col := cutAll(t, run, interleave(video, audio, 0))
	v, a := col.segs["video0"], col.segs["audio1"]
	if len(v) != 4 || len(a) != 4 || a[3].parts[0].Gap || len(a[3].frames) != 1 {
		t.Fatalf("%d video and %d audio segments", len(v), len(a))
	}
	checkFrames(t, audio, col.frames("audio1"))
}

// A publisher dies: what it sent last of one track ends earlier than the other. No hole may be left of up to a part, no
// part may be longer than the target, and where the run is only broken by a longer segment duration nothing is stretched.
func TestTracksEndTogether(t *testing.T) {
	start := epoch * time.Second
	for _, c := range []struct {
		name       string
		video      []media.Frame
		audio      int
		hole       time.Duration // that is left
		interrupts bool
	}{
		{"audio 150 ms short", gop(start, 100, 50, 25, 0), 180, 0, false},
		{"B-frames", gop(start, 101, 50, 25, 2), 186, 0, false},
		{"audio 410 ms short", gop(start, 100, 50, 25, 0), 168, 240 * time.Millisecond, false},
		{"video short", gop(start, 97, 50, 25, 0), 188, 0, false},
		{"break", gop(start, 100, 50, 25, 0), 180, 160 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := testRun(2*time.Second, start, videoTrack(), audioTrack())
			col := collect(t, run)
			cut := NewCutter(run, col.sink)
			all := interleave(c.video, aac(start, c.audio), 0)
			for i := range all {
				if err := cut.Add(&all[i]); err != nil {
					t.Fatal(err)
				}
			}
			end := cut.Flush
			if c.interrupts {
				end = cut.Break
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			ends := func(name string, scale uint32) time.Duration {
				last := int64(0)
				for _, f := range col.frames(name) {
					last = max(last, f.PTS+f.Duration)
				}
				return media.ToDuration(last, scale)
			}
			v, a := ends("video0", 90000), ends("audio1", 48000)
			if hole := (v - a).Abs(); hole > c.hole+time.Millisecond || c.interrupts && hole < 100*time.Millisecond {
				t.Errorf("video ends %v after audio", v-a)
			}
			for name, scale := range map[string]uint32{"video0": 90000, "audio1": 48000} {
				target := media.FromDuration(run.PartDuration, scale)
				for _, s := range col.segs[name] {
					for i, p := range s.parts {
						if p.Duration > target {
							t.Errorf("%s: part %d of %d lasts %d ticks, target %d", name, i, s.n, p.Duration, target)
						}
					}
				}
			}
		})
	}
}

func TestKeyFramesComeSeldom(t *testing.T) {
	start := epoch * time.Second
	video := gop(start, 25*20, 100, 25, 0)
	run := testRun(2*time.Second, start, videoTrack())
	c := NewCutter(run, collect(t, run).sink)
	for i := range video {
		if want, ok := c.Longer(&video[i]); ok {
			if i != 200 || want < 4*time.Second || want > 4*time.Second+20*time.Microsecond {
				t.Fatalf("at frame %d: %v", i, want)
			}
			for _, drift := range []time.Duration{-time.Millisecond, 0, time.Millisecond} {
				at, windows := start+8*time.Second, map[int64]bool{}
				for range 500 {
					at += 4*time.Second + drift
					windows[int64(at/want)] = true
				}
				if len(windows) != 500 {
					t.Errorf("500 key frames lie in %d windows of %v", len(windows), want)
				}
			}
			return
		}
		if err := c.Add(&video[i]); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("nobody noticed")
}

func TestSmoothAudio(t *testing.T) {
	start := epoch * time.Second
	for _, c := range []struct {
		name  string
		drift float64 // of the sample clock
		ms    bool
	}{{"milliseconds", 1, true}, {"fast clock", 1.001, true}, {"slow clock", 0.999, true}, {"exact", 1, false}} {
		t.Run(c.name, func(t *testing.T) {
			audio := aac(start, 1500)
			base := audio[0].DTS
			exact := make([]int64, len(audio))
			for i := range audio {
				at := int64(float64(i*1024)*c.drift + 0.5)
				exact[i] = base + at
				if c.ms {
					at = (at / 48) * 48
				}
				audio[i].DTS, audio[i].PTS = base+at, base+at
			}
			run := testRun(2*time.Second, start, audioTrack())
			got := cutAll(t, run, audio).frames("audio0")
			if len(got) != len(audio) {
				t.Fatalf("%d frames", len(got))
			}
			for i := range got {
				if off := got[i].DTS - exact[i]; off > 48*6 || off < -48*6 {
					t.Fatalf("frame %d is off by %d samples", i, off)
				}
				if i > 0 && got[i].DTS != got[i-1].DTS+got[i-1].Duration {
					t.Fatalf("frame %d leaves a hole of %d samples", i, got[i].DTS-got[i-1].DTS-got[i-1].Duration)
				}
				if c.drift == 1 && got[i].Duration != 1024 {
					t.Fatalf("frame %d lasts %d samples", i, got[i].Duration)
				}
			}
		})
	}
}

func TestChoosePart(t *testing.T) {
	ms := func(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }
	wish := ms(200)
	for _, fps := range []float64{1, 5, 7, 10, 12, 15, 20, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, 90, 120, 144} {
		video := time.Duration(float64(time.Second) / fps)
		for _, audio := range []time.Duration{0, ms(1024.0 / 48), ms(1024 / 44.1), ms(20), ms(24), ms(32), ms(2048.0 / 48), ms(10)} {
			got := choosePart(wish, []time.Duration{video, audio})
			for _, d := range []time.Duration{video, audio} {
				if d == 0 || d > wish {
					continue
				}
				if whole := got / d * d; whole*100 < got*85 {
					t.Errorf("%v fps, audio frames of %v: parts of %v are filled to %v", fps, audio, got, whole)
				}
			}
			if fps >= 5 && (got < ms(135) || got > ms(405)) {
				t.Errorf("%v fps: %v", fps, got)
			}
		}
	}
	if got := choosePart(wish, nil); got != wish {
		t.Errorf("without frames: %v", got)
	}
}

// Timestamps in milliseconds, as RTMP has them, and jitter of a few more.
func TestPartsOfRoundedTimes(t *testing.T) {
	for _, fps := range []float64{12, 15, 23.976, 24, 25, 29.97, 30, 50, 59.94, 60} {
		for _, jitter := range []int64{0, 1} {
			start := epoch*time.Second + 333*time.Millisecond
			video, audio := gop(start, int(fps*20), int(fps*2), fps, 0), aac(start, 20*48000/1024)
			r := rand.New(rand.NewPCG(1, uint64(fps)))
			for i := range video {
				ms := video[i].DTS/90 + r.Int64N(jitter+1)
				video[i].DTS, video[i].PTS = ms*90, ms*90
			}
			run := testRun(2*time.Second, start, videoTrack(), audioTrack())
			g := gather{frames: video[:10]}
			run.PartDuration = choosePart(200*time.Millisecond, append(g.frameTimes([]media.Track{videoTrack()}), 21333*time.Microsecond))
			col := cutAll(t, run, interleave(video, audio, 0))
			checkWindows(t, col, true)
			col.checkParts("video0", 90000)
			col.checkParts("audio1", 48000)
			if t.Failed() {
				t.Fatalf("%v fps, jitter of %d ms, parts of %v", fps, jitter, run.PartDuration)
			}
		}
	}
}

// drawFrames makes frames of two tracks whose times go on in any steps.
func drawFrames(rt *rapid.T, start time.Duration) []media.Frame {
	v, a := media.FromDuration(start, 90000), media.FromDuration(start, 48000)
	var frames []media.Frame
	for i := range rapid.IntRange(1, 400).Draw(rt, "frames") {
		if rapid.IntRange(0, 2).Draw(rt, "which") > 0 {
			v += rapid.SampledFrom([]int64{1, 1500, 3000, 3600, 3600, 3600, 20000, 500000}).Draw(rt, "step")
			key := len(frames) == 0 || rapid.IntRange(0, 20).Draw(rt, "key") == 0
			cts := rapid.SampledFrom([]int64{0, 0, 3600, 7200}).Draw(rt, "cts")
			frames = append(frames, media.Frame{Track: 1, Key: key, DTS: v, PTS: v + cts, Data: fmt.Appendf(nil, "v%d", i)})
			continue
		}
		a += rapid.SampledFrom([]int64{1, 1000, 1024, 1024, 1024, 1100, 200000}).Draw(rt, "step")
		frames = append(frames, media.Frame{Track: 2, Key: true, DTS: a, PTS: a, Data: fmt.Appendf(nil, "a%d", i)})
	}
	return frames
}

// intoTimeline hands parts to a timeline, which has to take them all but for those that its
// window has left behind, and then to the collector.
func intoTimeline(rt *rapid.T, run *timeline.Run, col *collector) (sink Sink, stop func()) {
	store, err := timeline.NewStore(timeline.Config{}, quiet)
	if err != nil {
		rt.Fatal(err)
	}
	tl, _ := store.Open("x")
	if _, err := tl.BeginRun(*run); err != nil {
		rt.Fatal(err)
	}
	return func(name string, p timeline.Part) error {
		if err := tl.Append(name, p); err != nil && !errors.Is(err, timeline.ErrGone) {
			return err
		}
		return col.sink(name, p)
	}, store.Close
}

// Whatever comes, every frame comes out once and in order, and segment numbers grow.
func TestAnyFrames(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		start := epoch*time.Second + time.Duration(rapid.IntRange(0, 1999).Draw(rt, "offset"))*time.Millisecond
		run := testRun(2*time.Second, start, videoTrack(), audioTrack())
		col := collect(t, run)
		sink, stop := intoTimeline(rt, run, col)
		defer stop()
		c := NewCutter(run, sink)
		want := map[string][]string{}
		for _, f := range drawFrames(rt, start) {
			if f.Track == 2 {
				want["audio1"] = append(want["audio1"], string(f.Data))
			} else if f.Key || len(want["video0"]) > 0 {
				want["video0"] = append(want["video0"], string(f.Data))
			}
			if err := c.Add(&f); err != nil {
				rt.Fatal(err)
			}
		}
		if err := c.Flush(); err != nil {
			rt.Fatal(err)
		}
		for _, name := range []string{"video0", "audio1"} {
			got := col.frames(name)
			if len(got) != len(want[name]) {
				rt.Fatalf("%s: %d frames, want %d", name, len(got), len(want[name]))
			}
			for i := range got {
				if string(got[i].Data) != want[name][i] {
					rt.Fatalf("%s frame %d is %s, want %s", name, i, got[i].Data, want[name][i])
				}
				if i > 0 && got[i].DTS < got[i-1].DTS {
					rt.Fatalf("%s frame %d goes back", name, i)
				}
			}
		}
	})
}

func BenchmarkCutterFrame(b *testing.B) {
	start := epoch * time.Second
	run := testRun(2*time.Second, start, videoTrack(), audioTrack())
	c := NewCutter(run, func(string, timeline.Part) error { return nil })
	payload := make([]byte, 10_000)
	f := media.Frame{Track: 1, Data: payload}
	a := media.Frame{Track: 2, Key: true, Data: payload[:200]}
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		f.DTS = media.FromDuration(start, 90000) + i*3000
		f.PTS, f.Key = f.DTS, i%60 == 0
		a.DTS = media.FromDuration(start, 48000) + i*1600
		a.PTS = a.DTS
		_ = c.Add(&f)
		_ = c.Add(&a)
		i++
	}
}

// TestAudioPartsEndWithVideo: a segment has as many parts of sound as of picture, and they end together.
func TestAudioPartsEndWithVideo(t *testing.T) {
	for _, c := range []struct {
		name  string
		fps   float64
		b     int
		delay time.Duration // of audio in the interleaving
	}{
		{"25", 25, 0, 0}, {"30", 30, 0, 0}, {"30 with B-frames", 30, 2, 0}, {"29.97", 30000.0 / 1001, 0, 0}, {"24", 24, 0, 0}, {"60", 60, 0, 0},
		{"audio late", 30, 0, 300 * time.Millisecond}, {"audio a little early", 30, 0, -40 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := epoch*time.Second + 700*time.Millisecond
			run := testRun(2*time.Second, start, videoTrack(), audioTrack())
			run.Start = time.Unix(0, int64(start))
			run.PartDuration = choosePart(200*time.Millisecond, []time.Duration{time.Duration(float64(time.Second) / c.fps), 21333 * time.Microsecond})
			video, audio := gop(start, int(c.fps*20), int(c.fps*2+0.5), c.fps, c.b), aac(start, 20*48000/1024)
			col := cutAll(t, run, interleave(video, audio, c.delay))
			sound := map[int64]*segment{}
			for _, s := range col.segs["audio1"] {
				sound[s.n] = s
			}
			pictures := col.segs["video0"]
			for _, s := range pictures[1 : len(pictures)-1] {
				a := sound[s.n]
				if a == nil || len(a.parts) != len(s.parts) {
					t.Errorf("segment %d: %d parts of sound, %d of picture", s.n, len(a.parts), len(s.parts))
					continue
				}
				end, ended := media.ToDuration(s.parts[0].Start, 90000), media.ToDuration(a.parts[0].Start, 48000)
				for i := range s.parts {
					end += media.ToDuration(s.parts[i].Duration, 90000)
					ended += media.ToDuration(a.parts[i].Duration, 48000)
					if off := (ended - end).Abs(); off > 64*time.Millisecond {
						t.Errorf("segment %d, part %d: sound ends %v after the picture", s.n, i, ended-end)
					}
				}
			}
			col.checkParts("video0", 90000)
			col.checkParts("audio1", 48000)
		})
	}
}
