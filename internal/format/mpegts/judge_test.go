package mpegts

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"weir/internal/media"
	"weir/internal/outside"
)

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return string(outside.Run(t, name, args...))
}

// transport makes a transport stream of ffmpeg input arguments.
func transport(t testing.TB, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "in.ts")
	run(t, "ffmpeg", slices.Concat([]string{"-v", "error"}, args, []string{"-f", "mpegts", "-y", out})...)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// read is what a demuxer hands over.
type read struct {
	tracks [][]media.Track
	frames []media.Frame
	stats  Stats
}

func (r *read) of(id media.TrackID) (out []media.Frame) {
	for _, f := range r.frames {
		if f.Track == id {
			out = append(out, f)
		}
	}
	return out
}

// demux reads b in pieces of the given size.
func demux(t testing.TB, b []byte, piece int) *read {
	t.Helper()
	r := &read{}
	d := NewDemuxer(Handler{
		Tracks: func(tracks []media.Track) error { r.tracks = append(r.tracks, slices.Clone(tracks)); return nil },
		Frame: func(f media.Frame) error {
			if len(r.tracks) == 0 || media.Find(r.tracks[len(r.tracks)-1], f.Track) == nil {
				t.Fatal("a frame comes before its track")
			}
			r.frames = append(r.frames, f)
			return nil
		},
	})
	for len(b) > 0 {
		n := min(piece, len(b))
		if _, err := d.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	r.stats = d.Stats()
	return r
}

var clips = []struct {
	name   string
	codecs []media.Codec
	args   []string
}{
	{"h264+aac", []media.Codec{media.H264, media.AAC}, []string{"-i", "testdata/sample.mp4", "-c", "copy"}},
	{"hevc", []media.Codec{media.HEVC}, []string{"-i", "testdata/h265_bframes.mp4", "-map", "0:v", "-c", "copy"}},
	{"hevc-ts", []media.Codec{media.HEVC}, []string{"-i", "testdata/sample_h265.ts", "-map", "0:v", "-c", "copy"}},
	{"mp3", []media.Codec{media.MP3}, []string{"-f", "lavfi", "-i", "sine=d=2:r=44100", "-c:a", "libmp3lame"}},
	{"mp3-half", []media.Codec{media.MP3}, []string{"-f", "lavfi", "-i", "sine=d=2:r=22050", "-c:a", "libmp3lame"}},
	{"ac3", []media.Codec{media.AC3}, []string{"-f", "lavfi", "-i", "sine=d=2:r=48000", "-c:a", "ac3"}},
	{"eac3", []media.Codec{media.EAC3}, []string{"-f", "lavfi", "-i", "sine=d=2:r=48000", "-c:a", "eac3"}},
	{"opus", []media.Codec{media.Opus}, []string{"-f", "lavfi", "-i", "sine=d=2:r=48000", "-c:a", "libopus"}},
	{"dvb-ac3", []media.Codec{media.AC3}, []string{"-f", "lavfi", "-i", "sine=d=2:r=48000", "-c:a", "ac3", "-mpegts_flags", "system_b"}},
	{"two audio", []media.Codec{media.H264, media.AAC, media.AAC}, []string{"-i", "testdata/sample.mp4", "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=zho"}},
}

type packet struct {
	pts, dts int64
	key      bool
	size     int
}

// probe lists what ffprobe reads of a stream.
func probe(t testing.TB, file string, stream int) (out []packet) {
	t.Helper()
	text := run(t, "ffprobe", "-v", "error", "-select_streams", strconv.Itoa(stream), "-show_entries", "packet=pts,dts,size,flags", "-of", "csv=p=0", file)
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) < 4 {
			continue
		}
		var p packet
		p.pts, _ = strconv.ParseInt(f[0], 10, 64)
		p.dts, _ = strconv.ParseInt(f[1], 10, 64)
		p.size, _ = strconv.Atoi(f[2])
		p.key = strings.HasPrefix(f[3], "K")
		out = append(out, p)
	}
	return out
}

// hashes lists the time, size and hash of a stream's packets as ffmpeg reads them.
func hashes(t testing.TB, file string, stream int) []string {
	t.Helper()
	out := run(t, "ffmpeg", "-v", "error", "-copyts", "-i", file, "-map", fmt.Sprintf("0:%d", stream), "-c", "copy", "-f", "framemd5", "-")
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "#") {
			f := strings.Split(line, ",")
			lines = append(lines, strings.Join([]string{strings.TrimSpace(f[1]), strings.TrimSpace(f[2]), strings.TrimSpace(f[4]), strings.TrimSpace(f[5])}, " "))
		}
	}
	return lines
}

