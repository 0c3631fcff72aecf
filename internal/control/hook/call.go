package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Event is what a receiver is called for: the value of the field "call".
type Event string

// The events.
const (
	Connect       Event = "connect"
	Disconnect    Event = "disconnect"
	Publish       Event = "publish"
	Play          Event = "play"
	PublishDone   Event = "publish_done"
	PlayDone      Event = "play_done"
	Done          Event = "done"
	UpdatePublish Event = "update_publish"
	UpdatePlay    Event = "update_play"
)

var events = []Event{Connect, Disconnect, Publish, Play, PublishDone, PlayDone, Done, UpdatePublish, UpdatePlay}

// Peer is the connection that a call is about.
type Peer struct {
	App, Flashver, SwfURL, TcURL, PageURL string // as in an RTMP connect command
	Addr                                  netip.Addr
	ClientID                              string // a number, unique among the connections of this run
}

// Call is what a receiver is told.
type Call struct {
	Event           Event
	Peer            Peer
	Name            string // the stream's name within the application
	Type            string // publish: "live", "record" or "append"
	Start, Duration int64  // play, in ms
	Reset           bool   // play
	Epoch           uint32 // connect: the server's clock in ms
	Time            int64  // update: seconds since the session began
	Timestamp       uint32 // update: the stream's time in ms
	Args            string // what the client wrote after '?'

	Stream            string // the full name, whose first segment is the application in Config
	Protocol, Session string // the wire and the session's ID; JSON only
}

// application is the name under which Config has the receivers.
func (c Call) application() string {
	if c.Stream != "" {
		return c.Stream
	}
	return c.Peer.App
}

// hook is the event's name in the configuration.
func (c Call) hook() string {
	if c.Event == UpdatePublish || c.Event == UpdatePlay {
		return "on_update"
	}
	return "on_" + string(c.Event)
}

func (a App) request(ctx context.Context, address string, c Call) (*http.Request, error) {
	if a.Format == JSON {
		body, err := c.json()
		if err != nil {
			return nil, err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
		return typed(request, "application/json"), err
	}
	form := c.form()
	if a.Method == "get" {
		join := "?"
		if strings.Contains(address, "?") {
			join = "&"
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+join+form, nil)
		return typed(request, ""), err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	return typed(request, "application/x-www-form-urlencoded"), err
}

func typed(r *http.Request, contentType string) *http.Request {
	if r == nil {
		return nil
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("User-Agent", "Weir")
	return r
}

// form writes the fields in the order of nginx-rtmp 1.2.2, the client's arguments
// last and as they came.
func (c Call) form() string {
	var f formWriter
	p := c.Peer
	f.add("app", p.App)
	f.add("flashver", p.Flashver)
	f.add("swfurl", p.SwfURL)
	f.add("tcurl", p.TcURL)
	f.add("pageurl", p.PageURL)
	f.add("addr", p.Addr.String())
	if c.Event == Connect {
		f.add("epoch", strconv.FormatUint(uint64(c.Epoch), 10))
	} else {
		f.add("clientid", p.ClientID)
	}
	f.add("call", string(c.Event))
	switch c.Event {
	case Publish:
		f.add("name", c.Name)
		f.add("type", c.Type)
	case Play:
		f.add("name", c.Name)
		// nginx-rtmp prints these as unsigned, so that "live only" (-2000) is 4294965296.
		f.add("start", strconv.FormatUint(uint64(uint32(c.Start)), 10))
		f.add("duration", strconv.FormatUint(uint64(uint32(c.Duration)), 10))
		f.add("reset", map[bool]string{false: "0", true: "1"}[c.Reset])
	case UpdatePublish, UpdatePlay:
		f.add("time", strconv.FormatInt(c.Time, 10))
		f.add("timestamp", strconv.FormatUint(uint64(c.Timestamp), 10))
		f.add("name", c.Name)
	case PublishDone, PlayDone, Done:
		f.add("name", c.Name)
	case Disconnect:
		f.add("app", p.App) // nginx-rtmp sends it twice
	}
	f.args(c.Args)
	return f.String()
}

// trusted are the fields whose value a receiver must be able to believe. Many take
// the last of several values of one name, so a client's argument of such a name
// would let it speak for the server.
var trusted = []string{"app", "addr", "clientid", "call", "name", "tcurl"}

// speaksForServer reports whether a receiver may read an argument's name as a trusted
// field: PHP drops leading spaces and takes "name[x]" and "name\x00x" for "name".
func speaksForServer(name string) bool {
	plain, err := url.QueryUnescape(name)
	if err != nil {
		plain = name
	}
	plain = strings.TrimLeft(plain, " ")
	if at := strings.IndexAny(plain, "[\x00"); at > 0 {
		plain = plain[:at]
	}
	return slices.Contains(trusted, strings.ToLower(plain))
}

type formWriter struct{ strings.Builder }

func (f *formWriter) add(name, value string) {
	if f.Len() > 0 {
		f.WriteByte('&')
	}
	f.WriteString(name)
	f.WriteByte('=')
	f.escape(value, " \"#%&+;<>?\\^`{|}")
}

func (f *formWriter) args(args string) {
	for part := range strings.SplitSeq(args, "&") {
		name, _, _ := strings.Cut(part, "=")
		if part == "" || speaksForServer(name) {
			continue
		}
		f.WriteByte('&')
		f.escape(part, " #\"<>") // what would break out of a request line
	}
}

func (f *formWriter) escape(s, special string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		b := s[i]
		if b <= ' ' || b >= 0x7f || strings.IndexByte(special, b) >= 0 {
			f.WriteByte('%')
			f.WriteByte(hex[b>>4])
			f.WriteByte(hex[b&15])
			continue
		}
		f.WriteByte(b)
	}
}

// json is the other form of a call. Its fields are stable; new ones may come.
func (c Call) json() ([]byte, error) {
	args, err := url.ParseQuery(c.Args)
	if err != nil {
		args = url.Values{"": {c.Args}}
	}
	return json.Marshal(struct {
		Call      Event      `json:"call"`
		Stream    string     `json:"stream,omitempty"`
		App       string     `json:"app"`
		Name      string     `json:"name,omitempty"`
		Protocol  string     `json:"protocol"`
		Session   string     `json:"session_id,omitempty"`
		ClientID  string     `json:"client_id,omitempty"`
		Addr      string     `json:"addr"`
		Flashver  string     `json:"flashver,omitempty"`
		TcURL     string     `json:"tc_url,omitempty"`
		PageURL   string     `json:"page_url,omitempty"`
		SwfURL    string     `json:"swf_url,omitempty"`
		Type      string     `json:"type,omitempty"`
		Seconds   int64      `json:"seconds,omitempty"`
		Timestamp uint32     `json:"timestamp_ms,omitempty"`
		Args      url.Values `json:"args"`
	}{
		c.Event, c.Stream, c.Peer.App, c.Name, c.Protocol, c.Session, c.Peer.ClientID, c.Peer.Addr.String(), c.Peer.Flashver,
		c.Peer.TcURL, c.Peer.PageURL, c.Peer.SwfURL, c.Type, c.Time, c.Timestamp, args,
	})
}
