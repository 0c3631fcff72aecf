package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"weir/internal/faketime"
	"weir/internal/format/cmaf"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/outside"
	"weir/internal/testpattern"
)

// While the publisher is away its last key frame is shown, with silence; it is back at its first key frame. The segmenter
// makes one timeline of it all.
func TestLastPictureIsShownWhileThePublisherIsAway(t *testing.T) {
	bubble(t, func(s *stage) {
		c := s.camera(true)
		done := make(chan error, 1)
		go func() { done <- Fill(context.Background(), c.pub.Stream(), FillOptions{}) }()
		seen := s.watch("live/cam")
		c.shoot(5500 * time.Millisecond)
		for range 2 {
			c.pub.Close(errors.New("lost"))
			faketime.Pass(20 * time.Second)
			if st := c.pub.Stream().State(); st != hub.Away {
				t.Errorf("state %v", st)
			}
			c.open()
			c.shoot(4 * time.Second)
		}
		c.off()
		if err := <-done; err != nil {
			t.Error(err)
		}
		v := <-seen
		v.monotonic(t)
		if got := strings.Join(v.runs, " "); got != "start filler return filler return" {
			t.Errorf("runs %s", got)
		}
		stills, longest := 0, time.Duration(0)
		for i := 1; i < len(v.counters); i++ {
			longest = max(longest, v.arrived[i].Sub(v.arrived[i-1]))
			if v.counters[i] == v.counters[i-1] {
				stills++
			}
		}
		if stills < 75 || stills > 84 || longest > 1100*time.Millisecond {
			t.Errorf("%d stills, %v without a picture", stills, longest)
		}
		if want := int(53 * 47); len(v.sounds) < want-100 {
			t.Errorf("%d audio frames, expected about %d", len(v.sounds), want)
		}
		snap := c.tl.Snapshot()
		if len(snap.Runs) != 5 || !snap.Ended {
			t.Errorf("%d runs", len(snap.Runs))
		}
	})
}

func TestFillEnds(t *testing.T) {
	bubble(t, func(s *stage) {
		c := s.camera(false)
		stream := c.pub.Stream()
		done := make(chan error, 1)
		go func() {
			done <- Fill(context.Background(), stream, FillOptions{After: 500 * time.Millisecond, For: 10 * time.Second})
		}()
		c.shoot(2 * time.Second)
		c.pub.Close(nil)
		left := time.Now()
		<-stream.Done()
		if took := time.Since(left); took != 10500*time.Millisecond {
			t.Errorf("the stream ended after %v", took)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := <-c.done; err != nil {
			t.Error(err)
		}
	})
	bubble(t, func(s *stage) { // stopped while it is on air: the stream is held as if it had never been
		c := s.camera(false)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- Fill(ctx, c.pub.Stream(), FillOptions{}) }()
		c.shoot(2 * time.Second)
		c.pub.Close(nil)
		faketime.Pass(5 * time.Second)
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		c.open()
		c.shoot(time.Second)
		c.off()
	})
}

// fragmented is a file of the test pattern.
func fragmented(t testing.TB, span time.Duration) []byte {
	t.Helper()
	source, err := testpattern.New(testpattern.Options{Width: 320, Height: 180, FPS: 25, GOP: time.Second, Audio: true})
	if err != nil {
		t.Fatal(err)
	}
	m := cmaf.NewStreamMuxer(0)
	tracks := source.Tracks()
	for i := range tracks {
		tracks[i].ID++ // a file's tracks begin with 1
	}
	b, err := m.Header(tracks)
	if err != nil {
		t.Fatal(err)
	}
	for source.Due() < span {
		f := source.Next(time.Now())
		f.Track++
		for _, buf := range m.AppendFragment(nil, &f) {
			b = append(b, buf...)
		}
	}
	return b
}

