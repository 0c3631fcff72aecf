package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"weir/internal/fault"
)

const maxReason = 200 // bytes of a receiver's sentence that are passed on

// Answer is what a receiver that allows may ask for besides.
type Answer struct {
	Rename   string // a stream name within the application; "": keep the client's
	Redirect string // an rtmp:// or rtmps:// address to push to or pull from
	moved    bool   // the answer was 3xx
}

// parse gives an answer its meaning: 2xx allows, 3xx allows under the name or with
// the address in Location, anything else refuses.
func parse(c Call, format string, status int, location string, body []byte) (Answer, error) {
	switch {
	case status >= 200 && status < 300:
		if format == JSON {
			return parseJSON(c, body)
		}
		return Answer{}, nil
	case status >= 300 && status < 400:
		return parseLocation(location), nil
	default:
		return Answer{}, refused(c, fmt.Sprintf("it answered %d", status))
	}
}

func parseLocation(location string) Answer {
	location = strings.TrimSpace(location)
	if isRTMP(location) {
		return Answer{Redirect: location, moved: true}
	}
	return Answer{Rename: location, moved: true}
}

func isRTMP(address string) bool {
	for _, scheme := range []string{"rtmp://", "rtmps://"} {
		if len(address) > len(scheme) && strings.EqualFold(address[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// parseJSON reads {"allow": …, "name": …, "redirect": …, "message": …}; all may be
// missing, and so may the body.
func parseJSON(c Call, body []byte) (Answer, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Answer{}, nil
	}
	var a struct {
		Allow                   *bool
		Name, Redirect, Message string
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return Answer{}, fault.Wrap(err, fault.Unavailable, "hook_failed", fmt.Sprintf("The answer of the %s hook for %s is not the JSON it should be.", c.hook(), c.Stream),
			`The receiver should answer {"allow": true} or nothing.`)
	}
	if a.Allow != nil && !*a.Allow {
		return Answer{}, refused(c, a.Message)
	}
	if a.Redirect != "" && !isRTMP(a.Redirect) {
		return Answer{}, fault.New(fault.Unavailable, "hook_failed", fmt.Sprintf("The %s hook for %s redirects to what is no RTMP address.", c.hook(), c.Stream),
			"The receiver should redirect to an address that starts with rtmp:// or rtmps://.")
	}
	return Answer{Rename: a.Name, Redirect: a.Redirect}, nil
}

func refused(c Call, reason string) error {
	message := fmt.Sprintf("The server's %s hook refused %s", c.hook(), c.Stream)
	if reason = printable(reason); reason != "" {
		message += ": " + strings.TrimSuffix(reason, ".")
	}
	return fault.New(fault.Forbidden, "hook_refused", message+".", "Ask who runs the server for access.")
}

// printable keeps a receiver's sentence short and free of control characters.
func printable(s string) string {
	if len(s) > maxReason {
		s = s[:maxReason]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s))
}
