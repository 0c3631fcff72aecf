package rtmp

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"weir/internal/codec"
	"weir/internal/media"
	"weir/internal/outside"
)

// clip is one encoded track made by ffmpeg: 4 s of picture or tone.
type clip struct {
	track  media.Track
	frames []media.Frame
}

// encoders are ffmpeg's arguments for each codec.
func encoders(c media.Codec) []string {
	switch c {
	case media.H264:
		return []string{"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "12"}
	case media.HEVC:
		return []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=12:bframes=2"}
	case media.AV1:
		return []string{"-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "12", "-strict", "-2"}
	case media.VP9:
		return []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "12"}
	case media.AAC:
		return []string{"-c:a", "aac"}
	case media.Opus:
		return []string{"-c:a", "libopus", "-strict", "-2"}
	case media.MP3:
		return []string{"-c:a", "libmp3lame"}
	case media.AC3:
		return []string{"-c:a", "ac3", "-b:a", "192k"}
	case media.EAC3:
		return []string{"-c:a", "eac3", "-b:a", "192k"}
	case media.FLAC:
		return []string{"-c:a", "flac", "-strict", "-2"}
	}
	return nil
}

// makeClip encodes with ffmpeg and reads the result with mp4ff, so that neither side is this project's.
func makeClip(t *testing.T, c media.Codec, id media.TrackID) clip {
	t.Helper()
	outside.Need(t, "ffmpeg")
	path := filepath.Join(t.TempDir(), "clip.mp4")
	in := []string{"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25", "-pix_fmt", "yuv420p"}
	if c.Kind() == media.Audio {
		in = []string{"-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=48000", "-ac", "2"}
	}
	if c == media.MP3 { // all that gortmplib sends
		in = []string{"-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=44100", "-ac", "2"}
	}
	args := append([]string{"-hide_banner", "-loglevel", "error", "-nostdin"}, in...)
	args = append(append(args, "-t", "4"), encoders(c)...)
	args = append(args, "-movflags", "frag_keyframe+delay_moov+default_base_moof", "-y", path)
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	f, err := mp4.ReadMP4File(path)
	if err != nil {
		t.Fatal(err)
	}
	trak := f.Moov.Trak
	k := clip{track: media.Track{ID: id, Kind: c.Kind(), Codec: c, Config: sampleConfig(t, trak)}}
	from := trak.Mdia.Mdhd.Timescale
	for _, seg := range f.Segments {
		for _, frag := range seg.Fragments {
			samples, err := frag.GetFullSamples(f.Moov.Mvex.Trex)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range samples {
				data, err := codec.Normalize(c, s.Data, 4)
				if err != nil {
					t.Fatal(err)
				}
				if len(k.frames) == 0 {
					if err := codec.Describe(&k.track, data); err != nil {
						t.Fatal(err)
					}
				}
				dts := int64(s.DecodeTime)
				k.frames = append(k.frames, media.Frame{
					Track: id, Key: codec.IsKey(c, data), Data: data,
					DTS: media.Rescale(dts, from, k.track.TimeScale),
					PTS: media.Rescale(dts+int64(s.CompositionTimeOffset), from, k.track.TimeScale),
				})
			}
		}
	}
	if len(k.frames) < 20 {
		t.Fatalf("%d frames of %s", len(k.frames), c)
	}
	return k
}

// sampleConfig takes the decoder configuration out of the sample description.
func sampleConfig(t *testing.T, trak *mp4.TrakBox) []byte {
	t.Helper()
	var children []mp4.Box
	switch e := trak.Mdia.Minf.Stbl.Stsd.Children[0].(type) {
	case *mp4.VisualSampleEntryBox:
		children = e.Children
	case *mp4.AudioSampleEntryBox:
		if e.Esds != nil && e.Esds.DecConfigDescriptor.DecSpecificInfo != nil {
			return e.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig
		}
		children = e.Children
	}
	for _, b := range children {
		if strings.Contains("avcC hvcC av1C vpcC dOps dac3 dec3", b.Type()) {
			var buf bytes.Buffer
			if err := b.Encode(&buf); err != nil {
				t.Fatal(err)
			}
			return buf.Bytes()[8:]
		}
	}
	return nil
}

// merge interleaves clips by decoding time.
func merge(clips ...clip) (tracks []media.Track, frames []media.Frame) {
	next := make([]int, len(clips))
	for _, c := range clips {
		tracks = append(tracks, c.track)
	}
	for {
		best := -1
		var at time.Duration
		for i, c := range clips {
			if next[i] < len(c.frames) {
				if d := c.track.Duration(c.frames[next[i]].DTS); best < 0 || d < at {
					best, at = i, d
				}
			}
		}
		if best < 0 {
			return tracks, frames
		}
		frames = append(frames, clips[best].frames[next[best]])
		next[best]++
	}
}

// paced gives frames at the speed of their times, then io.EOF.
func paced(tracks []media.Track, frames []media.Frame) func(context.Context) (media.Frame, error) {
	start := time.Now()
	return func(ctx context.Context) (media.Frame, error) {
		if len(frames) == 0 {
			return media.Frame{}, io.EOF
		}
		f := frames[0]
		frames = frames[1:]
		timer := time.NewTimer(time.Until(start.Add(media.Find(tracks, f.Track).Duration(f.DTS))))
		defer timer.Stop()
		select {
		case <-timer.C:
			return f, nil
		case <-ctx.Done():
			return f, context.Cause(ctx)
		}
	}
}
