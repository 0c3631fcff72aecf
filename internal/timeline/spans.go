package timeline

import (
	"context"
	"slices"
	"time"
)

// Spans lists the unbroken stretches of footage that reach into a range, oldest first; stretches of one run that are at
// most join apart count as one. A span may begin before the range and end after it.
func (s *Store) Spans(ctx context.Context, name string, r Range, join time.Duration) ([]Span, error) {
	p := s.remember(name, true)
	var out []Span
	if s.volume() != nil {
		stored, err := s.volume().db.Spans(ctx, name, r.From, r.To, join)
		if err != nil {
			s.volume().distrust(err)
			return nil, err
		}
		for _, sp := range stored {
			out = append(out, Span{From: sp.From, To: sp.To, Run: sp.Run, Bytes: sp.Bytes, Held: sp.Held, End: endOf(sp.End)})
		}
	}
	for _, run := range p.sorted() {
		out = append(out, run.spans(r, join)...)
	}
	slices.SortStableFunc(out, func(a, b Span) int { return a.From.Compare(b.From) })
	joined := out[:0]
	latest := map[uint64]int{}
	for _, sp := range out {
		k, ok := latest[sp.Run]
		if !ok || sp.From.Sub(joined[k].To) > join {
			latest[sp.Run] = len(joined)
			joined = append(joined, sp)
			continue
		}
		last := &joined[k]
		last.Bytes += sp.Bytes
		last.Held = last.Held || sp.Held
		if sp.To.After(last.To) || sp.Live {
			last.To, last.End, last.Live = later(last.To, sp.To), sp.End, sp.Live
		}
	}
	return joined, nil
}

// endOf is what the end of a file says of the span that ends with it: that a file was full, or its minute over, is no
// reason for footage to end.
func endOf(end string) string {
	if end == "rotate" {
		return ""
	}
	return end
}

// Coverage sums up the streams that have footage and a prefix, by name, beginning after the name after. A limit of 0 or
// less means all.
func (s *Store) Coverage(ctx context.Context, prefix, after string, limit int) ([]Coverage, error) {
	byName := map[string]*Coverage{}
	if s.volume() != nil {
		stored, err := s.volume().db.Timelines(ctx, prefix, after, limit)
		if err != nil {
			s.volume().distrust(err)
			return nil, err
		}
		for _, c := range stored {
			byName[c.Timeline] = &Coverage{Timeline: c.Timeline, From: c.From, To: c.To, Bytes: c.Bytes, Files: c.Files, HeldBytes: c.HeldBytes}
		}
	}
	for _, name := range s.names(prefix, after) {
		p := s.remember(name, true)
		for _, run := range p.sorted() {
			for _, sp := range run.spans(Range{}, time.Hour) {
				c := byName[name]
				if c == nil {
					c = &Coverage{Timeline: name, From: sp.From, To: sp.To}
					byName[name] = c
				}
				c.Bytes += sp.Bytes
				c.To = later(c.To, sp.To)
				if sp.From.Before(c.From) {
					c.From = sp.From
				}
			}
		}
		if c := byName[name]; c != nil {
			c.Live = p.live
		}
	}
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	if limit > 0 && len(names) > limit {
		names = names[:limit]
	}
	out := make([]Coverage, 0, len(names))
	for _, name := range names {
		out = append(out, *byName[name])
	}
	return out, nil
}
