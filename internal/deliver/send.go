package deliver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
	"weir/internal/timeline"
)

const (
	mediaCache   = "public, max-age=3600, immutable" // names are never reused
	privateCache = "private, max-age=600, immutable"

	// A viewer must take one slice within the deadline, so that a stalled one gives its descriptor back.
	slice    = 1 << 20
	deadline = 2 * time.Minute
)

var (
	typeVideo = []string{"video/mp4"}
	typeAudio = []string{"audio/mp4"}
	rangesYes = []string{"bytes"}
	cacheYes  = []string{mediaCache}
	cacheOwn  = []string{privateCache}
)

// ServeMedia sends an init segment, a segment or a part of a stream.
func (s *Server) ServeMedia(w http.ResponseWriter, r *http.Request, name string, a Address, now time.Time) {
	if !Allowed(w, r) {
		return
	}
	if err := s.serveMedia(w, r, name, a, now); err != nil && r.Context().Err() == nil {
		WriteFault(w, r, err)
	}
}

func (s *Server) serveMedia(w http.ResponseWriter, r *http.Request, name string, a Address, now time.Time) error {
	// Segments look alike for HLS and DASH: the session that the viewer's first document opened counts.
	visit, err := s.Enter(w, r, name, "", false, now)
	if err != nil {
		return err
	}
	name = visit.Session.Name()
	h := w.Header()
	openToAll(h)
	h["Cache-Control"] = cacheYes
	if visit.Keyed() {
		h["Cache-Control"] = cacheOwn
	}
	n, err := s.serveLive(w, r, name, a)
	if err != nil && n == 0 && s.past != nil && errors.Is(err, timeline.ErrGone) {
		n, err = s.servePast(w, r, name, a)
	}
	visit.Session.Out(int(n))
	return err
}

// serveLive sends what the live window holds; ErrGone if it does not.
func (s *Server) serveLive(w http.ResponseWriter, r *http.Request, name string, a Address) (int64, error) {
	if a.Kind == TSSegment || a.Kind == Picture || s.past != nil && a.Kind != Part && s.past.Get(name) == nil {
		return 0, timeline.ErrGone // no pull is started for something that a run of the past has
	}
	st, err := s.Stream(r.Context(), name)
	if err != nil {
		return 0, err
	}
	rendition := find(st.Timeline.Snapshot(), a)
	if rendition == nil {
		return 0, timeline.ErrGone
	}
	w.Header()["Content-Type"] = typeVideo
	if rendition.Track.Kind == media.Audio {
		w.Header()["Content-Type"] = typeAudio
	}
	switch a.Kind {
	case Init:
		return s.serveInit(w, r, rendition.Init, a)
	case Segment, Part:
		return s.servePiece(w, r, st, a)
	}
	return 0, timeline.ErrGone
}

// find gives the rendition that an address is of, nil once its run has left the window.
func find(snap *timeline.Snapshot, a Address) *timeline.Rendition {
	for i := range snap.Runs {
		run := &snap.Runs[i].Run
		if run.ID != a.Run {
			continue
		}
		for j := range run.Renditions {
			if run.Renditions[j].Name == a.Rendition {
				return &run.Renditions[j]
			}
		}
	}
	return nil
}

func (s *Server) serveInit(w http.ResponseWriter, r *http.Request, b []byte, a Address) (int64, error) {
	return s.sendKnown(w, r, a, int64(len(b)), func(at, n int64) (int64, error) {
		sent, err := w.Write(b[at : at+n])
		s.sentMemory.Add(int64(sent))
		return int64(sent), err
	})
}

// servePiece sends a segment or a part, waiting for one that is announced but not there yet.
func (s *Server) servePiece(w http.ResponseWriter, r *http.Request, st *Stream, a Address) (int64, error) {
	if err := st.await(r.Context(), a); err != nil {
		return 0, err
	}
	var rd *timeline.Reader
	var err error
	if a.Kind == Part {
		rd, err = st.Timeline.OpenPart(a.Run, a.Rendition, a.N, a.Index)
	} else {
		rd, err = st.Timeline.OpenSegment(a.Run, a.Rendition, a.N)
	}
	if err != nil {
		return 0, err
	}
	defer rd.Close()
	if rd.Size() < 0 {
		return s.sendGrowing(w, r, rd)
	}
	return s.sendReader(w, r, a, rd)
}

// sendReader sends what a reader of known size holds.
func (s *Server) sendReader(w http.ResponseWriter, r *http.Request, a Address, rd *timeline.Reader) (int64, error) {
	return s.sendKnown(w, r, a, rd.Size(), func(at, n int64) (int64, error) {
		if f := rd.File(); f != nil {
			return s.sendFile(w, f, rd.Offset()+at, n)
		}
		return s.sendMemory(w, r.Context(), rd, at, n)
	})
}

// state says where an address stands in a snapshot.
type state uint8

const (
	missing state = iota
	coming        // announced: the next part, or the segment about to begin
	present
)

// locate finds an address. A part is announced as soon as the one before it is complete (EXT-X-PRELOAD-HINT).
func locate(snap *timeline.Snapshot, a Address) state {
	for i := range snap.Runs {
		run := &snap.Runs[i]
		if run.ID != a.Run {
			continue
		}
		for j := range run.Renditions {
			if run.Run.Renditions[j].Name == a.Rendition {
				return locateIn(run, run.Renditions[j].Segments, a)
			}
		}
	}
	return missing
}

