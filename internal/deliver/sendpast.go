package deliver

import (
	"context"
	"net/http"

	"weir/internal/format/cmaf"
	"weir/internal/media"
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
	case Picture:
		b, err := s.picture(r.Context(), name, a)
		if err != nil {
			return 0, err
		}
		w.Header()["Content-Type"] = typeVideo
		return s.serveInit(w, r, b, a)
	}
	return 0, timeline.ErrGone
}

// picture makes the first picture of a segment from what is stored.
func (s *Server) picture(ctx context.Context, name string, a Address) ([]byte, error) {
	init, err := s.past.Init(ctx, name, a.Run, a.Rendition)
	if err != nil {
		return nil, err
	}
	header, err := cmaf.ParseInit(init)
	if err != nil {
		return nil, err
	}
	data, err := s.segmentBytes(ctx, name, a.Run, a.Rendition, a.N)
	if err != nil {
		return nil, err
	}
	return firstPicture(header, data, a.N)
}

// firstPicture makes a segment of its first picture alone, which lasts as long as the whole. A byte range of the segment would
// do for Apple's players; in browsers such a picture lasts as long as in the segment, and players hurry over the hole behind it.
func firstPicture(header *cmaf.Header, data []byte, n int64) ([]byte, error) {
	frames, err := header.Frames(nil, data)
	if err != nil {
		return nil, err
	}
	if len(frames) == 0 || !frames[0].Key || header.Tracks[0].Kind != media.Video {
		return nil, timeline.ErrGone
	}
	for i := range frames[1:] {
		frames[0].Duration += frames[1+i].Duration
	}
	return cmaf.AppendChunk(nil, &cmaf.Chunk{Sequence: uint32(n), Styp: true, Frames: frames[:1]}), nil //nolint:gosec // a number that grows, modulo 2^32
}
