package deliver

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/internal/fault"
	"weir/internal/timeline"
)

// Form is how what a request asks for ends and moves.
type Form uint8

// The forms.
const (
	Live    Form = iota // the live window: no parameter
	Sliding             // the last so many seconds, moving on
	Growing             // from an instant on, growing while the stream lives
	Closed              // between two instants
)

func (f Form) String() string { return [...]string{"live", "sliding", "growing", "closed"}[f] }

// Past says whether the form needs more than the live window.
func (f Form) Past() bool { return f != Live }

func badRange(code, why, remedy string) error { return fault.New(fault.Invalid, code, why, remedy) }

const grammar = "Give from and to as 2026-11-22T09:00:00Z, as Unix seconds, or relative as -90s or -2h; or dvr alone for the whole rewind window."

// ParseRange reads the parameters from, to and dvr. With dvr, From stays zero: how far it reaches is not in the request.
func ParseRange(q url.Values, now time.Time) (timeline.Range, Form, error) {
	from, hasFrom, relative, err := instant(q, "from", now)
	if err != nil {
		return timeline.Range{}, Live, err
	}
	to, hasTo, _, err := instant(q, "to", now)
	if err != nil {
		return timeline.Range{}, Live, err
	}
	_, dvr := q["dvr"]
	switch {
	case dvr && (hasFrom || hasTo):
		return timeline.Range{}, Live, badRange("range_wrong", "The parameter dvr stands for the whole rewind window, and from and to were given too.", grammar)
	case dvr:
		return timeline.Range{}, Sliding, nil
	case hasTo:
		if hasFrom && !to.After(from) {
			return timeline.Range{}, Live, badRange("range_empty", "The range ends before it begins.", grammar)
		}
		return timeline.Range{From: from, To: to}, Closed, nil
	case hasFrom && relative:
		return timeline.Range{From: from}, Sliding, nil
	case hasFrom:
		return timeline.Range{From: from}, Growing, nil
	}
	return timeline.Range{}, Live, nil
}

func instant(q url.Values, name string, now time.Time) (at time.Time, has, relative bool, err error) {
	list, has := q[name]
	if !has {
		return time.Time{}, false, false, nil
	}
	if len(list) == 1 {
		if at, relative, ok := ParseInstant(list[0], now); ok {
			return at, true, relative, nil
		}
	}
	return time.Time{}, true, false, badRange("range_wrong", "The parameter "+name+" is no time.", grammar)
}

// maxRelative bounds relative times, so that no arithmetic on them overflows.
const maxRelative = 100 * 366 * 24 * time.Hour

// ParseInstant reads a time as RFC 3339, Unix seconds, or relative to now ("-90s").
func ParseInstant(s string, now time.Time) (at time.Time, relative, ok bool) {
	if s == "" || len(s) > 40 {
		return time.Time{}, false, false
	}
	if s[0] == '-' {
		d, err := time.ParseDuration(s)
		if err != nil || d < -maxRelative {
			return time.Time{}, false, false
		}
		return now.Add(d).UTC(), true, true
	}
	if at, ok := unixSeconds(s); ok {
		return at, false, true
	}
	// A plus sign that was not escaped arrives as a space.
	at, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(s, " ", "+"))
	if err != nil || at.Year() < 1970 || at.Year() > 2200 {
		return time.Time{}, false, false
	}
	return at.UTC(), false, true
}

func unixSeconds(s string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(whole) == 0 || len(whole) > 10 || len(fraction) > 9 {
		return time.Time{}, false
	}
	sec, ok := position(whole)
	if !ok {
		return time.Time{}, false
	}
	ns := int64(0)
	if fraction != "" {
		if ns, ok = position((fraction + "00000000")[:9]); !ok {
			return time.Time{}, false
		}
	}
	if sec > 7_258_118_400 { // the year 2200
		return time.Time{}, false
	}
	return time.Unix(sec, ns).UTC(), true
}

// appendUnix writes an instant as Unix seconds, as ParseInstant reads it.
func appendUnix(dst []byte, t time.Time) []byte {
	dst = strconv.AppendInt(dst, t.Unix(), 10)
	if ns := t.Nanosecond(); ns > 0 {
		fraction := strconv.Itoa(1_000_000_000 + ns)[1:]
		dst = append(append(dst, '.'), strings.TrimRight(fraction, "0")...)
	}
	return dst
}

// Ask is what a request wants of the past.
type Ask struct {
	timeline.Range
	Form Form
	Back time.Duration // of a sliding window: how far it reaches
	dvr  bool
}

// Ask reads what a request wants and holds it against the limits. Form Live: nothing of the past.
func (s *Server) Ask(q url.Values, now time.Time) (Ask, error) {
	r, form, err := ParseRange(q, now)
	if err != nil || form == Live {
		return Ask{}, err
	}
	a := Ask{Range: r, Form: form}
	if s.past == nil {
		return a, fault.New(fault.Unsupported, "no_past", "This server keeps nothing of the past.", "Ask for the stream without from, to and dvr.")
	}
	length := time.Duration(0)
	switch form {
	case Sliding:
		if a.dvr = r.From.IsZero(); a.dvr {
			a.From = now.Add(-s.set.Load().DVR)
		}
		a.Back = now.Sub(a.From)
		length = a.Back
	case Growing:
		length = now.Sub(a.From)
	case Closed:
		if a.From.IsZero() {
			a.From = a.To.Add(-s.cfg.MaxRange) // as far back as a list may reach
		}
		length = a.To.Sub(a.From)
	}
	if length > s.cfg.MaxRange && !a.dvr {
		return a, badRange("range_too_long", "A playlist covers at most "+hours(s.cfg.MaxRange)+", and this range is longer.",
			"Ask for it in pieces with from and to, or download clip.mp4.")
	}
	return a, nil
}

func hours(d time.Duration) string {
	return strconv.FormatFloat(d.Hours(), 'f', -1, 64) + " hours"
}

// Query is what the addresses of playlists carry, so that they mean the same range.
func (a *Ask) Query() string {
	switch {
	case a.Form == Live:
		return ""
	case a.dvr:
		return "dvr"
	case a.Form == Sliding:
		return "from=-" + strconv.FormatFloat(a.Back.Seconds(), 'f', -1, 64) + "s"
	}
	b := appendUnix([]byte("from="), a.From)
	if a.Form == Closed {
		b = appendUnix(append(b, "&to="...), a.To)
	}
	return string(b)
}

// Join joins two queries.
func Join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}
