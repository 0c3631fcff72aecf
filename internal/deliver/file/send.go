package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"weir/internal/deliver"
	"weir/internal/fault"
	"weir/internal/problem"
	"weir/internal/timeline"
)

const (
	// What a reader must take within the deadline, so that a stalled one gives its descriptor back.
	slice    = 1 << 20
	deadline = 2 * time.Minute
	// The door must hear of a download now and then, and is asked whether it may go on.
	touchEvery = 5 * time.Second
	// Stretches of a file from this size on leave by sendfile; shorter ones are gathered with one read, as a call each would
	// cost more than the copy.
	sendfileFrom = 16 << 10
	gatherSize   = 128 << 10
)

// sendError is a failure after the head of the answer is out.
type sendError struct{ cause error }

func (e *sendError) Error() string { return "the answer was cut off: " + e.cause.Error() }
func (e *sendError) Unwrap() error { return e.cause }

// download is one answer on its way out.
type download struct {
	server *Server
	visit  deliver.Visit
	enter  func(now time.Time) (deliver.Visit, error)
	seen   time.Time // when the door last heard
	freed  func()    // ends the hold on the session

	w      http.ResponseWriter
	file   io.Writer // the writer that can take a file
	rc     *http.ResponseController
	buf    []byte
	armed  time.Time // when the deadline was last set
	unsaid int       // bytes that the session was not told of
}

func (d *download) begin(w http.ResponseWriter) {
	d.w, d.file, d.rc = w, deliver.FileWriter(w), http.NewResponseController(w)
	d.freed = d.visit.Session.Hold()
}

func (d *download) end() {
	d.visit.Session.Out(d.unsaid)
	d.freed()
}

// goOn renews the deadline and asks whether the reader may still have it.
func (d *download) goOn(sent int) error {
	d.unsaid += sent
	now := time.Now()
	if now.Sub(d.armed) > time.Second {
		d.armed = now
		_ = d.rc.SetWriteDeadline(now.Add(deadline))
		d.visit.Session.Out(d.unsaid)
		d.unsaid = 0
	}
	if err := context.Cause(d.visit.Session.Context()); err != nil {
		return err
	}
	if now.Sub(d.seen) < touchEvery {
		return nil
	}
	d.seen = now
	v, err := d.enter(now)
	if err != nil {
		return err
	}
	if v.Session != d.visit.Session {
		d.freed()
		d.freed = v.Session.Hold()
	}
	d.visit = v
	return nil
}

// servePlan answers with a prepared clip (RFC 9110 sections 13 and 14).
func (s *Server) servePlan(w http.ResponseWriter, r *http.Request, a *ask, p *plan, d *download) error {
	size := p.size()
	h := w.Header()
	s.describe(h, a, p.begin, p.video, p.faults)
	h.Set("Etag", p.etag)
	h.Set("Accept-Ranges", "bytes")
	if a.moving {
		h.Set("Content-Location", address(r, a))
	}
	if match := r.Header.Get("If-Match"); match != "" && !matches(match, p.etag) {
		h.Del("Content-Disposition")
		problem.WriteStatus(w, r, http.StatusPreconditionFailed, errChanged)
		return nil
	}
	if named(r.Header.Get("If-None-Match"), p.etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	at, n, partial, ok := int64(0), size, false, true
	if spec := r.Header.Get("Range"); spec != "" && r.Method == http.MethodGet { // RFC 9110 14.2: for GET alone
		if cond := r.Header.Get("If-Range"); cond == "" || cond == p.etag {
			at, n, partial, ok = byteRange(spec, size)
		}
	}
	status := http.StatusOK
	switch {
	case !ok:
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		h.Del("Content-Disposition")
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return nil
	case partial:
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, at+n-1, size))
		status = http.StatusPartialContent
	}
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	d.begin(w)
	defer d.end()
	return d.send(r.Context(), p, at, n)
}

// damagedHeader says how many segments of the range are left out because they are damaged.
const damagedHeader = "Weir-Damaged"

func (s *Server) describe(h http.Header, a *ask, begin time.Time, video bool, faults int) {
	if faults > 0 {
		h.Set(damagedHeader, strconv.Itoa(faults))
	}
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Content-Length, Content-Range, Content-Disposition, Content-Location, ETag, "+damagedHeader)
	h.Set("Cache-Control", "private, no-cache") // retention and repair may change it: the ETag tells
	h.Set("Content-Type", "audio/mp4")
	if video {
		h.Set("Content-Type", "video/mp4")
	}
	h.Set("Content-Disposition", disposition(fileName(a.name, begin), a.save))
}

var errChanged = fault.New(fault.Conflict, "clip_changed", "The footage of this range has changed since.", "Begin the download anew.")

