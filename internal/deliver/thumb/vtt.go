package thumb

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"weir/internal/deliver"
	"weir/internal/fault"
	"weir/internal/timeline"
)

// ServeVTT answers thumbs.vtt of a stream: WebVTT whose cues name a place in a sprite. Times count in wall-clock time
// from the beginning of the range, which a NOTE at the head tells ("NOTE start=<RFC 3339>"), as a player's own timeline closes
// the holes between runs up.
func (s *Server) ServeVTT(w http.ResponseWriter, r *http.Request, name string, now time.Time) {
	if !deliver.Allowed(w, r) {
		return
	}
	if err := s.serveVTT(w, r, name, now); err != nil && r.Context().Err() == nil {
		deliver.WriteFault(w, r, err)
	}
}

const recent = 2 * time.Hour // what is listed where no range is given

func (s *Server) serveVTT(w http.ResponseWriter, r *http.Request, name string, now time.Time) error {
	q := r.URL.Query()
	wall := s.deliver.Wall(now)
	want, form, err := deliver.ParseRange(q, wall)
	if err != nil {
		return err
	}
	if want.To.IsZero() || want.To.After(wall) {
		want.To = wall
	}
	if want.From.IsZero() {
		want.From = want.To.Add(-recent)
	}
	if !want.From.Before(want.To) {
		return errNoFootage
	}
	if want.To.Sub(want.From) > longest {
		return errLong
	}
	visit, err := s.deliver.Enter(w, r, name, "", false, now)
	if err != nil {
		return err
	}
	list := list{from: want.From, to: want.To, step: step(q.Get("every"), want), now: wall, query: visit.Query(false)}
	if _, err := s.engine.Probe(r.Context()); err != nil {
		// A player does without thumbnails, but not without the list.
		list.note = fault.Of(err).Message
	} else {
		list.snap, err = s.footage.Past(r.Context(), visit.Session.Name(), want)
		if err != nil {
			return err
		}
	}
	age := "private, max-age=5"
	if form == deliver.Closed && now.After(want.To.Add(window+afterEnd)) {
		age = "private, max-age=300"
	}
	visit.Session.Out(deliver.NewDoc(list.append(nil)).Serve(w, r, "text/vtt; charset=utf-8", age))
	return nil
}

// step is how far apart cues are: what was asked for in seconds, as a multiple of ten, and not so little that there are
// too many.
func step(asked string, r timeline.Range) time.Duration {
	n, _ := strconv.ParseFloat(asked, 64)
	d := time.Duration(min(max(n, 0), window.Seconds()) * float64(time.Second))
	d = max(d, r.To.Sub(r.From)/mostCues)
	return max((d+every-1)/every*every, every)
}

// list is a WebVTT document.
type list struct {
	from, to time.Time
	step     time.Duration
	now      time.Time
	query    string
	note     string
	snap     *timeline.Snapshot
}

func (l *list) append(b []byte) []byte {
	b = fmt.Appendf(b, "WEBVTT\n\nNOTE start=%s\n", l.from.UTC().Format("2006-01-02T15:04:05.000Z"))
	if l.note != "" {
		b = fmt.Appendf(b, "\nNOTE %s\n", l.note)
	}
	if l.snap == nil {
		return b
	}
	have := make(map[int64]bool) // tens of seconds that a sprite has a picture of
	counts := make(map[int64]int)
	spots(l.snap, func(x spot) {
		k := x.at.Unix() / int64(every/time.Second)
		if !have[k] {
			have[k] = true
			counts[k/(columns*rows)]++
		}
	})
	for k := l.from.Unix() / 10 * 10; k < l.to.Unix()+1; k += int64(l.step / time.Second) {
		at, ok := l.pick(have, k)
		if !ok {
			continue
		}
		from, to := max(time.Unix(k, 0).Sub(l.from), 0), min(time.Unix(k, 0).Add(l.step).Sub(l.from), l.to.Sub(l.from))
		if to > from {
			b = l.cue(b, from, to, at, counts[at/(columns*rows)])
		}
	}
	return b
}

// pick is the first picture of a step.
func (l *list) pick(have map[int64]bool, from int64) (int64, bool) {
	for k := from / 10; k < (from+int64(l.step/time.Second))/10; k++ {
		if have[k] {
			return k, true
		}
	}
	return 0, false
}

// cue writes one cue; ten is the picture's instant in tens of seconds, count how many pictures its sprite has so far.
func (l *list) cue(b []byte, from, to time.Duration, ten int64, count int) []byte {
	start := ten / (columns * rows) * int64(window/time.Second)
	place := int(ten % (columns * rows))
	b = append(clock(append(clock(append(b, '\n'), from), " --> "...), to), '\n')
	b = fmt.Appendf(b, "%s%d%s", spritePrefix, start, spriteSuffix)
	query := l.query
	if l.now.Before(time.Unix(start, 0).Add(window + afterEnd)) {
		// A sprite that grows has another address whenever it has grown.
		query = deliver.Join("n="+strconv.Itoa(count), query)
	}
	if query != "" {
		b = append(append(b, '?'), query...)
	}
	return fmt.Appendf(b, "#xywh=%d,%d,%d,%d\n", place%columns*width, place/columns*height, width, height)
}

func clock(b []byte, d time.Duration) []byte {
	ms := d.Milliseconds()
	return fmt.Appendf(b, "%02d:%02d:%02d.%03d", ms/3600000, ms/60000%60, ms/1000%60, ms%1000)
}
