package webrtc

import (
	"slices"
	"strconv"
	"strings"
)

// madeMid begins the names of sections that their offer gives none.
const madeMid = "weir-"

// whipOffer is a publisher's offer as pion needs it. What offers may leave out is written out; what is not used is left out.
type whipOffer struct {
	head     []string // lines without their ends
	sections [][]string
	bundled  bool // it has a group itself
}

func readWHIP(text string) (o whipOffer) {
	strong := strings.Contains(strings.ToLower(text), "a=fingerprint:sha-256 ")
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "", unused(line, strong):
		case strings.HasPrefix(line, "m="):
			o.sections = append(o.sections, []string{line})
		case len(o.sections) == 0:
			o.head = append(o.head, line)
		default:
			last := &o.sections[len(o.sections)-1]
			*last = append(*last, line)
		}
	}
	o.complete()
	return o
}

// unused tells which lines are left out: those of simulcast, because who is answered without it sends one layer (RFC 8853 section
// 5.3), and, beside SHA-256, fingerprints of other hashes, of which pion would take the first (RFC 8122 section 5: any may be held to).
func unused(line string, strong bool) bool {
	return strings.HasPrefix(line, "a=simulcast:") || strings.HasPrefix(line, "a=rid:") ||
		strong && strings.HasPrefix(line, "a=fingerprint:") && !strings.HasPrefix(strings.ToLower(line), "a=fingerprint:sha-256 ")
}

// complete gives each section its direction, which may stand for all in the session or be left out (RFC 8866 section 6.7), and its
// name. Of sections that are not bundled one transport can serve the first only (RFC 9725 section 4.4.2), so that one is a bundle.
func (o *whipOffer) complete() {
	direction := "a=sendrecv"
	if i := slices.IndexFunc(o.head, isDirection); i >= 0 {
		direction = o.head[i]
	}
	first := ""
	for i, s := range o.sections {
		if !slices.ContainsFunc(s, isDirection) {
			s = append(s, direction)
		}
		at := slices.IndexFunc(s, func(line string) bool { return strings.HasPrefix(line, "a=mid:") })
		if at < 0 {
			at, s = len(s), append(s, "a=mid:"+madeMid+strconv.Itoa(i))
		}
		if i == 0 {
			first = strings.TrimPrefix(s[at], "a=mid:")
		}
		o.sections[i] = s
	}
	o.bundled = slices.ContainsFunc(o.head, isBundle)
	if !o.bundled {
		o.head = append(o.head, "a=group:BUNDLE "+first)
	}
}

func isDirection(line string) bool {
	return slices.Contains([]string{"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}, line)
}

func isBundle(line string) bool { return strings.HasPrefix(line, "a=group:BUNDLE") }

func (o *whipOffer) text() string {
	return strings.Join(slices.Concat(o.head, slices.Concat(o.sections...)), "\r\n") + "\r\n"
}

// answer takes out of an answer what the offer had not: nobody may be given a group or a name that he has not offered (RFC 9143
// section 7.3).
func (o *whipOffer) answer(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "a=mid:"+madeMid) && (o.bundled || !isBundle(line)) {
			b.WriteString(line)
		}
	}
	return b.String()
}
