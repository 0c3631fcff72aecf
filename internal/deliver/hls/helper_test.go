package hls

import (
	"net/http"
	"testing"
	"time"

	"weir/internal/deliver"
	"weir/internal/deliver/delivertest"
)

// stage is a timeline that is filled by hand.
type stage struct{ *delivertest.Stage }

func newStage(t interface{ Fatal(...any) }) *stage { return newStageOf(t, time.Minute) }

func newStageOf(t interface{ Fatal(...any) }, window time.Duration) *stage {
	return &stage{delivertest.NewStage(t, window)}
}

// site serves a stage over HTTP.
type site struct {
	*delivertest.Site
	t *testing.T
}

func newSite(t *testing.T, cfg deliver.Config) *site { return newSiteOf(t, cfg, 3*time.Hour) }

func newSiteOf(t *testing.T, cfg deliver.Config, window time.Duration) *site {
	t.Helper()
	return &site{delivertest.NewSite(t, cfg, window, func(s *deliver.Server) delivertest.Document {
		h := New(s)
		return func(w http.ResponseWriter, r *http.Request, name string, a deliver.Address) bool {
			switch a.Kind {
			case deliver.Master, deliver.Playlist, deliver.TSPlaylist, deliver.IFrames:
				h.ServePlaylist(w, r, name, a, time.Now())
				return true
			}
			return false
		}
	}), t}
}
