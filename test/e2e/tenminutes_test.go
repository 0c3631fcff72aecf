package e2e

import (
	"encoding/csv"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/media"
	"weir/internal/testpattern"

	"github.com/Eyevinn/mp4ff/mp4"
)

// clipGroup is the distance of key frames in the footage that these tests write.
const clipGroup = 2 * time.Second

// TestShow_3_1_ClipOfTenMinutes: ten minutes out of an hour as one MP4, while the stream goes on: each picture once, begun and
// ended within a group of what was asked, decoded by FFmpeg, and, with WEIR_PEERS, remuxed by VLC.
func TestShow_3_1_ClipOfTenMinutes(t *testing.T) {
	need(t, "ffprobe", "ffmpeg")
	const ten = 10 * time.Minute
	w, f := startWithPast(t, "live/show", 62*time.Minute)
	from := f.from.Add(20*time.Minute + 777*time.Millisecond)
	file := filepath.Join(t.TempDir(), "clip.mp4")
	resp, err := http.Get(w.http("/live/show/clip.mp4?download=1&from=" + stamp(from) + "&to=" + stamp(from.Add(ten))))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := out.ReadFrom(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || n != resp.ContentLength || resp.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("%s, %d of %d bytes, %v", resp.Status, n, resp.ContentLength, err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	first, last, count := clipCounters(t, file)
	if count != int(last-first)+1 {
		t.Errorf("counters %d to %d in %d pictures", first, last, count)
	}
	// The first picture of the footage has counter 0 and the time f.from.
	at := func(counter uint32) time.Time { return f.from.Add(time.Duration(counter) * time.Second / footageFPS) }
	if early := from.Sub(at(first)); early < 0 || early > clipGroup {
		t.Errorf("the clip begins %v before what was asked", early)
	}
	if late := at(last).Sub(from.Add(ten)); late.Abs() > clipGroup {
		t.Errorf("the clip ends %v after what was asked", late)
	}
	if d := probedDuration(t, file); math.Abs(d-ten.Seconds()) > clipGroup.Seconds() {
		t.Errorf("%.3f s long", d)
	}
	// What lies before the asked instant is decoded and not shown.
	if shown := decodedFrames(t, file); shown < int(ten.Seconds())*footageFPS-2*footageFPS || shown > count {
		t.Errorf("FFmpeg shows %d pictures of %d", shown, count)
	}
	if os.Getenv("WEIR_PEERS") != "" {
		need(t, "cvlc", "setpriv")
		if got := remuxedByVLC(t, file); got < count*98/100 {
			t.Errorf("VLC gives %d of %d pictures", got, count)
		}
	}
}

// clipCounters has mp4ff read an MP4 and gives the first and the last counter and the number of pictures, which must grow by one.
func clipCounters(t *testing.T, file string) (first, last uint32, count int) {
	t.Helper()
	r, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := mp4.DecodeFile(r, mp4.WithDecodeMode(mp4.DecModeLazyMdat))
	if err != nil {
		t.Fatal(err)
	}
	for _, trak := range f.Moov.Traks {
		if trak.Mdia.Hdlr.HandlerType != "vide" {
			continue
		}
		stbl := trak.Mdia.Minf.Stbl
		for i := uint32(1); i <= stbl.Stsz.SampleNumber; i++ {
			ranges, err := trak.GetRangesForSampleInterval(i, i)
			if err != nil || len(ranges) != 1 {
				t.Fatalf("sample %d: %v %v", i, ranges, err)
			}
			b := make([]byte, ranges[0].Size)
			if _, err := r.ReadAt(b, int64(ranges[0].Offset)); err != nil {
				t.Fatal(err)
			}
			m, ok := testpattern.ReadSEI(b, media.H264)
			switch {
			case !ok:
				t.Fatalf("sample %d has no mark", i)
			case count == 0:
				first = m.Counter
			case m.Counter != last+1:
				t.Errorf("counter %d follows %d", m.Counter, last)
			}
			last = m.Counter
			count++
		}
	}
	return first, last, count
}

func probedDuration(t *testing.T, file string) float64 {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	d, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// decodedFrames has FFmpeg decode the pictures, which must be without fault.
func decodedFrames(t *testing.T, file string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-xerror", "-i", file, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framehash", "-").Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return n
}

// remuxedByVLC counts the pictures that VLC writes into a transport stream. VLC refuses to run as root.
func remuxedByVLC(t *testing.T, file string) int {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "weir-vlc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	copied, to := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "o.ts")
	if out, err := exec.Command("sh", "-c", fmt.Sprintf("cp %q %q && chmod 0777 %q && chmod 0644 %q", file, copied, dir, copied)).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	args := []string{"env", "HOME=" + dir, "cvlc", "-q", "-I", "dummy", copied, "--sout", "#std{access=file,mux=ts,dst=" + to + "}", "vlc://quit"}
	if os.Getuid() == 0 {
		args = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, args...)
	}
	if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("vlc: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-select_streams", "v", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", to).Output()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("%q %v", out, err)
	}
	n, err := strconv.Atoi(rows[0][0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
