package mpegts

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/fault"
	"weir/internal/media"
)

var update = flag.Bool("update", false, "write the fuzz seeds anew")

func sameFrames(t *testing.T, what string, want, got []media.Frame) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s: %d frames, want %d", what, len(got), len(want))
	}
	for i := range want {
		if want[i].PTS != got[i].PTS || want[i].DTS != got[i].DTS || want[i].Key != got[i].Key || !bytes.Equal(want[i].Data, got[i].Data) {
			t.Fatalf("%s: frame %d differs: %d %d %d bytes, want %d %d %d", what, i,
				got[i].PTS, got[i].DTS, len(got[i].Data), want[i].PTS, want[i].DTS, len(want[i].Data))
		}
	}
}

// wrapAround writes each packet with bytes before and after it.
func wrapAround(b []byte, before, after int) []byte {
	var out []byte
	for ; len(b) >= packetSize; b = b[packetSize:] {
		out = append(out, make([]byte, before)...)
		out = append(out, b[:packetSize]...)
		out = append(out, make([]byte, after)...)
	}
	return out
}

func TestPackagings(t *testing.T) {
	src := transport(t, clips[0].args...)
	want := demux(t, src, len(src)).frames
	doubled := []byte{}
	for b := src; len(b) > 0; b = b[packetSize:] {
		doubled = append(append(doubled, b[:packetSize]...), b[:packetSize]...)
	}
	for name, b := range map[string][]byte{
		"204 bytes":         wrapAround(src, 0, 16),
		"192 bytes":         wrapAround(src, 4, 0),
		"garbage before":    append(bytes.Repeat([]byte("G?\x00"), 333), src...),
		"begins mid-packet": append(append([]byte(nil), src[100:packetSize]...), src...),
		"doubled packets":   doubled,
	} {
		for _, piece := range []int{1, 7, 188, 1316, len(b)} {
			sameFrames(t, fmt.Sprintf("%s in pieces of %d", name, piece), want, demux(t, b, piece).frames)
		}
	}
	part := demux(t, append(append([]byte(nil), src[:packetSize*100]...), append(make([]byte, 91), src[packetSize*100:]...)...), 4000)
	if len(part.frames) < len(want)-3 || part.stats.SyncLosses == 0 {
		t.Errorf("after garbage in the middle: %d frames of %d, %+v", len(part.frames), len(want), part.stats)
	}
}

func TestLossIsCounted(t *testing.T) {
	src := transport(t, clips[0].args...)
	want := demux(t, src, len(src)).frames
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for rest := src; len(rest) > 0; rest = rest[packetSize:] {
		if r.IntN(50) > 0 {
			b = append(b, rest[:packetSize]...)
		}
	}
	got := demux(t, b, 1316)
	if got.stats.Continuity == 0 || len(got.frames) < len(want)/3 || len(got.frames) >= len(want) {
		t.Errorf("%d frames of %d, %+v", len(got.frames), len(want), got.stats)
	}
	known := map[string]bool{}
	for _, f := range want {
		known[string(f.Data)] = true
	}
	for i, f := range got.frames {
		if !known[string(f.Data)] {
			t.Errorf("frame %d is no frame of the source", i)
		}
	}
}

// The 33 bits run over while the clip lasts, between PTS and DTS too.
func TestWrap(t *testing.T) {
	src := transport(t, clips[0].args...)
	want := demux(t, src, len(src))
	for _, before := range []int64{1, 100, 5000, 40000, 90000} {
		lead := want.frames[0].DTS
		m := NewMuxer(0)
		if err := m.Start(want.tracks[0]); err != nil {
			t.Fatal(err)
		}
		var chunks [][]byte
		for i := range want.frames {
			f := want.frames[i]
			scale := media.Find(want.tracks[0], f.Track).TimeScale
			by := media.Rescale(wrap-clock-before-lead, clock, scale)
			f.DTS, f.PTS = f.DTS+by, f.PTS+by
			chunks = m.AppendFrame(chunks, &f)
		}
		got := demux(t, bytes.Join(chunks, nil), 1000)
		if len(got.frames) != len(want.frames) {
			t.Fatalf("%d frames, want %d", len(got.frames), len(want.frames))
		}
		for i := range got.frames {
			w, g := want.frames[i], got.frames[i]
			scale := media.Find(want.tracks[0], w.Track).TimeScale
			shift := g.DTS - w.DTS - media.Rescale(wrap-before-lead, clock, scale)
			if shift < -2 || shift > 2 || g.PTS-g.DTS != w.PTS-w.DTS {
				t.Fatalf("wrap %d ticks in: frame %d is off by %d, composition %d, want %d", before, i, shift, g.PTS-g.DTS, w.PTS-w.DTS)
			}
		}
	}
}

