package deliver

import (
	"strconv"
	"strings"
)

type rangeKind uint8

const (
	rangeNone    rangeKind = iota // not understood or several: the whole content is the answer
	rangeOne                      // one range
	rangeOutside                  // 416
)

// parseRange reads a Range header for content of the given size (RFC 9110 section 14.1.2). Several ranges, other
// units and nonsense are ignored, as a server may.
func parseRange(spec string, size int64) (at, n int64, kind rangeKind) {
	spec, ok := strings.CutPrefix(spec, "bytes=")
	if !ok || strings.IndexByte(spec, ',') >= 0 {
		return 0, 0, rangeNone
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, 0, rangeNone
	}
	if first == "" { // the last n bytes
		n, ok := position(last)
		switch {
		case !ok:
			return 0, 0, rangeNone
		case n == 0 || size == 0:
			return 0, 0, rangeOutside
		}
		n = min(n, size)
		return size - n, n, rangeOne
	}
	at, ok = position(first)
	if !ok {
		return 0, 0, rangeNone
	}
	end := size - 1
	if last != "" {
		e, ok := position(last)
		if !ok || e < at {
			return 0, 0, rangeNone
		}
		end = min(end, e)
	}
	if at >= size {
		return 0, 0, rangeOutside
	}
	return at, end - at + 1, rangeOne
}

// position reads a byte position; one that is too large for int64 lies beyond any content.
func position(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 63)
	if err != nil {
		n = 1<<62 - 1
	}
	return n, true
}

func contentRange(at, n, size int64) string {
	b := make([]byte, 0, 48)
	b = strconv.AppendInt(append(b, "bytes "...), at, 10)
	b = strconv.AppendInt(append(b, '-'), at+n-1, 10)
	b = strconv.AppendInt(append(b, '/'), size, 10)
	return string(b)
}
