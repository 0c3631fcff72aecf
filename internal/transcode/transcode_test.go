package transcode

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"os/exec"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/fault"
	"weir/internal/format/cmaf"
	"weir/internal/hub"
	"weir/internal/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ffmpeg(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-v", "error", "-nostdin"}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %v: %v %s", args, err, stderr.String())
	}
	return out
}

// made is a stream that FFmpeg made, as track and frames.
func made(t testing.TB, args ...string) (media.Track, []media.Frame) {
	t.Helper()
	out := ffmpeg(t, nil, append(args, "-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof+delay_moov", "pipe:1")...)
	h, err := cmaf.ParseInit(out)
	if err != nil {
		t.Fatal(err)
	}
	frames, err := h.Frames(nil, out)
	if err != nil || len(frames) == 0 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	return h.Tracks[0], frames
}

// beep is three seconds with a tone from 1.5 s to 2 s.
const beep = "aevalsrc=0.5*sin(2*PI*1000*t)*between(t\\,1.5\\,2):s=44100:c=stereo:d=3"

type world struct {
	hub *hub.Hub
	eng *Engine
}

func newWorld(t testing.TB, cfg Config) *world {
	t.Helper()
	return newWorldAt(t, cfg, nil)
}

func newWorldAt(t testing.TB, cfg Config, wall func() time.Time) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	w := &world{hub: hub.New(hub.Config{Window: 20 * time.Second, Linger: 10 * time.Millisecond, Wall: wall}, log), eng: New(cfg, log)}
	w.hub.SetSupplier(w.eng)
	t.Cleanup(w.hub.Close)
	return w
}