// An access unit in several PES packets: with a time on the first alone, and on all.
func TestAccessUnitInPieces(t *testing.T) {
	track := media.Track{ID: 1, Kind: media.Video, Codec: media.H264, TimeScale: clock}
	src := transport(t, clips[0].args...)
	want := demux(t, src, len(src))
	track.Config = want.tracks[0][0].Config
	for _, timed := range []bool{false, true} {
		m := NewMuxer(1000)
		if err := m.Start([]media.Track{track}); err != nil {
			t.Fatal(err)
		}
		mt := &m.tracks[0]
		out := m.Header()
		video := want.of(want.tracks[0][0].ID)
		for i := range video {
			f := video[i]
			pes := mt.appendPES(nil, &f, f.PTS, f.DTS)
			head := 9 + int(pes[8])
			for rest, first := pes[head:], true; len(rest) > 0; first = false {
				n := min(len(rest), 700)
				piece := append([]byte(nil), pes[:head]...)
				if !first && !timed {
					piece = append(piece[:7], 0, 0)
				}
				piece = append(piece, rest[:n]...)
				piece[4], piece[5] = 0, 0
				out = m.appendPackets(out, mt.pid, piece, adaptation{pcr: -1})
				rest = rest[n:]
			}
		}
		got := demux(t, out, 1000)
		if len(got.frames) != len(video) {
			t.Fatalf("timed %v: %d frames, want %d", timed, len(got.frames), len(video))
		}
		for i := range video {
			if got.frames[i].PTS != video[i].PTS || len(got.frames[i].Data) != len(video[i].Data) {
				t.Fatalf("timed %v: frame %d: %d bytes, want %d", timed, i, len(got.frames[i].Data), len(video[i].Data))
			}
		}
	}
}

// Broadcast streams without IDR pictures begin at recovery points.
func TestOpenGroups(t *testing.T) {
	src := transport(t, "-f", "lavfi", "-i", "testsrc=d=4:s=64x64:r=25", "-c:v", "libx264", "-bf", "2", "-g", "25", "-x264-params", "open-gop=1:scenecut=0")
	keys := 0
	for _, f := range demux(t, src, 1316).frames {
		if f.Key {
			keys++
		}
	}
	if keys != 4 {
		t.Errorf("%d random access points in 4 s, want 4", keys)
	}
}

func TestTablesChange(t *testing.T) {
	a, b := transport(t, clips[3].args...), transport(t, clips[0].args...)
	r := demux(t, append(append([]byte(nil), a...), b...), 1316)
	last := r.tracks[len(r.tracks)-1]
	if len(last) != 2 || last[0].Codec != media.H264 || last[1].Codec != media.AAC {
		t.Fatalf("tracks told: %+v", r.tracks)
	}
	if n := len(r.of(last[0].ID)); n < 30 {
		t.Errorf("%d video frames after the change", n)
	}
}

func TestUnknownStreamsAreNamed(t *testing.T) {
	for name, want := range map[string]int{"sample_latm.ts": 1, "sample_scte35.ts": 3} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		r := demux(t, b, 1316)
		if len(r.frames) > 0 || len(r.stats.Ignored) != want {
			t.Errorf("%s: %d frames, ignored %+v", name, len(r.frames), r.stats.Ignored)
		}
	}
}