// What ffmpeg wrote is read here as ffprobe reads it.
func TestDemuxReadsAsFFprobe(t *testing.T) {
	for _, c := range clips {
		t.Run(c.name, func(t *testing.T) {
			src := transport(t, c.args...)
			file := writeFile(t, filepath.Join(t.TempDir(), "x.ts"), src)
			r := demux(t, src, 1000)
			if len(r.tracks) != 1 || len(r.tracks[0]) != len(c.codecs) {
				t.Fatalf("tracks told: %+v (%+v)", r.tracks, r.stats)
			}
			for i, track := range r.tracks[0] {
				if track.Codec != c.codecs[i] {
					t.Fatalf("track %d is %v", i, track.Codec)
				}
				want, got := probe(t, file, i), r.of(track.ID)
				if len(want) != len(got) {
					t.Fatalf("track %d: %d frames, want %d", i, len(got), len(want))
				}
				for k := range want {
					near := func(a, b int64) bool { d := media.Rescale(a, track.TimeScale, clock) - b; return d >= -2 && d <= 2 }
					if !near(got[k].PTS, want[k].pts) || !near(got[k].DTS, want[k].dts) || got[k].Key != want[k].key {
						t.Fatalf("track %d frame %d: %d %d %v, want %+v", i, k, got[k].PTS, got[k].DTS, got[k].Key, want[k])
					}
				}
			}
			if s := r.stats; s.Continuity+s.Checksums+s.Damaged+s.SyncLosses > 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// What is read here and written again is to ffmpeg what it wrote itself.
func TestMuxReadsAsTheSource(t *testing.T) {
	for _, c := range clips {
		t.Run(c.name, func(t *testing.T) {
			src := transport(t, c.args...)
			r := demux(t, src, len(src))
			const origin = 1000 // times then come out as they went in
			m := NewMuxer(origin)
			if err := m.Start(r.tracks[0]); err != nil {
				t.Fatal(err)
			}
			var chunks [][]byte
			for i := range r.frames {
				chunks = m.AppendFrame(chunks, &r.frames[i])
			}
			out := bytes.Join(chunks, nil)
			dir := t.TempDir()
			a, b := writeFile(t, filepath.Join(dir, "a.ts"), src), writeFile(t, filepath.Join(dir, "b.ts"), out)
			run(t, "ffmpeg", "-v", "error", "-i", b, "-map", "0", "-f", "null", "-")
			for i := range c.codecs {
				want, got := hashes(t, a, i), hashes(t, b, i)
				if c.codecs[i].Kind() == media.Video {
					// Parameter sets and delimiters may lie elsewhere; the pictures may not.
					want, got = pictures(t, a, i), pictures(t, b, i)
				}
				if len(want) < 9 || !slices.EqualFunc(want, got, sameLine) {
					t.Errorf("stream %d differs: %d packets, want %d\n%s\n%s", i, len(got), len(want), first(got), first(want))
				}
			}
			checkPackets(t, out)
			again := demux(t, out, 4096)
			if len(again.frames) != len(r.frames) || again.stats.Continuity+again.stats.Damaged > 0 {
				t.Errorf("own demuxer reads %d frames, want %d: %+v", len(again.frames), len(r.frames), again.stats)
			}
		})
	}
}

// sameLine compares time, size and hash; audio times may differ by the rounding of one tick.
func sameLine(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	if len(x) != 4 || len(y) != 4 || x[2] != y[2] || x[3] != y[3] {
		return false
	}
	for i := range 2 {
		p, _ := strconv.ParseInt(x[i], 10, 64)
		q, _ := strconv.ParseInt(y[i], 10, 64)
		if p-q > 2 || q-p > 2 {
			return false
		}
	}
	return true
}

func first(lines []string) string { return strings.Join(lines[:min(3, len(lines))], "\n") }

// pictures are the decoded frames of a stream.
func pictures(t testing.TB, file string, stream int) []string {
	t.Helper()
	out := run(t, "ffmpeg", "-v", "error", "-copyts", "-i", file, "-map", fmt.Sprintf("0:%d", stream), "-fps_mode", "passthrough", "-f", "framemd5", "-")
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "#") {
			f := strings.Split(line, ",")
			lines = append(lines, strings.Join([]string{strings.TrimSpace(f[2]), strings.TrimSpace(f[2]), strings.TrimSpace(f[4]), strings.TrimSpace(f[5])}, " "))
		}
	}
	return lines
}

// checkPackets: continuity counters without a gap, tables at least every 500 ms, a clock
// at least every 100 ms, never behind and at most a second ahead of decoding.
func checkPackets(t *testing.T, b []byte) {
	t.Helper()
	if len(b)%packetSize != 0 {
		t.Fatalf("%d bytes are no whole packets", len(b))
	}
	counts := map[uint16]byte{}
	pcr, tables := int64(-1), int64(-1)
	for ; len(b) > 0; b = b[packetSize:] {
		p := b[:packetSize]
		pid := uint16(p[1]&0x1F)<<8 | uint16(p[2])
		cc, payload := p[3]&15, p[3]&0x10 != 0
		if was, ok := counts[pid]; ok && payload && cc != (was+1)&15 || p[0] != syncByte {
			t.Fatalf("PID %d: counter %d after %d", pid, cc, was)
		}
		if payload {
			counts[pid] = cc
		}
		if p[3]&0x20 != 0 && p[4] > 0 && p[5]&0x10 != 0 {
			v := int64(p[6])<<25 | int64(p[7])<<17 | int64(p[8])<<9 | int64(p[9])<<1 | int64(p[10])>>7
			if pcr >= 0 && (v < pcr || v-pcr > clock/10) {
				t.Fatalf("clock goes from %d to %d", pcr, v)
			}
			pcr = v
			if tables < 0 {
				tables = v
			}
		}
		if pid == 0 {
			if tables >= 0 && pcr-tables > clock/2 {
				t.Fatalf("no tables for %d ticks", pcr-tables)
			}
			tables = pcr
		}
	}
	if pcr < 0 || tables < 0 {
		t.Fatal("no clock or no tables")
	}
}