// matches reports whether a list of entity tags has one that is strongly the same (RFC 9110 section 13.1.1).
func matches(list, etag string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item == "*" || item == etag {
			return true
		}
	}
	return false
}

// named reports whether a list of entity tags names one.
func named(list, etag string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimPrefix(strings.TrimSpace(item), "W/"); item == "*" || item == etag {
			return true
		}
	}
	return false
}

// send writes n bytes of the clip from byte at on.
func (d *download) send(ctx context.Context, p *plan, at, n int64) error {
	if err := d.goOn(0); err != nil {
		return &sendError{err}
	}
	if head := p.movie.HeadSize(); at < head {
		k := min(n, head-at)
		if err := p.movie.WriteHead(d.w, at, k); err != nil {
			return nil // the reader has gone
		}
		d.server.copiedBytes.Add(k)
		at, n = at+k, n-k
		if err := d.goOn(int(k)); err != nil {
			return &sendError{err}
		}
	}
	at -= p.movie.HeadSize()
	for i := max(p.find(at), 0); n > 0 && i < len(p.parts); i++ {
		skip := at - p.parts[i].out
		k := min(n, p.end(i)-at)
		if err := d.part(ctx, p, i, skip, k); err != nil {
			if errors.Is(err, errGone) || ctx.Err() != nil {
				return nil
			}
			return &sendError{err}
		}
		at, n = at+k, n-k
	}
	return nil
}

// errGone says that the reader went away or stalled.
var errGone = errors.New("file: the reader has gone")

// part sends n bytes of part i from byte skip on.
func (d *download) part(ctx context.Context, p *plan, i int, skip, n int64) error {
	x := &p.parts[i]
	o := p.from[x.from]
	rd, err := d.server.footage.OpenSegment(ctx, p.name, o.run, o.rendition, x.n)
	if err != nil {
		return err
	}
	defer rd.Close()
	src, err := d.source(ctx, rd)
	if err != nil {
		return err
	}
	err = p.extents(i, func(at, size int64) error {
		from := min(skip, size)
		skip -= from
		k := min(size-from, n)
		n -= k
		if k <= 0 {
			return nil
		}
		return src.stretch(at+from, k)
	})
	if err == nil {
		err = src.flush()
	}
	return err
}

// source sends stretches of one segment in order.
type source struct {
	d      *download
	f      *os.File
	base   int64  // where the segment begins in f
	size   int64  // of the segment
	memory []byte // the segment, where it is in no file

	from, to int64 // what is gathered lies between these places of the segment
	pieces   [][2]int64
}

func (d *download) source(ctx context.Context, rd *timeline.Reader) (*source, error) {
	src := &source{d: d, f: rd.File(), base: rd.Offset(), size: rd.Size()}
	if src.f != nil {
		return src, nil
	}
	var err error
	src.memory, err = collect(ctx, rd)
	src.size = int64(len(src.memory))
	return src, err
}

func (s *source) stretch(at, n int64) error {
	if at+n > s.size {
		return errSegment
	}
	switch {
	case s.memory != nil:
		return s.d.write(s.memory[at : at+n])
	case n >= sendfileFrom:
		if err := s.flush(); err != nil {
			return err
		}
		return s.d.sendFile(s.f, s.base+at, n)
	}
	if len(s.pieces) > 0 && (at+n-s.from > gatherSize || at > s.to+sendfileFrom) {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if len(s.pieces) == 0 {
		s.from = at
	}
	s.pieces, s.to = append(s.pieces, [2]int64{at, n}), at+n
	return nil
}

// flush sends what was gathered: one read of all of it and of what lies between, one write without that.
func (s *source) flush() error {
	if len(s.pieces) == 0 {
		return nil
	}
	b := s.d.buffer(int(s.to - s.from))
	if _, err := s.f.ReadAt(b, s.base+s.from); err != nil {
		return err
	}
	n := 0
	for _, x := range s.pieces {
		n += copy(b[n:], b[x[0]-s.from:][:x[1]])
	}
	s.pieces = s.pieces[:0]
	return s.d.write(b[:n])
}

func (d *download) buffer(n int) []byte {
	if cap(d.buf) < n {
		d.buf = make([]byte, max(n, gatherSize))
	}
	return d.buf[:n]
}

func (d *download) write(b []byte) error {
	n, err := d.w.Write(b)
	d.server.copiedBytes.Add(int64(n))
	if err != nil {
		return errGone
	}
	return d.goOn(n)
}

// sendFile sends a stretch of a file; the kernel moves it where the writer is a bare connection.
func (d *download) sendFile(f *os.File, at, n int64) error {
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return err
	}
	for n > 0 {
		m, err := io.CopyN(d.file, f, min(n, slice))
		d.server.fileBytes.Add(m)
		n -= m
		if err != nil {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return errGone
		}
		if err := d.goOn(int(m)); err != nil {
			return err
		}
	}
	return nil
}
