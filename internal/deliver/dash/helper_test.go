package dash

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

func newSite(t *testing.T, cfg deliver.Config) *site {
	t.Helper()
	return &site{delivertest.NewSite(t, cfg, 3*time.Hour, func(s *deliver.Server) delivertest.Document {
		h := New(s)
		return func(w http.ResponseWriter, r *http.Request, name string, a deliver.Address) bool {
			if a.Kind == deliver.Manifest {
				h.ServeMPD(w, r, name, time.Now())
			}
			return a.Kind == deliver.Manifest
		}
	}), t}
}