func TestNoTransportStream(t *testing.T) {
	d := NewDemuxer(Handler{})
	var err error
	for range 40 {
		if _, err = d.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	if fault.Code(err) != "ts_no_sync" {
		t.Errorf("a megabyte of zeros: %v", err)
	}
}

func TestHandlerErrorsEndTheWrite(t *testing.T) {
	src := transport(t, clips[0].args...)
	stop := errors.New("stop")
	d := NewDemuxer(Handler{Tracks: func([]media.Track) error { return stop }})
	if _, err := d.Write(src); !errors.Is(err, stop) {
		t.Errorf("Write: %v", err)
	}
	d = NewDemuxer(Handler{Tracks: func([]media.Track) error { return nil }, Frame: func(media.Frame) error { return stop }})
	if _, err := d.Write(src); !errors.Is(err, stop) {
		t.Errorf("Write: %v", err)
	}
}

func TestSupports(t *testing.T) {
	for c := media.H264; c <= media.PCMU; c++ {
		err := Supports(&media.Track{Codec: c, TimeScale: 1000})
		want := ""
		switch c {
		case media.AV1, media.VP9, media.VP8, media.FLAC, media.PCMA, media.PCMU:
			want = "ts_codec_unsupported"
		}
		if fault.Code(err) != want {
			t.Errorf("%v: %v", c, err)
		}
	}
	if err := NewMuxer(0).Start([]media.Track{{Codec: media.VP8, TimeScale: 1}}); err == nil {
		t.Error("VP8 is muxed")
	}
}

// Audio alone: who joins between two tables gets them as a header of its own.
func TestHeaderForAudio(t *testing.T) {
	src := transport(t, clips[3].args...)
	r := demux(t, src, len(src))
	m := NewMuxer(0)
	if err := m.Start(r.tracks[0]); err != nil {
		t.Fatal(err)
	}
	var chunks [][]byte
	for i := range r.frames {
		chunks = m.AppendFrame(chunks, &r.frames[i])
	}
	joined := append(m.Header(), bytes.Join(chunks[3:], nil)...)
	got := demux(t, joined, 188)
	if len(got.frames) != len(r.frames)-3 || got.stats.Continuity != 2 { // the tables' own counters begin anew
		t.Errorf("%d frames, want %d: %+v", len(got.frames), len(r.frames)-3, got.stats)
	}
	run(t, "ffmpeg", "-v", "error", "-i", writeFile(t, filepath.Join(t.TempDir(), "j.ts"), joined), "-f", "null", "-")
}

// Any frame sizes and times come back as they were.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		track := media.Track{ID: 7, Kind: media.Audio, Codec: media.Opus, TimeScale: 48000, SampleRate: 48000, Channels: rapid.IntRange(1, 8).Draw(rt, "channels")}
		m := NewMuxer(0)
		if err := m.Start([]media.Track{track}); err != nil {
			rt.Fatal(err)
		}
		var want []media.Frame
		var out []byte
		at := rapid.Int64Range(0, 1<<40).Draw(rt, "at") / 8 * 8
		for range rapid.IntRange(1, 30).Draw(rt, "frames") {
			at += 960
			data := rapid.SliceOfN(rapid.Byte(), 1, 1500).Draw(rt, "data")
			data[0] = 0xFC // a 20 ms stereo packet
			f := media.Frame{Track: 7, Key: true, DTS: at, PTS: at, Data: data}
			want = append(want, f)
			for _, b := range m.AppendFrame(nil, &f) {
				out = append(out, b...)
			}
		}
		got := demux(t, out, rapid.IntRange(1, 5000).Draw(rt, "piece"))
		if len(got.frames) != len(want) {
			rt.Fatalf("%d frames, want %d", len(got.frames), len(want))
		}
		for i := range want {
			if !bytes.Equal(got.frames[i].Data, want[i].Data) || got.frames[i].PTS-got.frames[0].PTS != want[i].PTS-want[0].PTS {
				rt.Fatalf("frame %d differs", i)
			}
		}
	})
}

