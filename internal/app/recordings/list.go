package recordings

import (
	"context"
	"slices"
	"strings"

	"weir/internal/timeline"
)

// Filter chooses recordings; empty fields choose all.
type Filter struct {
	Stream, Kind string
	Text         string // in the title or the stream's name, in any case
	Running      *bool
}

func (f *Filter) takes(p *timeline.Pin) bool {
	if f.Stream != "" && p.Timeline != f.Stream || f.Kind != "" && p.Kind != f.Kind {
		return false
	}
	if f.Running != nil && *f.Running != p.To.IsZero() {
		return false
	}
	text := strings.ToLower(f.Text)
	return text == "" || strings.Contains(strings.ToLower(p.Title), text) || strings.Contains(strings.ToLower(p.Timeline), text)
}

// List returns up to limit recordings, the newest first, from the one after the place after on (see Place).
func (r *Recordings) List(ctx context.Context, f Filter, after string, limit int) ([]Record, error) {
	pins := slices.DeleteFunc(slices.Clone(r.footage.Pins(f.Stream)), func(p timeline.Pin) bool { return !f.takes(&p) })
	slices.SortFunc(pins, func(a, b timeline.Pin) int { return strings.Compare(Place(&b), Place(&a)) })
	var out []Record
	for i := range pins {
		if after != "" && Place(&pins[i]) >= after {
			continue
		}
		rec, err := r.look(ctx, pins[i])
		if err != nil {
			return nil, err
		}
		if out = append(out, rec); len(out) == limit {
			break
		}
	}
	return out, nil
}

// Place is where a recording stands in the list: by its beginning, then by its id.
func Place(p *timeline.Pin) string {
	return p.From.UTC().Format("20060102150405.000") + p.ID
}
