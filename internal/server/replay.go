package server

import (
	"context"
	"io"
	"os"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/pipeline"
	"weir/internal/replay"
	"weir/internal/streamname"
)

// Slate says what viewers see while the publisher of a stream is away.
type Slate struct {
	Streams string        // a name or a pattern, "live/*"
	File    string        // a fragmented MP4 that is shown again and again; empty: the last picture, without a sound
	After   time.Duration // how long the publisher must be away first
	For     time.Duration // the stream ends when the publisher has not returned in this time; 0: never
}

func validSlates(list []Slate, grace time.Duration) error {
	if grace == 0 {
		grace = hub.DefaultGrace
	}
	for i := range list {
		s := &list[i]
		if err := streamname.CheckPattern(s.Streams); err != nil {
			return err
		}
		if s.After < 0 || s.For < 0 || s.After >= grace {
			return fault.New(fault.Invalid, "config_value_bad", "The slate of "+s.Streams+" would come when the stream has ended.",
				"Give after a duration from 0 to less than streams.grace, and for 0 or more.")
		}
	}
	return nil
}

// slate is the rule for a stream, nil if it has none. The first that fits decides.
func (s *Server) slate(name string) *Slate {
	list := s.slates.Load()
	if list == nil {
		return nil
	}
	for i := range *list {
		if r := &(*list)[i]; streamname.Match(r.Streams, name) {
			return r
		}
	}
	return nil
}

// slateRecipe shows a slate in the streams that have a rule for it.
func (s *Server) slateRecipe() pipeline.Recipe {
	return pipeline.Recipe{
		Name:  "slate",
		Wants: func(st *hub.Stream) bool { return s.slate(st.Name()) != nil },
		Run: func(ctx context.Context, st *hub.Stream) error {
			r := s.slate(st.Name())
			if r == nil {
				return nil
			}
			o := replay.FillOptions{After: r.After, For: r.For}
			if path := r.File; path != "" {
				o.Slate = func() (io.ReadCloser, error) { return openSlate(path) }
			}
			return replay.Fill(ctx, st, o)
		},
	}
}

func openSlate(path string) (io.ReadCloser, error) {
	f, err := os.Open(path) //nolint:gosec // the administrator names it
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, "slate_missing", "The slate cannot be read.", "Check the file of the slate in the configuration.")
	}
	return f, nil
}
