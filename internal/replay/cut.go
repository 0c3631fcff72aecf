package replay

import (
	"cmp"
	"slices"
	"time"

	"weir/internal/media"
)

// cut leaves out what lies before the first key frame at or before from, and what is shown from to on.
type cut struct {
	from, to time.Time
	entered  bool
}

func (c *cut) apply(frames []media.Frame, tracks []media.Track) []media.Frame {
	if len(frames) == 0 {
		return frames
	}
	shown := func(f *media.Frame) time.Duration { return media.ToDuration(f.PTS, tracks[f.Track].TimeScale) }
	if !c.entered {
		entry, ok := c.entry(frames, tracks, shown)
		if !ok {
			return frames[:0]
		}
		c.entered = true
		frames = slices.DeleteFunc(frames, func(f media.Frame) bool { return shown(&f) < entry })
	}
	if c.to.IsZero() {
		return frames
	}
	end := time.Duration(c.to.UnixNano())
	return slices.DeleteFunc(frames, func(f media.Frame) bool { return shown(&f) >= end })
}

// entry is where a decoder can begin: the last key frame of the leading track up to from, or its first.
func (c *cut) entry(frames []media.Frame, tracks []media.Track, shown func(*media.Frame) time.Duration) (at time.Duration, ok bool) {
	lead := leading(tracks)
	for i := range frames {
		f := &frames[i]
		if f.Track != lead.ID || !f.Key {
			continue
		}
		if t := shown(f); !ok || !c.from.IsZero() && t <= time.Duration(c.from.UnixNano()) {
			at, ok = t, true
		}
	}
	return at, ok
}

func leading(tracks []media.Track) *media.Track {
	if t := media.First(tracks, media.Video); t != nil {
		return t
	}
	return &tracks[0]
}

// inOrder sorts the frames of several tracks by their decoding times.
func inOrder(frames []media.Frame, tracks []media.Track) {
	at := func(f *media.Frame) time.Duration {
		return media.Find(tracks, f.Track).Duration(f.DTS)
	}
	slices.SortStableFunc(frames, func(a, b media.Frame) int { return cmp.Compare(at(&a), at(&b)) })
}
