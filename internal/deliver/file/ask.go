package file

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"weir/internal/deliver"
)

func (s *Server) parse(r *http.Request, name string, now time.Time) (*ask, error) {
	q := r.URL.Query()
	want, form, err := deliver.ParseRange(q, now)
	if err != nil {
		return nil, err
	}
	a := &ask{name: name, want: want, closed: form == deliver.Closed, moving: relative(q)}
	a.save = q.Get("download") == "1"
	switch q.Get("cut") {
	case "", "exact":
	case "key":
		a.key = true
	default:
		return nil, errCut
	}
	switch to := want.To; {
	case form == deliver.Live, want.From.IsZero():
		return nil, errRange
	case to.IsZero() && now.Sub(want.From) > s.cfg.Longest:
		return nil, s.errLong()
	case to.IsZero():
	case to.Sub(want.From) > s.cfg.Longest:
		return nil, s.errLong()
	}
	return a, nil
}

// relative says whether a range is counted from now.
func relative(q url.Values) bool {
	return strings.HasPrefix(q.Get("from"), "-") || strings.HasPrefix(q.Get("to"), "-") || q.Has("dvr")
}

func instant(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64)
}

// address is the request's own with the range in absolute times.
func address(r *http.Request, a *ask) string {
	q := r.URL.Query()
	q.Del("dvr")
	q.Set("from", instant(a.want.From))
	q.Set("to", instant(a.want.To))
	return (&url.URL{Path: "clip.mp4", RawQuery: q.Encode()}).String() // relative, so that it holds behind any proxy
}

func redirect(w http.ResponseWriter, r *http.Request, a *ask) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "no-store")
	h.Set("Location", address(r, a))
	w.WriteHeader(http.StatusFound)
}

// fileName is what the clip is saved as: the stream's name and the instant it begins at.
func fileName(name string, begin time.Time) string {
	return strings.ReplaceAll(name, "/", "-") + "_" + begin.UTC().Format("2006-01-02_15-04-05") + "Z.mp4"
}

// disposition is RFC 6266 with the name in both forms: any program reads the first, the second says it exactly (RFC 8187).
func disposition(name string, save bool) string {
	kind := "inline"
	if save {
		kind = "attachment"
	}
	var plain, exact strings.Builder
	for _, c := range name {
		switch {
		case c < unicode.MaxASCII && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c)):
			plain.WriteRune(c)
			exact.WriteRune(c)
		default:
			plain.WriteByte('_')
			for _, b := range []byte(string(c)) {
				exact.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(b)|0x100, 16)[1:]))
			}
		}
	}
	v := kind + `; filename="` + plain.String() + `"`
	if plain.String() != exact.String() {
		v += "; filename*=UTF-8''" + exact.String()
	}
	return v
}

// span of bytes that a Range header asks for (RFC 9110 section 14.1.2). Several ranges, other units and nonsense are ignored, as
// a server may; ok is false for a range that lies outside.
func byteRange(spec string, size int64) (at, n int64, partial, ok bool) {
	spec, found := strings.CutPrefix(spec, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !found || !dash || strings.IndexByte(spec, ',') >= 0 {
		return 0, size, false, true
	}
	from, err1 := strconv.ParseUint(first, 10, 63)
	to, err2 := strconv.ParseUint(last, 10, 63)
	switch {
	case first == "" && err2 == nil: // the last bytes
		k := min(int64(to), size)
		return size - k, k, true, k > 0
	case err1 != nil || last != "" && err2 != nil || last != "" && to < from:
		return 0, size, false, true
	case int64(from) >= size:
		return 0, 0, true, false
	}
	end := size - 1
	if last != "" {
		end = min(end, int64(to))
	}
	return int64(from), end - int64(from) + 1, true, true
}
