package hls

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"weir/internal/deliver"
	"weir/internal/format/cmaf"
	format "weir/internal/format/hls"
	"weir/internal/media"
	"weir/internal/outside"
	"weir/internal/segmenter"
	"weir/internal/timeline"
)

// clip is the test picture, cut as the server cuts a live stream, and the counts of its frames.
type clip struct {
	header *cmaf.Header
	frames []media.Frame
	count  map[media.Kind]int
}

func loadClip(t *testing.T) *clip {
	t.Helper()
	b, err := os.ReadFile("testdata/pattern.mp4")
	if err != nil {
		t.Fatal(err)
	}
	c := &clip{count: map[media.Kind]int{}}
	if c.header, err = cmaf.ParseInit(b); err != nil {
		t.Fatal(err)
	}
	if c.frames, err = c.header.Frames(nil, b); err != nil {
		t.Fatal(err)
	}
	for _, f := range c.frames {
		c.count[media.Find(c.header.Tracks, f.Track).Kind]++
	}
	return c
}

// publish plays the clip into the timeline as one run that begins at the given time.
func (c *clip) publish(t *testing.T, s *site, at time.Time) timeline.Run {
	t.Helper()
	const d = 2 * time.Second
	r := timeline.Run{Start: at, FirstN: at.UnixNano() / int64(d), SegmentDuration: d, PartDuration: 200 * time.Millisecond}
	for i := range c.header.Tracks {
		tr := c.header.Tracks[i]
		init := tr
		init.ID = 1
		b, err := cmaf.Init(init)
		if err != nil {
			t.Fatal(err)
		}
		r.Renditions = append(r.Renditions, timeline.Rendition{Name: map[media.Kind]string{media.Video: "v0", media.Audio: "a0"}[tr.Kind], Track: tr, Init: b})
	}
	r, err := s.TL.BeginRun(r)
	if err != nil {
		t.Fatal(err)
	}
	cut := segmenter.NewCutter(&r, s.TL.Append)
	for _, f := range c.frames {
		tr := media.Find(c.header.Tracks, f.Track)
		shift := tr.Ticks(time.Duration(at.UnixNano()))
		f.DTS, f.PTS = f.DTS+shift, f.PTS+shift
		if err := cut.Add(&f); err != nil {
			t.Fatal(err)
		}
	}
	if err := cut.Flush(); err != nil {
		t.Fatal(err)
	}
	s.TL.EndRun()
	return r
}

// TestFFmpegReadsAll: ffprobe reads every frame of two runs, over the discontinuity, through the multivariant playlist.
func TestFFmpegReadsAll(t *testing.T) {
	c, s := loadClip(t), newSite(t, deliver.Config{})
	at := time.Unix(1_795_338_684, 0)
	c.publish(t, s, at)
	c.publish(t, s, at.Add(20*time.Second))
	s.TL.End()
	c.probe(t, s.HTTP.URL+"/live/show/index.m3u8", "error", 3, 2) // picture, sound, and the variant of sound alone
}

// TestFFmpegReadsThePast: the same in VOD form, and as MPEG-TS, whose segments must follow each other without a word of
// complaint.
func TestFFmpegReadsThePast(t *testing.T) {
	c, s := loadClip(t), newSite(t, deliver.Config{})
	at := time.Unix(1_795_338_684, 0)
	c.publish(t, s, at)
	c.publish(t, s, at.Add(20*time.Second))
	s.TL.End()
	query := "?from=" + unix(at.Unix()-60) + "&to=" + unix(at.Unix()+120)
	c.probe(t, s.HTTP.URL+"/live/show/index.m3u8"+query, "error", 3, 2)
	c.probe(t, s.HTTP.URL+"/live/show/index.m3u8"+query+"&form=ts", "warning", 2, 2)
	c.probe(t, s.HTTP.URL+"/live/show/index.m3u8?form=ts", "warning", 2, 2)
}

// probe has ffprobe count the packets of a playlist. With fMP4 it warns of the header of a second run.
func (c *clip) probe(t *testing.T, url, level string, streams, times int) {
	t.Helper()
	out, err := exec.Command(outside.Need(t, "ffprobe"), "-v", level, "-count_packets", "-of", "json",
		"-show_entries", "stream=codec_type,nb_read_packets,width,height,sample_rate", url).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	start := strings.IndexByte(string(out), '{')
	if start != 0 {
		t.Errorf("ffprobe has something to say: %s", out[:max(start, 0)])
	}
	var got struct {
		Streams []struct {
			Type    string `json:"codec_type"`
			Packets string `json:"nb_read_packets"`
		}
	}
	if err := json.Unmarshal(out[max(start, 0):], &got); err != nil {
		t.Fatal(err)
	}
	for _, st := range got.Streams {
		kind := map[string]media.Kind{"video": media.Video, "audio": media.Audio}[st.Type]
		if st.Packets != fmt.Sprint(times*c.count[kind]) {
			t.Errorf("%s: %s packets, want %d", st.Type, st.Packets, times*c.count[kind])
		}
	}
	if len(got.Streams) != streams {
		t.Errorf("%d streams, want %d", len(got.Streams), streams)
	}
}

// TestPartsAreTheSegment: the parts that a playlist lists are, byte for byte, its segments.
func TestPartsAreTheSegment(t *testing.T) {
	c, s := loadClip(t), newSite(t, deliver.Config{})
	c.publish(t, s, time.Now().Truncate(2*time.Second)) // when the publisher is away for a second, there are no parts any more
	checked := 0
	for _, name := range []string{"v0", "a0"} {
		_, text, _ := s.Get(name + ".m3u8")
		_, m, err := format.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, seg := range m.Segments {
			if seg.URI == "" {
				continue
			}
			whole, total := "", time.Duration(0)
			for _, p := range seg.Parts {
				_, b, _ := s.Get(p.URI)
				whole += b
				total += p.Duration
			}
			if _, b, _ := s.Get(seg.URI); len(seg.Parts) > 0 && (b != whole || total-seg.Duration > time.Millisecond || seg.Duration-total > time.Millisecond) {
				t.Errorf("%s: %d bytes and %v, its parts %d bytes and %v", seg.URI, len(b), seg.Duration, len(whole), total)
			}
			if len(seg.Parts) > 0 {
				checked++
			}
		}
	}
	if checked < 4 {
		t.Errorf("only %d segments had parts", checked)
	}
}
