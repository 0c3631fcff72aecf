package e2e

import (
	"context"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// segments fetches whole segments and has FFmpeg decode them.
func segments(t *testing.T, file string, list func(*testing.T, cell) [2]renditionList) func(context.Context, cell) (*reading, error) {
	return func(ctx context.Context, c cell) (*reading, error) {
		if r, err := asked(c.w.http("/" + c.name + "/" + file)); r != nil || err != nil {
			return r, err
		}
		var have [2][]byte
		var seen [2][]string
		for ok := true; ok; {
			ok = false
			for i, r := range list(t, c) {
				for _, uri := range r.segments {
					if slices.Contains(seen[i], uri) {
						continue
					}
					if have[i] == nil {
						have[i] = mustGet(t, c.w.beside(c.name, r.init))
					}
					have[i] = append(have[i], mustGet(t, c.w.beside(c.name, uri))...)
					seen[i] = append(seen[i], uri)
				}
				ok = ok || len(seen[i]) < 1+int(c.length/(2*time.Second))
			}
			if err := wait(ctx, 300*time.Millisecond); err != nil {
				return nil, err
			}
		}
		return c.decodePair(ctx, have[0], have[1])
	}
}

// wait lets a moment pass.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// decodePair decodes a video and an audio file.
func (c cell) decodePair(ctx context.Context, video, audio []byte) (*reading, error) {
	v, a := filepath.Join(c.dir, "v.mp4"), filepath.Join(c.dir, "a.mp4")
	if err := errors.Join(os.WriteFile(v, video, 0o600), os.WriteFile(a, audio, 0o600)); err != nil {
		return nil, err
	}
	defer c.turn()()
	r, _, err := decode(ctx, c.dir, "-i", v, "-i", a)
	return r, err
}

// turn waits until few others decode: what is read live must not be late because of it.
func (c cell) turn() (release func()) {
	c.turns <- struct{}{}
	return func() { <-c.turns }
}

// renditionList is what a playlist or a manifest lists of a rendition.
type renditionList struct {
	init     string
	segments []string
}

// hlsLists reads the two media playlists.
func hlsLists(t *testing.T, c cell) (out [2]renditionList) {
	video, audio := renditions(t, c.w, c.name)
	for i, r := range []string{video, audio} {
		for _, s := range parseMedia(t, mustGet(t, c.w.beside(c.name, r))).segments {
			if s.uri != "" {
				out[i].init = s.init
				out[i].segments = append(out[i].segments, s.uri)
			}
		}
	}
	return out
}

// manifest is what an MPD says, of one Representation in each of its sets.
type manifest struct {
	Type    string `xml:"type,attr"`
	Periods []struct {
		Sets []manifestSet `xml:"AdaptationSet"`
	} `xml:"Period"`
}

type manifestSet struct {
	Kind     string `xml:"contentType,attr"`
	Template struct {
		Init  string `xml:"initialization,attr"`
		Media string `xml:"media,attr"`
		First int64  `xml:"startNumber,attr"`
		Times []struct {
			Repeat int64 `xml:"r,attr"`
		} `xml:"SegmentTimeline>S"`
	} `xml:"Representation>SegmentTemplate"`
}

func readMPD(t *testing.T, address string) (m manifest) {
	t.Helper()
	if err := xml.Unmarshal(mustGet(t, address), &m); err != nil {
		t.Fatal("manifest: ", err)
	}
	return m
}

// list expands the segment timeline (ISO/IEC 23009-1, 5.3.9.6).
func (s *manifestSet) list() renditionList {
	l := renditionList{init: s.Template.Init}
	n := s.Template.First
	for _, stretch := range s.Template.Times {
		for range stretch.Repeat + 1 {
			l.segments = append(l.segments, strings.Replace(s.Template.Media, "$Number$", strconv.FormatInt(n, 10), 1))
			n++
		}
	}
	return l
}

// dashLists reads the manifest. The last number is of the segment that is being made.
func dashLists(t *testing.T, c cell) (out [2]renditionList) {
	mpd := readMPD(t, c.w.beside(c.name, "index.mpd"))
	for _, set := range mpd.Periods[len(mpd.Periods)-1].Sets {
		i := 0
		if set.Kind == "audio" {
			i = 1
		}
		out[i] = set.list()
		if k := len(out[i].segments); k > 0 {
			out[i].segments = out[i].segments[:k-1]
		}
	}
	return out
}

// lowLatencyHLS fetches parts by blocking reloads, and never a whole segment.
func lowLatencyHLS(t *testing.T) func(context.Context, cell) (*reading, error) {
	return func(ctx context.Context, c cell) (*reading, error) {
		if r, err := asked(c.w.http("/" + c.name + "/index.m3u8")); r != nil || err != nil {
			return r, err
		}
		video, audio := renditions(t, c.w, c.name)
		var list [2][]byte
		done := make(chan struct{})
		go func() { defer close(done); list[1] = c.parts(t, audio) }()
		list[0] = c.parts(t, video)
		<-done
		return c.decodePair(ctx, list[0], list[1])
	}
}

// parts fetches the init segment and some seconds of parts of a rendition.
func (c cell) parts(t *testing.T, rendition string) (b []byte) {
	var seen []string
	list := parseMedia(t, mustGet(t, c.w.beside(c.name, rendition)))
	for len(seen) < int(c.length/(200*time.Millisecond)) {
		for _, s := range list.segments {
			for _, p := range s.parts {
				if slices.Contains(seen, p) {
					continue
				}
				if b == nil {
					b = mustGet(t, c.w.beside(c.name, s.init))
				}
				b = append(b, mustGet(t, c.w.beside(c.name, p))...)
				seen = append(seen, p)
			}
		}
		msn, part := list.next()
		list = parseMedia(t, mustGet(t, c.w.beside(c.name, ask(rendition, "_HLS_msn=%d&_HLS_part=%d", msn, part))))
	}
	return b
}