// TestFuzzSeeds writes the committed seeds with -update: the beginning of each clip.
func TestFuzzSeeds(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzDemux")
	if !*update {
		if list, err := os.ReadDir(dir); err != nil || len(list) < len(clips) {
			t.Fatalf("seeds are missing (%v): run go test -run TestFuzzSeeds -update", err)
		}
		return
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		writeFile(t, filepath.Join(dir, name), fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", b))
	}
	for _, c := range clips {
		src := transport(t, c.args...)
		write(c.name, src[:min(len(src), 24*packetSize)])
	}
	all := transport(t, "-f", "lavfi", "-i", "testsrc=d=1:s=32x32:r=3", "-f", "lavfi", "-i", "sine=d=1:r=48000", "-map", "0", "-map", "1", "-map", "1", "-map", "1",
		"-map", "1", "-c:v", "libx264", "-bf", "1", "-g", "2", "-c:a:0", "aac", "-c:a:1", "libmp3lame", "-c:a:2", "eac3", "-c:a:3", "libopus", "-b:a", "24k", "-metadata:s:a:0", "language=eng")
	write("all", all)
	mp2 := transport(t, "-f", "lavfi", "-i", "sine=d=1:r=48000", "-c:a", "mp2", "-b:a", "32k")
	write("mp2", mp2[:20*packetSize])
	write("joined", append(append([]byte(nil), mp2[:20*packetSize]...), all[:20*packetSize]...))
	src := transport(t, clips[4].args...)
	write("204", wrapAround(src[:16*packetSize], 0, 16))
	write("lost-sync", append(src[:7*packetSize:7*packetSize], src[7*packetSize+5:20*packetSize]...))
	write("lost-packet", append(src[:7*packetSize:7*packetSize], src[8*packetSize:20*packetSize]...))
	for _, name := range []string{"sample_latm.ts", "sample_scte35.ts"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, b[:min(len(b), 12*packetSize)])
	}
}

func FuzzDemux(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var tracks []media.Track
		total := 0
		var chunks [][]byte
		m := NewMuxer(0)
		d := NewDemuxer(Handler{
			Tracks: func(list []media.Track) error {
				tracks = list
				return m.Start(list)
			},
			Frame: func(fr media.Frame) error {
				if media.Find(tracks, fr.Track) == nil {
					t.Fatal("a frame without a track")
				}
				total += len(fr.Data)
				chunks = m.AppendFrame(chunks[:0], &fr)
				for _, c := range chunks {
					if len(c)%packetSize != 0 {
						t.Fatalf("%d bytes are no whole packets", len(c))
					}
				}
				return nil
			},
		})
		half := len(b) / 2
		if _, err := d.Write(b[:half]); err != nil {
			return
		}
		if _, err := d.Write(b[half:]); err != nil {
			return
		}
		if err := d.Flush(); err == nil && d.pending != 0 {
			t.Fatalf("%d bytes are pending after the end", d.pending)
		}
		if total > 2*len(b)+64 {
			t.Fatalf("%d bytes of frames out of %d", total, len(b))
		}
	})
}

func BenchmarkMuxVideoFrame(b *testing.B) {
	src := transport(b, clips[0].args...)
	r := demux(b, src, len(src))
	m := NewMuxer(0)
	if err := m.Start(r.tracks[0]); err != nil {
		b.Fatal(err)
	}
	f := r.frames[0]
	f.Data = append([]byte{0, 0, 0x27, 0x0C, 0x41}, make([]byte, 9995)...) // one slice of 10 000 bytes
	f.Key = false
	var dst [][]byte
	b.ReportAllocs()
	b.SetBytes(int64(len(f.Data)))
	for b.Loop() {
		f.DTS += 3000
		f.PTS = f.DTS
		dst = m.AppendFrame(dst[:0], &f)
	}
}

func BenchmarkDemux(b *testing.B) {
	src := transport(b, clips[0].args...)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		d := NewDemuxer(Handler{Tracks: func([]media.Track) error { return nil }, Frame: func(media.Frame) error { return nil }})
		_, _ = d.Write(src)
		_ = d.Flush()
	}
}
