package trackfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"

	"weir/internal/media"
	"weir/internal/outside"
)

// run starts an outside program; quiet fails the test if it has anything to say on its standard error.
func run(t testing.TB, quiet bool, name string, args ...string) string {
	t.Helper()
	out, complaint := outside.Ask(t, name, args...)
	if quiet && complaint != "" {
		t.Fatal(name, args, complaint)
	}
	return strings.TrimSpace(string(out))
}

func keep(t testing.TB, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.mp4")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// packets counts what ffprobe reads.
func packets(t testing.TB, quiet bool, file string) int {
	t.Helper()
	out := run(t, quiet, "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file)
	n, err := strconv.Atoi(strings.Trim(out, ",\n"))
	if err != nil {
		t.Fatal(out, err)
	}
	return n
}

// A file plays in other programs at any moment of its life, every frame of it.
func TestOthersPlayIt(t *testing.T) {
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		s := build(t, kind, 10, 4, 2)
		last := s.segs[len(s.segs)-1]
		s.gap(last.N+1, last.Start+last.Duration, 45000)
		for name, b := range map[string][]byte{"open": s.bytes, "sealed": s.sealed("rotate")} {
			t.Run(kind.String()+" "+name, func(t *testing.T) {
				file := keep(t, b)
				if got := packets(t, true, file); got != s.frames {
					t.Errorf("ffprobe reads %d frames, want %d", got, s.frames)
				}
				run(t, true, "ffmpeg", "-v", "error", "-i", file, "-f", "null", "-")
				f, err := mp4.DecodeFile(bytes.NewReader(b))
				if err != nil {
					t.Fatal("mp4ff: ", err)
				}
				samples := uint32(0)
				for _, segment := range f.Segments {
					for _, fragment := range segment.Fragments {
						samples += fragment.Moof.Traf.Trun.SampleCount()
					}
				}
				if int(samples) != s.frames {
					t.Errorf("mp4ff reads %d frames, want %d", samples, s.frames)
				}
				// Every packet is what it is without head, marks and index.
				if a, b := packetHashes(t, file), packetHashes(t, keep(t, s.delivered())); a != b {
					t.Errorf("the packets differ:\n%s\n%s", a, b)
				}
			})
		}
	}
}

// delivered is what HLS and DASH deliver: the CMAF header and the segments.
func (s *sample) delivered() []byte {
	b := bytes.Clone(s.init)
	for _, seg := range s.segs {
		b = append(b, s.bytes[seg.Offset:][:seg.Size]...)
	}
	return b
}

func packetHashes(t testing.TB, file string) string {
	t.Helper()
	return run(t, true, "ffmpeg", "-v", "error", "-i", file, "-map", "0", "-c", "copy", "-copyts", "-f", "framemd5", "-")
}

// A torn file plays up to where it is torn, unless that is inside of a moof, which ffmpeg wants
// whole; cut where Scan says, it plays without a word.
func TestOthersPlayTornFiles(t *testing.T) {
	s := build(t, media.Video, 10, 2, 1)
	played := map[string]int{}
	for k := 1; k+1 < len(s.chunks); k += 3 {
		whole := min((k+1)*2, s.frames)
		for at := s.chunks[k]; at < s.chunks[k+1]; {
			h, _ := parseHeader(s.bytes[at:])
			for _, tear := range []int64{1, h.size / 2, h.size - 1} {
				if h.kind == "moof" {
					continue
				}
				played[h.kind]++
				if got := packets(t, false, keep(t, s.bytes[:at+tear])); got < whole {
					t.Errorf("torn %d bytes into a %s behind chunk %d: ffprobe reads %d frames, want at least %d", tear, h.kind, k, got, whole)
				}
			}
			s.cutAndSealed(t, at+h.size/2, whole)
			at += h.size
		}
	}
	if len(played) < 4 {
		t.Errorf("only tears in %v were tried", played)
	}
}

// cutAndSealed tears the file at at and does what the server does at its start.
func (s *sample) cutAndSealed(t *testing.T, at int64, frames int) {
	t.Helper()
	r, n := reader(s.bytes[:at])
	f, err := Scan(r, n)
	if err != nil {
		t.Fatal(err)
	}
	sealed := keep(t, AppendIndex(s.bytes[:f.Size:f.Size], f.Segments, f.Size, "crash"))
	if got := packets(t, true, sealed); got != frames {
		t.Errorf("torn at %d and sealed: ffprobe reads %d frames, want %d", at, got, frames)
	}
}