// publish writes the frames in real time.
func (w *world) publish(t testing.TB, track media.Track, frames []media.Frame) {
	t.Helper()
	track.ID = 1
	pub, err := w.hub.Publish(hub.Offer{Name: "live/a", Tracks: []media.Track{track}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		start := time.Now()
		for _, f := range frames {
			select {
			case <-time.After(time.Until(start.Add(track.Duration(f.DTS - frames[0].DTS)))):
			case <-ctx.Done():
				return
			}
			f.Track = 1
			if pub.Write(f) != nil {
				return
			}
		}
		pub.End(nil)
	}()
	t.Cleanup(func() { cancel(); <-done; pub.End(nil) })
}

// onset decodes frames and gives the epoch time at which the tone begins.
func onset(t testing.TB, track media.Track, frames []media.Frame) time.Duration {
	t.Helper()
	first := frames[0].DTS
	track.ID = 1
	init, err := cmaf.Init(track)
	if err != nil {
		t.Fatal(err)
	}
	shifted := slices.Clone(frames)
	for i := range shifted {
		shifted[i].DTS -= first
		shifted[i].PTS -= first
		if i > 0 && shifted[i-1].Duration == 0 {
			shifted[i-1].Duration = shifted[i].DTS - shifted[i-1].DTS
		}
	}
	shifted[len(shifted)-1].Duration = shifted[0].Duration
	in := cmaf.AppendChunk(init, &cmaf.Chunk{Frames: shifted})
	pcm := ffmpeg(t, in, "-f", "mp4", "-i", "pipe:0", "-f", "f32le", "-ac", "1", "-ar", "48000", "pipe:1")
	for i := 0; i+4 <= len(pcm); i += 4 {
		if v := math.Float32frombits(binary.LittleEndian.Uint32(pcm[i:])); v > 0.2 || v < -0.2 {
			return track.Duration(first) + time.Duration(i/4)*time.Second/48000
		}
	}
	t.Fatalf("no tone in %d bytes of %v", len(pcm), track.Codec)
	return 0
}

// collect reads a track of a stream to its end and the time each frame came.
func collect(t testing.TB, sub *hub.Subscription) (track media.Track, frames []media.Frame, came []time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	defer sub.Close()
	for {
		item, err := sub.Next(ctx)
		if err != nil {
			return track, frames, came
		}
		if len(item.Tracks) > 0 {
			track = item.Tracks[0]
		}
		frames, came = append(frames, item.Frame), append(came, time.Now())
	}
}

func only(c media.Codec) hub.Want {
	return hub.Want{Wait: 5 * time.Second, Tracks: func(tracks []media.Track) (ids []media.TrackID) {
		for i := range tracks {
			if tracks[i].Codec == c {
				ids = append(ids, tracks[i].ID)
			}
		}
		return ids
	}}
}

// Audio comes out in time: its tone begins where the source's does, and it is made soon after.
func TestAudioKeepsItsTime(t *testing.T) {
	for _, c := range []struct {
		name string
		to   media.Codec
		args []string
	}{
		{"AAC to Opus", media.Opus, []string{"-c:a", "aac", "-b:a", "128k"}},
		{"MP3 to Opus", media.Opus, []string{"-c:a", "libmp3lame"}},
		{"AC-3 to Opus", media.Opus, []string{"-ar", "48000", "-c:a", "ac3"}},
		{"FLAC to Opus", media.Opus, []string{"-c:a", "flac", "-strict", "-2"}},
		{"Opus to AAC", media.AAC, []string{"-ar", "48000", "-c:a", "libopus", "-frame_duration", "20"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			track, frames := made(t, append([]string{"-f", "lavfi", "-i", beep}, c.args...)...)
			w := newWorld(t, Config{})
			w.publish(t, track, frames)
			ctx := context.Background()
			want := only(c.to)
			want.Need = c.to
			made, err := w.hub.Subscribe(ctx, "live/a", want)
			if err != nil {
				t.Fatal(err)
			}
			source, err := w.hub.Subscribe(ctx, "live/a", only(track.Codec))
			if err != nil {
				t.Fatal(err)
			}
			var from media.Track
			var original []media.Frame
			done := make(chan struct{})
			go func() {
				defer close(done)
				from, original, _ = collect(t, source)
			}()
			to, derived, came := collect(t, made)
			<-done
			if len(derived) < 60 || to.SampleRate != 48000 || to.Channels != 2 || !to.Derived {
				t.Fatalf("%d frames of %+v", len(derived), to)
			}
			offset := onset(t, to, derived) - onset(t, from, original)
			var late []time.Duration
			for i := range derived {
				end := to.Duration(derived[i].PTS + derived[i].Duration)
				late = append(late, time.Duration(came[i].UnixNano())-end)
				if i > 0 && derived[i].DTS != derived[i-1].DTS+derived[i-1].Duration {
					t.Fatalf("frame %d is not where the one before ends", i)
				}
			}
			slices.Sort(late)
			p50, p95 := late[len(late)/2], late[len(late)*95/100]
			t.Logf("tone off by %v; made %v (p50), %v (p95) after its end", offset, p50, p95)
			if offset.Abs() > 10*time.Millisecond {
				t.Errorf("the tone is off by %v", offset)
			}
			// No more than 100 ms, beside what the source's own frames wait until they are full (FLAC: 104 ms).
			if limit := 100*time.Millisecond + from.Duration(original[0].Duration); p50 > limit {
				t.Errorf("%v late, over %v", p50, limit)
			}
		})
	}
}

func TestWithoutFFmpeg(t *testing.T) {
	w := newWorld(t, Config{FFmpeg: "/nonexistent/ffmpeg"})
	if _, err := w.eng.Probe(context.Background()); fault.Code(err) != "ffmpeg_missing" {
		t.Errorf("probe: %v", err)
	}
	track, frames := made(t, "-f", "lavfi", "-i", beep, "-c:a", "aac")
	w.publish(t, track, frames)
	err := w.eng.Supply(context.Background(), hub.Request{Name: "live/a", Stream: w.hub.Stream("live/a"), Codec: media.Opus})
	if fault.Code(err) != "ffmpeg_missing" || fault.Of(err).Remedy == "" {
		t.Errorf("supply: %v", err)
	}
}

func TestProbeNamesTheVersion(t *testing.T) {
	info, err := New(Config{}, slog.New(slog.DiscardHandler)).Probe(context.Background())
	if err != nil || !info.Available || info.Version == "" || info.Path == "" {
		t.Errorf("%+v %v", info, err)
	}
}

// A child that dies is replaced within a second and the track goes on.
func TestCrashIsSurvived(t *testing.T) {
	track, frames := made(t, "-f", "lavfi", "-i", beep, "-c:a", "aac")
	w := newWorld(t, Config{})
	w.publish(t, track, frames)
	want := only(media.Opus)
	want.Need = media.Opus
	sub, err := w.hub.Subscribe(context.Background(), "live/a", want)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := sub.Next(ctx); err != nil {
		t.Fatal(err)
	}
	w.eng.killAll(t)
	killed := time.Now()
	before := w.eng.Stats().Restarts
	for w.eng.Stats().Restarts == before {
		if _, err := sub.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	item, err := sub.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if gap := time.Since(killed); gap > time.Second {
		t.Errorf("it took %v", gap)
	}
	if item.Tracks[0].Codec != media.Opus {
		t.Errorf("%+v", item.Tracks)
	}
}

// killAll kills the children of this test's engine.
func (e *Engine) killAll(t testing.TB) {
	t.Helper()
	e.children.Range(func(k, _ any) bool {
		_ = k.(*child).cmd.Process.Kill()
		return true
	})
}

func TestSnapshot(t *testing.T) {
	track, frames := made(t, "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=2", "-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p")
	w := newWorld(t, Config{})
	w.publish(t, track, frames)
	s := w.hub.Stream("live/a")
	<-w.key(t)
	jpeg, at, err := w.eng.Snapshot(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	probe := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv", "-f", "image2pipe", "-i", "pipe:0")
	probe.Stdin = bytes.NewReader(jpeg)
	out, err := probe.Output()
	if err != nil || string(bytes.TrimSpace(out)) != "stream,mjpeg,640,360" {
		t.Errorf("%s %v", out, err)
	}
	again, at2, err := w.eng.Snapshot(context.Background(), s)
	if err != nil || !bytes.Equal(again, jpeg) || at2 != at || w.eng.Stats().Pictures != 1 {
		t.Errorf("a second picture was made: %v", err)
	}
}

// key is closed once the stream has a frame.
func (w *world) key(t testing.TB) <-chan struct{} {
	ch := make(chan struct{})
	go func() {
		defer close(ch)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		sub, err := w.hub.Subscribe(ctx, "live/a", hub.Want{Wait: time.Second})
		if err == nil {
			_, err = sub.Next(ctx)
			sub.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}()
	return ch
}

func TestRingKeepsTheEnd(t *testing.T) {
	r := &ring{}
	for range 3 {
		if n, err := r.Write(bytes.Repeat([]byte("a"), stderrKept)); n != stderrKept || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = r.Write([]byte("the end"))
	if s := r.String(); len(s) != stderrKept || !bytes.HasSuffix([]byte(s), []byte("the end")) {
		t.Errorf("%d bytes", len(s))
	}
}

func TestBadChildrenAreGivenUp(t *testing.T) {
	track, frames := made(t, "-f", "lavfi", "-i", beep, "-c:a", "aac")
	for i := range frames {
		frames[i].Data = []byte{0xff, 0xff, 0xff, 0xff} // nothing that decodes
	}
	w := newWorld(t, Config{})
	w.publish(t, track, frames)
	<-w.key(t)
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	err := w.eng.Supply(ctx, hub.Request{Name: "live/a", Stream: w.hub.Stream("live/a"), Codec: media.Opus})
	if err != nil && fault.Code(err) != "conversion_failed" || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
