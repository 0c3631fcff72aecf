package deliver

import (
	"net/http"

	"weir/internal/timeline"
)

// servePast sends an init segment or a segment that is no longer in the live window, or one made into MPEG-TS.
func (s *Server) servePast(w http.ResponseWriter, r *http.Request, name string, a Address) (int64, error) {
	switch a.Kind {
	case Init:
		b, err := s.past.Init(r.Context(), name, a.Run, a.Rendition)
		if err != nil {
			return 0, err
		}
		w.Header()["Content-Type"] = kindOf(a.Rendition)
		return s.serveInit(w, r, b, a)
	case Segment:
		rd, err := s.past.OpenSegment(r.Context(), name, a.Run, a.Rendition, a.N)
		if err != nil {
			return 0, err
		}
		defer rd.Close()
		w.Header()["Content-Type"] = kindOf(a.Rendition)
		if rd.Size() < 0 {
			return s.sendGrowing(w, r, rd)
		}
		return s.sendReader(w, r, a, rd)
	case TSSegment:
		return s.serveTS(w, r, name, a)
	}
	return 0, timeline.ErrGone
}
