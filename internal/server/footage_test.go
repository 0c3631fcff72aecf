package server

import (
	"encoding/json"
	"strings"
	"testing"

	"weir/internal/problem"
)

// The addresses of the past reach their rooms, also where there is nothing yet.
func TestFootageAddresses(t *testing.T) {
	s := newServer(t, nil)
	for path, want := range map[string]string{
		"/live/show/clip.mp4":                                  "range_missing",
		"/live/show/clip.mp4?from=1750000000&to=1750000060":    "no_footage",
		"/live/show/clip.mp4?from=-30s":                        "no_footage",
		"/live/show/frame.jpg":                                 "time_wrong",
		"/live/show/frame.jpg?at=1750000000":                   "no_footage",
		"/live/show/sprite-1750000200.jpg":                     "no_footage",
		"/live/show/sprite-1750000201.jpg":                     "no_such_address",
		"/live/show/thumbs.vtt?from=1750000000&to=1760000000":  "range_too_long",
		"/live/show/thumbs.vtt?from=2025-06-15T15:00:00Z&to=x": "range_wrong",
	} {
		w := s.get(t, path)
		var p problem.Document
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Code != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, p.Code, want)
		}
	}
	if err := s.tidy(t.Context()); err != nil {
		t.Error(err)
	}
	if w := s.get(t, "/metrics"); !strings.Contains(w.Body.String(), "weir_clip_built_total") || !strings.Contains(w.Body.String(), "weir_thumb_made_total") {
		t.Error("figures are missing")
	}
}
