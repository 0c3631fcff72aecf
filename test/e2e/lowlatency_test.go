package e2e

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// reload is one blocking playlist reload: when it was answered, and the part that it waited for.
type reload struct {
	answered time.Time
	last     int64 // the counter of the part's last picture
}

// TestShow_2_8_BlockedReload asks for each part before it exists. A part is complete when the first picture after it has
// arrived, which an HTTP-FLV viewer in the realtime profile sees; the answer must be there within 30 ms of that.
func TestShow_2_8_BlockedReload(t *testing.T) {
	count := 25
	if os.Getenv("WEIR_LONG") != "" {
		count = 100
	}
	w := start(t)
	w.pattern("live/show", w.key("live/*"), "--bitrate", "800000")
	viewer := viewFLV(t, w.http("/live/show/stream.flv?profile=realtime"))
	video, _ := renditions(t, w, "live/show")
	list := parseMedia(t, mustGet(t, w.beside("live/show", video)))
	init := mustGet(t, w.beside("live/show", list.segments[0].init))
	var reloads []reload
	for range count {
		msn, part := list.next()
		text := mustGet(t, w.beside("live/show", ask(video, "_HLS_msn=%d&_HLS_part=%d", msn, part)))
		answered := time.Now()
		list = parseMedia(t, text)
		at := int(msn - list.sequence)
		if at >= 0 && at < len(list.segments) && len(list.segments[at].parts) <= part {
			at, part = at+1, 0 // the segment was complete: the request was for the first part of the next (RFC 8216bis 6.2.5.2)
		}
		if at < 0 || at >= len(list.segments) || len(list.segments[at].parts) <= part {
			t.Fatalf("the answer does not have part %d of %d:\n%s", part, msn, text)
		}
		chunk := mustGet(t, w.beside("live/show", list.segments[at].parts[part]))
		reloads = append(reloads, reload{answered, lastCounter(t, init, chunk)})
	}
	var late []time.Duration
	for _, r := range reloads {
		late = append(late, r.answered.Sub(viewer.arrived(t, r.last+1)))
	}
	p50, p95 := percentile(late, 0.5), percentile(late, 0.95)
	t.Logf("%d blocked reloads answered p50 %v, p95 %v, longest %v after their part was complete", count, p50, p95, percentile(late, 1))
	judged, which := p50, "median"
	if os.Getenv("WEIR_LONG") != "" {
		judged, which = p95, "p95"
	}
	if judged > 30*time.Millisecond {
		t.Errorf("%s %v, at most 30 ms", which, judged)
	}
	if p50 < -200*time.Millisecond {
		t.Errorf("answered %v before the part was complete: the clocks of this test do not fit", -p50)
	}
}

func lastCounter(t *testing.T, init, chunk []byte) int64 {
	t.Helper()
	header, err := cmaf.ParseInit(init)
	if err != nil {
		t.Fatal(err)
	}
	frames, err := header.Frames(nil, chunk)
	if err != nil || len(frames) == 0 {
		t.Fatalf("%d frames in a part: %v", len(frames), err)
	}
	m, ok := testpattern.ReadSEI(frames[len(frames)-1].Data, media.H264)
	if !ok {
		t.Fatal("no mark in the last picture of a part")
	}
	return int64(m.Counter)
}

// arrived is when the picture with that counter came.
func (v *flvViewer) arrived(t *testing.T, counter int64) time.Time {
	t.Helper()
	var at time.Time
	eventually(t, 5*time.Second, "picture "+strconv.FormatInt(counter, 10), func() error {
		for _, a := range v.pictures() {
			if a.counter == counter {
				at = a.at
				return nil
			}
		}
		return fmt.Errorf("not among %d pictures", len(v.pictures()))
	})
	return at
}

// TestShow_2_8_PartsAreTheSegment holds the bytes of parts against those of their segment, in both renditions.
func TestShow_2_8_PartsAreTheSegment(t *testing.T) {
	w := start(t)
	w.pattern("live/show", w.key("live/*"), "--bitrate", "800000")
	video, audio := renditions(t, w, "live/show")
	for _, rendition := range []string{video, audio} {
		seen := 0
		eventually(t, 15*time.Second, "three segments of "+rendition, func() error {
			seen = 0
			list := parseMedia(t, mustGet(t, w.beside("live/show", rendition)))
			for _, s := range list.segments {
				if s.uri == "" || len(s.parts) == 0 {
					continue
				}
				seen++
				var joined []byte
				for _, p := range s.parts {
					joined = append(joined, mustGet(t, w.beside("live/show", p))...)
				}
				if whole := mustGet(t, w.beside("live/show", s.uri)); !bytes.Equal(joined, whole) {
					t.Fatalf("%s: %d parts have %d bytes, the segment %d", s.uri, len(s.parts), len(joined), len(whole))
				}
			}
			if seen < 3 {
				return fmt.Errorf("%d segments with parts", seen)
			}
			return nil
		})
	}
}

var partName = regexp.MustCompile(`/part-(.+)-(\d+)-(\d+)\.m4s`)

// TestShow_2_8_HlsJsFetchesParts reads the request log of hls.js: after its start it fetches part after part, each once.
func TestShow_2_8_HlsJsFetchesParts(t *testing.T) {
	w := start(t)
	w.pattern("live/show", w.key("live/*"), "--bitrate", "800000")
	const length = 8
	s := play(t, "hls.js", w.http("/live/show/index.m3u8"), length, true)
	s.judge(t, length)
	type place struct{ n, part int }
	last := map[string]place{}
	parts := map[string]int{}
	for _, r := range s.Requests {
		m := partName.FindStringSubmatch(r)
		if m == nil {
			if len(parts) > 0 && parts["v"]+parts["a"] > 20 {
				t.Errorf("%s was fetched among the parts", r)
			}
			continue
		}
		n, _ := strconv.Atoi(m[2])
		part, _ := strconv.Atoi(m[3])
		before, ok := last[m[1]]
		if ok && !(n == before.n && part == before.part+1) && !(n == before.n+1 && part == 0) {
			t.Errorf("part %d of %d follows part %d of %d in %s", part, n, before.part, before.n, m[1])
		}
		last[m[1]] = place{n, part}
		parts[m[1]]++
	}
	t.Logf("parts fetched by rendition: %v", parts)
	if len(parts) != 2 {
		t.Fatalf("parts of %d renditions were fetched: %v", len(parts), s.Requests)
	}
	for rendition, n := range parts {
		if n < 4*(length-1) { // 200 ms parts, and the start apart
			t.Errorf("%d parts of %s in %d s", n, rendition, length)
		}
	}
}
