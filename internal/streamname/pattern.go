package streamname

import (
	"fmt"
	"strings"
)

// CheckPattern returns nil if p is a legal pattern: a stream name in which whole
// segments may be '*'. A last '*' covers one or more segments, an earlier one
// exactly one: "live/*" covers live/show and live/a/b, "*/show" covers live/show,
// "*" covers every name. The codes are those of Check.
func CheckPattern(p string) error {
	if p == "*" {
		return nil
	}
	if p == "" {
		return bad("name_empty", "The pattern is empty.")
	}
	if len(p) > MaxBytes {
		return Check(p)
	}
	segments := strings.Split(p, "/")
	if len(segments) > MaxSegments {
		return bad("name_too_deep", fmt.Sprintf("The pattern %s has %d parts; %d are allowed.", Quote(p), len(segments), MaxSegments))
	}
	for i, segment := range segments {
		if segment == "*" {
			// "x" is legal anywhere: what remains is checked as a name.
			segments[i] = "x"
		}
	}
	return Check(strings.Join(segments, "/"))
}

// Match reports whether the legal pattern p covers the legal name.
func Match(p, name string) bool {
	for {
		want, restP, moreP := strings.Cut(p, "/")
		have, restName, moreName := strings.Cut(name, "/")
		switch {
		case want == "*" && !moreP:
			return have != ""
		case want != "*" && want != have:
			return false
		case moreP != moreName:
			return false
		case !moreP:
			return true
		}
		p, name = restP, restName
	}
}
