package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/api"
)

func streamCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "stream", Short: "Streams of a running server"}
	r.flags(c)
	var state string
	list := &cobra.Command{
		Use: "list", Short: "List the streams", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			query := url.Values{}
			if state != "" {
				query.Set("state", state)
			}
			streams, err := all[api.Stream](c.Context(), r, "/streams", query)
			if err != nil {
				return err
			}
			slices.SortFunc(streams, func(a, b api.Stream) int { return natural(a.Name, b.Name) })
			return show(c, r.output, streams, func(row func(...any)) {
				row("NAME", "STATE", "SINCE", "PUBLISHER", "VIDEO", "AUDIO", "IN", "VIEWERS", "HEALTH")
				for i := range streams {
					s := &streams[i]
					row(s.Name, s.State, when(s.Since), publisherOf(s), videoOf(s), audioOf(s), bitrate(s.InBPS), s.Viewers, s.Verdict.Grade)
				}
			})
		},
	}
	list.Flags().StringVar(&state, "state", "", "only streams of this state: live, away or idle")
	c.AddCommand(list, &cobra.Command{
		Use: "get NAME", Short: "Show a stream with its tracks and its health", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return getStream(c, r, args[0]) },
	}, &cobra.Command{
		Use: "kick NAME", Short: "End the publication of a stream", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return r.call(c.Context(), http.MethodDelete, "/streams/"+url.PathEscape(args[0])+"/publisher", nil, nil)
		},
	})
	return c
}

// natural orders names as people count: cam-2 stands before cam-10.
func natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		m, n := figures(x), figures(y)
		if m == 0 || n == 0 {
			if x[0] != y[0] {
				return cmp.Compare(x[0], y[0])
			}
			x, y = x[1:], y[1:]
			continue
		}
		// Without its zeros the longer number is the greater one.
		p, q := strings.TrimLeft(x[:m], "0"), strings.TrimLeft(y[:n], "0")
		if c := cmp.Or(cmp.Compare(len(p), len(q)), strings.Compare(p, q)); c != 0 {
			return c
		}
		x, y = x[m:], y[n:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

// figures counts the digits that a name begins with.
func figures(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}

func getStream(c *cobra.Command, r *remote, name string) error {
	var s api.Stream
	if err := r.call(c.Context(), http.MethodGet, "/streams/"+url.PathEscape(name), nil, &s); err != nil {
		return err
	}
	return show(c, r.output, s, func(row func(...any)) {
		row("NAME", s.Name)
		row("STATE", s.State)
		row("SINCE", when(s.Since))
		row("PUBLISHER", publisherOf(&s))
		row("IN", bitrate(s.InBPS))
		row("VIEWERS", fmt.Sprint(s.Viewers)+protocols(s.ViewersByProtocol))
		for i := range s.Tracks {
			row("TRACK "+fmt.Sprint(s.Tracks[i].ID), trackOf(&s.Tracks[i]))
		}
		row("HEALTH", s.Verdict.Grade)
		for _, f := range s.Verdict.Findings {
			row("  "+f.Severity, f.Message)
			row("", f.Remedy)
		}
	})
}

func protocols(by map[string]int) string {
	var parts []string
	for _, p := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%s %d", p, by[p]))
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func publisherOf(s *api.Stream) string {
	if s.Publisher == nil {
		return "-"
	}
	return strings.TrimSpace(s.Publisher.Protocol + " " + s.Publisher.Remote)
}

func trackOf(t *api.Track) string {
	s := t.Codec + " " + t.Codecs
	if t.Kind == "video" {
		s += fmt.Sprintf(" %dx%d %.4g fps, key frame every %.3g s", t.Width, t.Height, t.MeasuredFrameRate, t.GOPSeconds)
		if t.BFrames {
			s += ", B-frames"
		}
	} else {
		s += fmt.Sprintf(" %d Hz, %d channels", t.SampleRate, t.Channels)
	}
	s += ", " + bitrate(t.BitrateBPS)
	if t.Derived {
		s += " (made here)"
	}
	return s
}

func videoOf(s *api.Stream) string {
	for i := range s.Tracks {
		if t := &s.Tracks[i]; t.Kind == "video" && !t.Derived {
			return fmt.Sprintf("%s %dx%d", t.Codec, t.Width, t.Height)
		}
	}
	return "-"
}

func audioOf(s *api.Stream) string {
	for i := range s.Tracks {
		if t := &s.Tracks[i]; t.Kind == "audio" && !t.Derived {
			return t.Codec
		}
	}
	return "-"
}

func sessionCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "session", Short: "Publishers and viewers of a running server"}
	r.flags(c)
	var stream, action string
	list := &cobra.Command{
		Use: "list", Short: "List publishers and viewers", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			query := url.Values{"stream": {stream}, "action": {action}}
			sessions, err := all[api.Connection](c.Context(), r, "/sessions", query)
			if err != nil {
				return err
			}
			return show(c, r.output, sessions, func(row func(...any)) {
				row("ID", "ACTION", "PROTOCOL", "STREAM", "REMOTE", "SINCE", "IN", "OUT", "NOW", "SOFTWARE")
				for _, s := range sessions {
					row(s.ID, s.Action, s.Protocol, s.Stream, s.Remote, when(&s.Since), size(s.BytesIn), size(s.BytesOut), bitrate(s.BPS), dash(s.UserAgent))
				}
			})
		},
	}
	list.Flags().StringVar(&stream, "stream", "", "only of this stream")
	list.Flags().StringVar(&action, "action", "", "only publish, or only play")
	c.AddCommand(list, r.deleteCommand("kick", "End a session", "/sessions/"))
	return c
}

// deleteCommand deletes one thing by its ID.
func (r *remote) deleteCommand(verb, short, path string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return r.remove(c.Context(), path, args[0]) },
	}
}

func (r *remote) remove(ctx context.Context, path, id string) error {
	return r.call(ctx, http.MethodDelete, path+url.PathEscape(id), nil, nil)
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n > 0:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return "0"
}
