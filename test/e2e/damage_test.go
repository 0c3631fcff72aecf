package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/format/cmaf/trackfile"
)

// spoil turns one bit in the payload of segments of a rendition, counted from the oldest.
func spoil(t *testing.T, data, rendition string, ks ...int) {
	t.Helper()
	done, before := 0, 0
	for _, path := range footageFiles(t, data) { // by run and number, so in the order of time
		if !strings.Contains(filepath.Base(path), "-"+rendition+"-") {
			continue
		}
		b := mustRead(t, path)
		f, err := trackfile.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range ks {
			if k -= before; k >= 0 && k < len(f.Segments) {
				s := &f.Segments[k]
				b[s.Offset+s.Size-9] ^= 4
				done++
			}
		}
		before += len(f.Segments)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if done != len(ks) {
		t.Fatalf("%d of %d segments of %s found", done, len(ks), rendition)
	}
}

// TestShow_3_2_DamageIsAGap: once it is known that segments are damaged, lists tell of them as gaps, players go over them to the
// end, and a clip is what is left; the log, the metric and the event tell once.
func TestShow_3_2_DamageIsAGap(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg")
	w := &weir{t: t, data: t.TempDir(), logs: &tail{}}
	f := writePast(t, filepath.Join(w.data, "timeline"), "live/show", 2*time.Minute)
	const first, second, both = 4, 8, 11 // of two seconds each
	spoil(t, w.data, "v0", first, both)
	spoil(t, w.data, "a0", second, both)
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	defer w.stop()
	to := f.from.Add(30 * time.Second)
	before, gaps := w.everything(t, "live/show", f.from, to)
	refused := 0
	for _, sum := range before {
		if sum == "" {
			refused++
		}
	}
	if refused != 4 || gaps != 0 {
		t.Fatalf("%d segments were refused, %d gaps before", refused, gaps)
	}
	after, gaps := w.everything(t, "live/show", f.from, to)
	if gaps != 4 || len(after) != len(before)-4 {
		t.Errorf("afterwards %d gaps and %d of %d segments", gaps, len(after), len(before))
	}
	for uri, sum := range after {
		if sum == "" || sum != before[uri] {
			t.Errorf("%s is not what it was", uri)
		}
	}
	query := "?from=" + stamp(f.from) + "&to=" + stamp(to)
	w.clipLeavesOut(t, query, (30-4)*footageFPS, 4)
	told := 0
	for line := range strings.Lines(w.logs.String()) {
		if strings.Contains(line, "footage is damaged") {
			told++
		}
	}
	if n := w.metric(t, "weir_timeline_damaged_total"); told != 4 || n != 4 {
		t.Errorf("the log tells %d times of 4 segments, the metric %v", told, n)
	}
	need(t, "node", "chromium")
	var jobs []map[string]any
	for _, p := range overJoints {
		jobs = append(jobs, map[string]any{"engine": p[0], "url": w.beside("live/show", p[1]+query), "low": false})
	}
	job, err := json.Marshal(map[string]any{"rate": 1, "limit": 60, "jobs": jobs})
	if err != nil {
		t.Fatal(err)
	}
	p := spawn(t, "node", "judge/joints.mjs", string(job))
	<-p.done
	var list []overJoint
	if err := json.Unmarshal([]byte(p.out.String()), &list); err != nil || len(list) != len(jobs) {
		t.Fatalf("judge printed %.2000q: %v", p.out, err)
	}
	for _, o := range list {
		if !o.Ended || len(o.Errors) > 0 || len(o.Counters) < (30-4)*footageFPS/2 {
			t.Errorf("%s %s: ended %v at %.1f of %.1f with %d pictures, %v, %v", o.Engine, o.URL, o.Ended, o.At, o.Duration, len(o.Counters), o.Errors, o.Events)
		}
		t.Logf("%s: %d pictures in %.2f s, %d events", o.Engine, len(o.Counters), o.Duration, len(o.Events))
	}
}

// clipLeavesOut downloads a clip that must be whole but for damaged segments, with so many pictures, which FFmpeg decodes.
func (w *weir) clipLeavesOut(t *testing.T, query string, pictures, segments int) {
	t.Helper()
	res, err := http.Get(w.beside("live/show", "clip.mp4"+query))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK || int64(len(b)) != res.ContentLength {
		t.Fatalf("clip.mp4: %s, %d of %d bytes, %v: %.3000s", res.Status, len(b), res.ContentLength, err, w.logs.String())
	}
	if n := res.Header.Get("Weir-Damaged"); n != strconv.Itoa(segments) {
		t.Errorf("clip.mp4 says that %q segments are damaged", n)
	}
	path := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := decodedFrames(t, path); n != pictures {
		t.Errorf("clip.mp4 has %d pictures of %d", n, pictures)
	}
}

// TestShow_3_2_WatchPageOverDamage: the first one to come upon damage is a viewer on the watch page, which gets over it by itself.
func TestShow_3_2_WatchPageOverDamage(t *testing.T) {
	t.Parallel()
	w := &weir{t: t, data: t.TempDir(), logs: &tail{}}
	f := writePast(t, filepath.Join(w.data, "timeline"), "live/show", 2*time.Minute)
	spoil(t, w.data, "v0", 5, 9)
	spoil(t, w.data, "a0", 9)
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	defer w.stop()
	needUI(t, w)
	page := w.http("/live/show?from=" + stamp(f.from) + "&to=" + stamp(f.from.Add(time.Minute)))
	s := newScene(t, "latesound", map[string]any{"looks": 2, "players": []map[string]any{{"name": "page", "page": true, "url": page}}})
	at := func(wait time.Duration) (seen lateSound) {
		pause(t, wait)
		s.say("look")
		s.await("looked", 30*time.Second, &seen)
		return seen
	}
	at(8 * time.Second) // it takes some seconds to open
	v := at(24 * time.Second)
	if played := time.UnixMilli(int64(v.Wall)).Sub(f.from); v.Phase != "playing" || played < 22*time.Second {
		t.Errorf("%+v, %v into the range", v, played)
	}
	if n := w.metric(t, "weir_timeline_damaged_total"); n != 3 {
		t.Errorf("%v faults: it was not the first", n)
	}
}