func TestSlateFileIsLooped(t *testing.T) {
	bubble(t, func(s *stage) {
		c := s.camera(true)
		data := fragmented(t, 4*time.Second)
		opened := 0
		o := FillOptions{Slate: func() (io.ReadCloser, error) { opened++; return io.NopCloser(bytes.NewReader(data)), nil }}
		done := make(chan error, 1)
		go func() { done <- Fill(context.Background(), c.pub.Stream(), o) }()
		seen := s.watch("live/cam")
		c.shoot(3 * time.Second)
		c.pub.Close(nil)
		faketime.Pass(11 * time.Second)
		c.open()
		c.shoot(3 * time.Second)
		c.off()
		if err := <-done; err != nil {
			t.Error(err)
		}
		v := <-seen
		v.monotonic(t)
		if n := len(v.counters); n < 16*25 || opened != 3 {
			t.Errorf("%d pictures, file opened %d times", n, opened)
		}
	})
}

func TestFileIsPlayedAsALiveStream(t *testing.T) {
	bubble(t, func(s *stage) {
		data := fragmented(t, 4*time.Second)
		seen := s.watch("live/file")
		err := RunFile(context.Background(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }, s.hub, Options{Name: "live/file"})
		if err != nil {
			t.Fatal(err)
		}
		v := <-seen
		v.whole(t, 0, 99)
	})
	for why, data := range map[string][]byte{"nothing": nil, "text": []byte("this is no film at all"), "plain": []byte("\x00\x00\x00\x0cftypisom\x00\x00\x00\x08mdat")} {
		h := hub.New(hub.Config{}, quiet)
		if err := RunFile(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }, h, Options{Name: "x"}); err == nil {
			t.Errorf("%s is played", why)
		}
		h.Close()
	}
}

// FFmpeg decodes the frames of silence without a complaint, to silence of their length.
func TestSilenceIsSilent(t *testing.T) {
	ffmpeg := outside.Need(t, "ffmpeg")
	for name, track := range map[string]media.Track{
		"AAC mono":   {Codec: media.AAC, SampleRate: 44100, Channels: 1, TimeScale: 44100, Config: []byte{0x12, 0x08}},
		"AAC stereo": {Codec: media.AAC, SampleRate: 48000, Channels: 2, TimeScale: 48000, Config: []byte{0x11, 0x90}},
		"Opus":       {Codec: media.Opus, SampleRate: 48000, Channels: 2, TimeScale: 48000, Config: []byte{0, 2, 0, 0, 0, 0, 0xBB, 0x80, 0, 0, 0}},
		"A-law":      {Codec: media.PCMA, SampleRate: 8000, Channels: 1, TimeScale: 8000},
		"mu-law":     {Codec: media.PCMU, SampleRate: 8000, Channels: 1, TimeScale: 8000},
	} {
		track.ID, track.Kind = 1, media.Audio
		data, ticks := silent(&track)
		m := cmaf.NewStreamMuxer(0)
		file, err := m.Header([]media.Track{track})
		if err != nil || data == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i := range int64(50) {
			f := media.Frame{Track: 1, Key: true, DTS: i * ticks, PTS: i * ticks, Duration: ticks, Data: data}
			for _, buf := range m.AppendFragment(nil, &f) {
				file = append(file, buf...)
			}
		}
		cmd := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-xerror", "-i", "pipe:0", "-f", "s16le", "pipe:1")
		cmd.Stdin = bytes.NewReader(file)
		var out, complaint bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaint
		if err := cmd.Run(); err != nil || complaint.Len() > 0 {
			t.Errorf("%s: %v %s", name, err, complaint.String())
			continue
		}
		if samples := int64(out.Len() / 2 / track.Channels); samples < 49*ticks || samples > 50*ticks || len(bytes.Trim(out.Bytes(), "\x00\x08\xF8\xFF")) > 0 {
			t.Errorf("%s: %d samples of 50 frames of %d", name, samples, ticks)
		}
	}
}
