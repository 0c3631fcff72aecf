package segmenter

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/timeline"
)

const epoch = 1_750_000_000 // seconds; a multiple of 2

func videoTrack() media.Track {
	return media.Track{ID: 1, Kind: media.Video, Codec: media.VP8, TimeScale: 90000, Width: 16, Height: 16}
}

func audioTrack() media.Track {
	return media.Track{ID: 2, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, SampleRate: 48000, Channels: 2, Config: []byte{0x11, 0x90}}
}

func testRun(d time.Duration, start time.Duration, tracks ...media.Track) *timeline.Run {
	r := &timeline.Run{SegmentDuration: d, PartDuration: 202 * time.Millisecond, Start: time.Unix(0, int64(start)), FirstN: int64(start / d)}
	for i, t := range tracks {
		r.Renditions = append(r.Renditions, timeline.Rendition{Name: fmt.Sprintf("%s%d", t.Kind, i), Track: t})
	}
	return r
}

// segment collects what came out for one segment number.
type segment struct {
	n      int64
	parts  []timeline.Part
	frames []media.Frame
	closed bool
}

type collector struct {
	t    testing.TB
	run  *timeline.Run
	segs map[string][]*segment
	raw  bytes.Buffer
}

func collect(t testing.TB, run *timeline.Run) *collector {
	return &collector{t: t, run: run, segs: map[string][]*segment{}}
}

func (c *collector) sink(name string, p timeline.Part) error {
	fmt.Fprintf(&c.raw, "%s %d %d %d\n", name, p.N, p.Index, p.Start)
	c.raw.Write(p.Data)
	list := c.segs[name]
	if len(list) == 0 || list[len(list)-1].n != p.N {
		if k := len(list); k > 0 && (!list[k-1].closed || p.N <= list[k-1].n) {
			c.t.Fatalf("%s: segment %d begins while %d is %v", name, p.N, list[k-1].n, list[k-1].closed)
		}
		list = append(list, &segment{n: p.N})
		c.segs[name] = list
	}
	s := list[len(list)-1]
	if s.closed || p.Index != len(s.parts) && !p.Gap {
		c.t.Fatalf("%s: part %d of segment %d comes as number %d (closed: %v)", name, p.Index, p.N, len(s.parts), s.closed)
	}
	s.closed = p.Last
	s.parts = append(s.parts, p)
	if p.Gap {
		return nil
	}
	for _, r := range c.run.Renditions {
		if r.Name != name {
			continue
		}
		track := r.Track
		header, err := cmaf.Init(track)
		if err != nil {
			c.t.Fatal(err)
		}
		h, err := cmaf.ParseInit(header)
		if err != nil {
			c.t.Fatal(err)
		}
		frames, err := h.Frames(nil, p.Data)
		if err != nil {
			c.t.Fatal(err)
		}
		s.frames = append(s.frames, frames...)
	}
	return nil
}

func (c *collector) frames(name string) (all []media.Frame) {
	for _, s := range c.segs[name] {
		all = append(all, s.frames...)
	}
	return all
}

// checkParts holds parts against RFC 8216bis: none longer than the target, all but a
// segment's last at least 85 % of it. Before what is held at a run's end a part of sound may be shorter, since it is independent.
func (c *collector) checkParts(name string, scale uint32) {
	target := media.FromDuration(c.run.PartDuration, scale)
	for k, s := range c.segs[name] {
		for i, p := range s.parts {
			held := k == len(c.segs[name])-1 && i == len(s.parts)-2 && p.Independent
			if p.Duration > target && len(s.frames) > 1 {
				c.t.Errorf("%s segment %d part %d lasts %d ticks, target %d", name, s.n, i, p.Duration, target)
			}
			if i < len(s.parts)-1 && !held && p.Duration*100 < target*85 {
				c.t.Errorf("%s segment %d part %d of %d lasts %d ticks, target %d", name, s.n, i, len(s.parts), p.Duration, target)
			}
		}
	}
}

// gop makes seconds of video whose key frames are every gop frames, with B-frames when b > 0.
func gop(from time.Duration, n, gop int, fps float64, b int) []media.Frame {
	step := 90000 / fps
	base := media.FromDuration(from, 90000)
	var out []media.Frame
	for i := range n {
		dts := base + int64(float64(i)*step+0.5)
		pts := dts
		if b > 0 {
			// Groups of one reference frame and b frames that are shown before it.
			shift := int64(step + 0.5)
			switch k := i % gop % (b + 1); {
			case i%gop == 0:
				pts = dts + shift
			case k == 1:
				pts = dts + shift + shift*int64(min(b, gop-1-i%gop)) // the group's last may have fewer before it
			default:
				pts = dts
			}
		}
		out = append(out, media.Frame{Track: 1, Key: i%gop == 0, DTS: dts, PTS: pts, Data: fmt.Appendf(nil, "video %d", i)})
	}
	return out
}

func aac(from time.Duration, n int) []media.Frame {
	base := media.FromDuration(from, 48000)
	var out []media.Frame
	for i := range n {
		at := base + int64(i)*1024
		out = append(out, media.Frame{Track: 2, Key: true, DTS: at, PTS: at, Data: fmt.Appendf(nil, "audio %d", i)})
	}
	return out
}

// interleave merges by time, the second list later by delay.
func interleave(v, a []media.Frame, delay time.Duration) []media.Frame {
	var out []media.Frame
	for len(v) > 0 || len(a) > 0 {
		if len(a) == 0 || len(v) > 0 && media.ToDuration(v[0].DTS, 90000) <= media.ToDuration(a[0].DTS, 48000)+delay {
			out, v = append(out, v[0]), v[1:]
			continue
		}
		out, a = append(out, a[0]), a[1:]
	}
	return out
}

func cutAll(t testing.TB, run *timeline.Run, frames []media.Frame) *collector {
	t.Helper()
	col := collect(t, run)
	c := NewCutter(run, col.sink)
	for i := range frames {
		if err := c.Add(&frames[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	return col
}
