// Package streamname holds the one grammar of stream names, shared by the wire
// parsers, the router and the error texts. What belongs here: whether a name is
// legal, which words are reserved, and how a pattern covers names. What does not:
// who may use a name (control/access) and what lies behind one (hub).
package streamname

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"weir/internal/fault"
)

// The limits of the grammar.
const (
	MaxSegments     = 4   // path segments of a name
	MaxSegmentRunes = 128 // characters in one segment
	MaxBytes        = 255 // bytes of the whole name, slashes included
)

const grammar = "A stream name is 1 to 4 parts joined by '/', each of letters, digits, '_', '-' and '.', like live/show."

// reservedFirst are the first segments that the server's own pages live under.
var reservedFirst = []string{
	"api", "vod", "console", "portal", "meet", "wall", "assets", "docs",
	"livez", "readyz", "metrics", "login", "setup", ".well-known",
}

// reservedLast are the last segments that name a stream's outputs.
var reservedLast = []string{
	"embed", "whip", "whep", "index.m3u8", "index.mpd", "clip.mp4", "file.mp4", "poster.jpg", "frame.jpg", "thumbs.vtt",
}

// reservedSuffixes end the addresses of outputs: a name ending so would shadow one.
// The media segments of HLS and DASH end in .m4s.
var reservedSuffixes = []string{".m3u8", ".mpd", ".flv", ".ts", ".mp4", ".m4s"}

// Check returns nil if name is a legal stream name, or else a *fault.Error of kind
// Invalid with the code name_empty, name_too_deep, name_bad_char, name_reserved or
// name_too_long, whose message cites the part that is wrong.
func Check(name string) error {
	if name == "" {
		return bad("name_empty", "The stream name is empty.")
	}
	if len(name) > MaxBytes {
		return bad("name_too_long", fmt.Sprintf("The stream name %s is %d bytes long; %d are allowed.", Quote(name), len(name), MaxBytes))
	}
	if n := strings.Count(name, "/") + 1; n > MaxSegments {
		return bad("name_too_deep", fmt.Sprintf("The stream name %s has %d parts; %d are allowed.", Quote(name), n, MaxSegments))
	}
	for i, segment := range strings.Split(name, "/") {
		if i == 0 && slices.Contains(reservedFirst, segment) {
			return reserved(fmt.Sprintf("A stream name cannot start with the part %s: the server uses it for its own pages.", Quote(segment)))
		}
		if err := checkSegment(name, segment); err != nil {
			return err
		}
	}
	return checkLast(name[strings.LastIndexByte(name, '/')+1:])
}

func checkSegment(name, segment string) error {
	if segment == "" {
		return bad("name_empty", fmt.Sprintf("The stream name %s has an empty part: a slash at its start, at its end or doubled.", Quote(name)))
	}
	if segment[0] == '.' {
		return bad("name_bad_char", fmt.Sprintf("The part %s of the stream name starts with a dot.", Quote(segment)))
	}
	if !utf8.ValidString(segment) {
		return bad("name_bad_char", fmt.Sprintf("The part %s of the stream name is not valid UTF-8.", Quote(segment)))
	}
	if n := utf8.RuneCountInString(segment); n > MaxSegmentRunes {
		return bad("name_too_long", fmt.Sprintf("The part %s of the stream name has %d characters; %d are allowed.", Quote(segment), n, MaxSegmentRunes))
	}
	for _, r := range segment {
		if !legal(r) {
			return bad("name_bad_char", fmt.Sprintf("The part %s of the stream name has the character %s, which is not allowed.", Quote(segment), describe(r)))
		}
	}
	if !norm.NFC.IsNormalString(segment) {
		return bad("name_bad_char", fmt.Sprintf("The part %s of the stream name is not in Unicode normal form C.", Quote(segment)))
	}
	return nil
}

// legal leaves out marks, so that no two names look the same by stacking them;
// control and bidi characters are neither letters nor digits.
func legal(r rune) bool {
	return r == '_' || r == '-' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func checkLast(last string) error {
	if slices.Contains(reservedLast, last) {
		return reserved(fmt.Sprintf("A stream name cannot end with the part %s: it names an output of a stream.", Quote(last)))
	}
	if strings.HasPrefix(last, "sprite-") && strings.HasSuffix(last, ".jpg") {
		return reserved(fmt.Sprintf("A stream name cannot end with the part %s: it names pictures of a stream.", Quote(last)))
	}
	if strings.HasPrefix(last, "stream.") {
		return reserved(fmt.Sprintf("A stream name cannot end with the part %s: stream.flv, stream.ts and so on name outputs of a stream.", Quote(last)))
	}
	for _, suffix := range reservedSuffixes {
		if strings.HasSuffix(last, suffix) {
			return reserved(fmt.Sprintf("A stream name cannot end in %s, as in %s: such addresses are outputs of a stream.", suffix, Quote(last)))
		}
	}
	return nil
}

// Quote puts a stranger's text between quotes for a message: escaped, and short.
func Quote(s string) string {
	const most = 48
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}

func describe(r rune) string {
	if unicode.IsPrint(r) {
		return fmt.Sprintf("'%c' (U+%04X)", r, r)
	}
	return fmt.Sprintf("U+%04X", r)
}

func bad(code, message string) error {
	return fault.New(fault.Invalid, code, message, grammar)
}

func reserved(message string) error {
	return fault.New(fault.Invalid, "name_reserved", message, "Choose another name, for example live/show.")
}