func locateIn(run *timeline.RunView, segs []timeline.SegmentView, a Address) state {
	next := run.FirstN
	if n := len(segs); n > 0 {
		next = segs[n-1].N + 1
		if k := a.N - segs[0].N; k >= 0 && k < int64(n) {
			return locatePart(&segs[k], a)
		}
		if !segs[n-1].Complete && a.Kind == Part {
			return missing // the open segment has parts to come first
		}
	}
	if a.N == next && a.Index == 0 && !run.Ended {
		return coming
	}
	return missing
}

func locatePart(seg *timeline.SegmentView, a Address) state {
	switch {
	case seg.Gap:
		return missing
	case a.Kind == Segment || a.Index < len(seg.Parts):
		return present
	case a.Index == len(seg.Parts) && !seg.Complete:
		return coming
	default:
		return missing
	}
}

// await waits for an announced piece.
func (st *Stream) await(ctx context.Context, a Address) error {
	snap := st.Timeline.Snapshot()
	at := locate(snap, a)
	if at == coming {
		patience := st.view(snap).Patience()
		_, _, err := st.Wait(ctx, patience, func(View) bool {
			at = locate(st.Timeline.Snapshot(), a)
			return at != coming
		})
		if err != nil {
			return err
		}
	}
	switch at {
	case present:
		return nil
	case coming:
		return errNotCome
	default:
		return timeline.ErrGone
	}
}

var errNotCome = fault.New(fault.Unavailable, "part_not_ready", "The announced part of the stream did not come in time.", "Reload the playlist.")

// sendKnown answers with content of known length, whole or a single byte range of it (RFC 9110 section 14).
func (s *Server) sendKnown(w http.ResponseWriter, r *http.Request, a Address, size int64, send func(at, n int64) (int64, error)) (int64, error) {
	h := w.Header()
	h["Accept-Ranges"] = rangesYes
	etag := `"` + a.String() + `"`
	h["Etag"] = []string{etag}
	if matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return 0, nil
	}
	at, n, status := int64(0), size, http.StatusOK
	if spec := r.Header.Get("Range"); spec != "" && r.Method == http.MethodGet && ifRange(r, etag) { // RFC 9110 14.2: for GET alone
		from, length, kind := parseRange(spec, size)
		switch kind {
		case rangeOne:
			at, n, status = from, length, http.StatusPartialContent
			h["Content-Range"] = []string{contentRange(at, n, size)}
		case rangeOutside:
			h["Content-Range"] = []string{"bytes */" + strconv.FormatInt(size, 10)}
			h["Cache-Control"] = []string{"no-store"}
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return 0, nil
		}
	}
	h["Content-Length"] = []string{strconv.FormatInt(n, 10)}
	w.WriteHeader(status)
	if r.Method == http.MethodHead || n == 0 {
		return 0, nil
	}
	sent, _ := send(at, n) // the head is out: an error here is the viewer going away
	return sent, nil
}

// ifRange: a range is only good for the very content the client has (RFC 9110 section 13.1.5).
func ifRange(r *http.Request, etag string) bool {
	v := r.Header.Get("If-Range")
	return v == "" || v == etag
}

// sendFile sends by sendfile: net/http passes a limited reader over a file on to the kernel, from the file's own
// offset. The descriptor belongs to this request alone.
func (s *Server) sendFile(w http.ResponseWriter, f *os.File, at, n int64) (int64, error) {
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return 0, err
	}
	rc, to := http.NewResponseController(w), FileWriter(w)
	sent := int64(0)
	for sent < n {
		_ = rc.SetWriteDeadline(time.Now().Add(deadline))
		m, err := io.CopyN(to, f, min(n-sent, slice))
		sent += m
		s.sentFile.Add(m)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// FileWriter finds, behind wrappers that only watch (metrics, logs), the writer that can take a file; w if there is none.
func FileWriter(w http.ResponseWriter) io.Writer {
	for inner := w; ; {
		if _, ok := inner.(io.ReaderFrom); ok {
			return inner
		}
		u, ok := inner.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		inner = u.Unwrap()
	}
}

// sendMemory sends a piece that is complete but not in a file.
func (s *Server) sendMemory(w io.Writer, ctx context.Context, rd *timeline.Reader, at, n int64) (int64, error) {
	sent := int64(0)
	for n > 0 {
		b, err := rd.Next(ctx)
		if err != nil {
			return sent, err
		}
		skip := min(at, int64(len(b)))
		at -= skip
		b = b[skip:]
		b = b[:min(n, int64(len(b)))]
		m, err := w.Write(b)
		n, sent = n-int64(m), sent+int64(m)
		s.sentMemory.Add(int64(m))
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// sendGrowing sends the open segment as it grows (chunked transfer: the length is not known).
func (s *Server) sendGrowing(w http.ResponseWriter, r *http.Request, rd *timeline.Reader) (int64, error) {
	rc := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return 0, nil
	}
	sent := int64(0)
	for {
		b, err := rd.Next(r.Context())
		if errors.Is(err, io.EOF) {
			return sent, nil
		}
		if err != nil {
			// An end of the chunks would say that this was all of the segment.
			panic(http.ErrAbortHandler)
		}
		_ = rc.SetWriteDeadline(time.Now().Add(deadline))
		n, err := w.Write(b)
		sent += int64(n)
		s.sentMemory.Add(int64(n))
		if err == nil {
			err = rc.Flush()
		}
		if err != nil {
			return sent, nil
		}
	}
}
