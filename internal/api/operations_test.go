package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"weir/internal/control/access"
	"weir/internal/control/session"
)

// book is openapi.json as an outsider reads it.
type book struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string                `json:"operationId"`
		Security    []map[string][]string `json:"security"`
		Responses   map[string]struct {
			Content map[string]any `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

func (w *world) book() book {
	w.t.Helper()
	var b book
	w.do(http.MethodGet, "/api/openapi.json", "", nil).expect(http.StatusOK, "").into(&b)
	return b
}

// client calls operations by the names they have in openapi.json, and remembers which.
type client struct {
	*world
	book   book
	called map[string]bool
}

func (w *world) client() *client { return &client{world: w, book: w.book(), called: map[string]bool{}} }

// call an operation as the owner, with the values of the path's parameters and a query behind "?".
func (c *client) call(id, param string, body any, change ...func(*http.Request)) answer {
	c.t.Helper()
	for path, methods := range c.book.Paths {
		for method, o := range methods {
			if o.OperationID != id {
				continue
			}
			template := path
			value, query, _ := strings.Cut(param, "?")
			if i := strings.IndexByte(path, '{'); i >= 0 {
				j := strings.IndexByte(path, '}')
				path = path[:i] + url.PathEscape(value) + path[j+1:]
			}
			if query != "" {
				path += "?" + query
			}
			a := c.do(strings.ToUpper(method), path, c.admin, body, change...)
			if a.status/100 == 2 {
				c.called[id] = true
			}
			c.asDescribed(template, method, a)
			return a
		}
	}
	c.t.Fatalf("openapi.json has no operation %s", id)
	return answer{}
}

// asDescribed holds an answer against the schema that the description gives for its status.
func (c *client) asDescribed(template, method string, a answer) {
	c.t.Helper()
	described := c.api.huma.OpenAPI()
	item := described.Paths[template]
	o := map[string]*huma.Operation{"get": item.Get, "post": item.Post, "put": item.Put, "patch": item.Patch, "delete": item.Delete}[method]
	response := o.Responses[strconv.Itoa(a.status)]
	if response == nil && a.status/100 != 2 {
		response = o.Responses["default"]
	}
	if response == nil {
		c.t.Fatalf("%s %s does not describe the status %d", method, template, a.status)
	}
	media := response.Content[a.header.Get("Content-Type")]
	if media == nil {
		if len(response.Content) > 0 || len(a.body) > 0 {
			c.t.Fatalf("%s %s answers %d as %q: %s", method, template, a.status, a.header.Get("Content-Type"), a.body)
		}
		return
	}
	var v any
	a.into(&v)
	res := &huma.ValidateResult{}
	huma.Validate(described.Components.Schemas, media.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, res)
	for _, err := range res.Errors {
		c.t.Errorf("%s %s: %v in %s", method, template, err, a.body)
	}
}

// TestEveryOperation goes through the whole interface with the real rooms, and holds
// that no operation of openapi.json was left out.
func TestEveryOperation(t *testing.T) {
	c := newWorld(t).client()
	if c.book.OpenAPI != "3.1.0" {
		t.Errorf("openapi %s", c.book.OpenAPI)
	}
	t.Run("streams", c.streams)
	t.Run("refused", c.refused)
	t.Run("keys", c.keys)
	t.Run("tokens", c.tokens)
	t.Run("relays", c.relayed)
	t.Run("recordings", c.recordings)
	t.Run("webhooks", c.webhooks)
	t.Run("events", c.events)
	t.Run("session", c.session) // last: it sets a password
	var listed []string
	for _, methods := range c.book.Paths {
		for _, o := range methods {
			listed = append(listed, o.OperationID)
		}
	}
	slices.Sort(listed)
	if called := slices.Sorted(maps.Keys(c.called)); !slices.Equal(listed, called) {
		t.Errorf("openapi.json lists %v, the test called %v", listed, called)
	}
}

func (c *client) streams(t *testing.T) {
	c.t = t
	var source TestSource
	c.call("create-test-source", "", nil).expect(http.StatusCreated, "").into(&source)
	if source.Stream != "live/test" || source.ID == "" {
		t.Errorf("%+v", source)
	}
	c.call("create-test-source", "", map[string]any{"stream": "live/test"}).expect(http.StatusConflict, "stream_busy")
	c.call("create-test-source", "", map[string]any{"stream": "live//test"}).expect(http.StatusBadRequest, "name_empty")
	var sources Page[TestSource]
	c.call("list-test-sources", "", nil).into(&sources)
	if len(sources.Items) != 1 || sources.Items[0] != source {
		t.Errorf("%+v", sources)
	}
	var all Page[Stream]
	c.call("list-streams", "", nil).into(&all)
	if len(all.Items) != 1 || all.Items[0].Name != "live/test" || all.Items[0].State != "live" || all.NextCursor != "" {
		t.Fatalf("%+v", all)
	}
	c.eventually("figures of the stream", func() bool {
		var s Stream
		c.call("get-stream", "live/test", nil).expect(http.StatusOK, "").into(&s)
		return s.Publisher != nil && s.Publisher.Protocol == "test" && s.Publisher.SessionID == source.ID && len(s.Tracks) == 2 && s.Tracks[0].Codecs == "avc1.42c01f" &&
			s.InBPS > 1_000_000 && s.Counters.FramesIn > 0 && s.Counters.BytesIn > 0 && s.Thumbnail == "/live/test/poster.jpg" && s.Run > 0
	})
	c.eventually("measured figures and history", func() bool {
		var s Stream
		c.call("get-stream", "live/test", nil).into(&s)
		var h StreamHistory
		c.call("get-stream-history", "live/test", nil).expect(http.StatusOK, "").into(&h)
		video := s.Tracks[0]
		return video.MeasuredFrameRate > 29 && video.MeasuredFrameRate < 31 && video.BitrateBPS > 2_000_000 && !video.BFrames && s.Verdict.Grade == "good" &&
			len(h.Points) >= 2 && h.IntervalS == 1 && h.Points[1].InBPS > 1_000_000 && !h.Points[1].At.IsZero()
	})
	c.call("get-stream-history", "live/none", nil).expect(http.StatusNotFound, "stream_unknown")
	var watch Watch
	c.call("watch", "live/test", nil).expect(http.StatusOK, "").into(&watch)
	if watch.State != "live" || watch.Video.Codec != "H.264" || watch.Audio.Codecs != "mp4a.40.2" || !watch.Outputs["hls"].OK || !watch.IsOwner {
		t.Errorf("%+v", watch)
	}
	var open Page[Public]
	c.call("list-watch", "", nil).expect(http.StatusOK, "").into(&open)
	if len(open.Items) != 1 || open.Items[0].Name != "live/test" || open.Items[0].State != "live" {
		t.Errorf("%+v", open)
	}
	c.connections(source)
	var info SystemInfo
	c.eventually("history of the server", func() bool {
		c.call("get-system", "", nil).expect(http.StatusOK, "").into(&info)
		return len(info.History) > 0
	})
	if info.Version != "0.1.0" || info.Disk.TotalBytes == 0 || info.Ports.RTMP != 1935 || len(info.Gateways) != 1 || info.Totals.Streams != 1 {
		t.Errorf("%+v", info)
	}
	c.call("kick-publisher", "live/test", nil).expect(http.StatusNoContent, "")
	c.eventually("end of the kicked source", func() bool { return c.hub.Stream("live/test") == nil })
	c.call("kick-publisher", "live/test", nil).expect(http.StatusNotFound, "publisher_unknown")
	c.call("get-stream", "live/test", nil).expect(http.StatusNotFound, "stream_unknown")
	c.call("create-test-source", "", map[string]any{}).expect(http.StatusCreated, "").into(&source)
	c.call("delete-test-source", source.ID, nil).expect(http.StatusNoContent, "")
	if c.hub.Stream("live/test") != nil {
		t.Error("the stream of the switched-off source is held")
	}
	c.call("delete-test-source", source.ID, nil).expect(http.StatusNotFound, "test_source_unknown")
}

// connections sees a viewer come and be kicked.
func (c *client) connections(source TestSource) {
	viewer, err := c.door.Open(c.t.Context(), session.Request{Action: session.Play, Protocol: "http-flv", Name: "live/test", UserAgent: "player/1", Remote: somebody()})
	must(c.t, err)
	viewer.Out(500)
	var list Page[Connection]
	c.call("list-sessions", "?stream=live/test&action=", nil).expect(http.StatusOK, "").into(&list)
	if len(list.Items) != 2 || list.Items[0].ID != source.ID || list.Items[0].BPS == 0 {
		c.t.Errorf("%+v", list.Items)
	}
	c.call("list-sessions", "?action=play", nil).into(&list)
	if len(list.Items) != 1 || list.Items[0].ID != viewer.ID() || list.Items[0].BytesOut != 500 || list.Items[0].UserAgent != "player/1" {
		c.t.Errorf("%+v", list.Items)
	}
	var s Stream
	c.call("get-stream", "live/test", nil).into(&s)
	if s.Viewers != 1 || s.ViewersByProtocol["http-flv"] != 1 {
		c.t.Errorf("%d viewers, %v", s.Viewers, s.ViewersByProtocol)
	}
	c.call("kick-session", viewer.ID(), nil).expect(http.StatusNoContent, "")
	<-viewer.Context().Done()
	c.call("kick-session", viewer.ID(), nil).expect(http.StatusNotFound, "session_unknown")
}

func (c *client) refused(t *testing.T) {
	c.t = t
	for range 2 {
		_, err := c.door.Open(t.Context(), session.Request{Action: session.Publish, Protocol: "rtmp", Name: "live/show", Key: "wk_wrong", Remote: somebody()})
		if err == nil {
			t.Fatal("a wrong key was let in")
		}
	}
	var list Page[Attempt]
	c.call("list-attempts", "live/show", nil).expect(http.StatusOK, "").into(&list)
	if len(list.Items) != 1 || list.Items[0].Code != "key_wrong" || list.Items[0].Count != 2 || list.Items[0].Remedy == "" {
		t.Errorf("%+v", list.Items)
	}
	var info PublishInfo
	c.call("get-publish-info", "live/show", nil).expect(http.StatusOK, "").into(&info)
	var secret Secret
	c.call("show-key", info.KeyID, nil).expect(http.StatusOK, "").into(&secret)
	if info.App != "live" || info.Stream != "show" || info.RTMPPort != 1935 || !info.WebRTC || len(info.Addresses) != 1 || info.KeyMasked != access.Mask(secret.Secret) {
		t.Errorf("%+v", info)
	}
	s, err := c.door.Open(t.Context(), session.Request{Action: session.Publish, Protocol: "rtmp", Name: "live/show", Key: secret.Secret})
	must(t, err)
	s.Close(nil)
	again := info
	c.call("get-publish-info", "live/show", nil).into(&again)
	if again.KeyID != info.KeyID {
		t.Error("a second key was made")
	}
	c.call("get-publish-info", "a/b/c", nil).into(&info)
	if info.App != "a/b" || info.Stream != "c" {
		t.Errorf("%+v", info)
	}
}

func (c *client) keys(t *testing.T) {
	c.t = t
	var made Key
	c.call("create-key", "", map[string]any{"name": "studio", "pattern": "live/*"}).expect(http.StatusCreated, "").into(&made)
	if made.Secret == "" || made.Pattern != "live/*" || !slices.Equal(made.Actions, []string{"publish"}) || made.LastUsedAt != nil {
		t.Errorf("%+v", made)
	}
	c.call("create-key", "", map[string]any{"name": "x", "pattern": "api/x"}).expect(http.StatusBadRequest, "name_reserved")
	c.call("create-key", "", map[string]any{"name": "x", "actions": []string{"fly"}}).expect(http.StatusUnprocessableEntity, "request_invalid")
	var shown Secret
	c.call("show-key", made.ID, nil).into(&shown)
	if shown.Secret != made.Secret {
		t.Error("another secret is shown")
	}
	showings, err := c.access.Showings(t.Context(), made.ID, 10)
	must(t, err)
	if len(showings) != 1 || showings[0].Who != "token test" || showings[0].Via != "api" {
		t.Errorf("%+v", showings)
	}
	var turned Key
	c.call("rotate-key", made.ID, nil).expect(http.StatusOK, "").into(&turned)
	if turned.Secret == made.Secret || turned.ShownCount != 1 || turned.RotatedAt == nil {
		t.Errorf("%+v", turned)
	}
	var list Page[Key]
	c.call("list-keys", "", nil).expect(http.StatusOK, "").into(&list)
	if i := slices.IndexFunc(list.Items, func(k Key) bool { return k.ID == made.ID }); i < 0 || list.Items[i].Secret != "" {
		t.Errorf("%+v", list)
	}
	c.call("delete-key", made.ID, nil).expect(http.StatusNoContent, "")
	c.call("delete-key", made.ID, nil).expect(http.StatusNotFound, "key_unknown")
	c.call("show-key", made.ID, nil).expect(http.StatusNotFound, "key_unknown")
}

func (c *client) tokens(t *testing.T) {
	c.t = t
	var made Token
	c.call("create-token", "", map[string]any{"name": "grafana", "scopes": []string{"streams:read"}}).expect(http.StatusCreated, "").into(&made)
	c.do(http.MethodGet, base+"/streams", made.Secret, nil).expect(http.StatusOK, "")
	var list Page[Token]
	c.call("list-tokens", "", nil).expect(http.StatusOK, "").into(&list)
	if i := slices.IndexFunc(list.Items, func(k Token) bool { return k.ID == made.ID }); i < 0 || list.Items[i].Secret != "" || list.Items[i].LastUsedAt == nil {
		t.Errorf("%+v", list)
	}
	c.call("delete-token", made.ID, nil).expect(http.StatusNoContent, "")
	c.do(http.MethodGet, base+"/streams", made.Secret, nil).expect(http.StatusUnauthorized, "token_wrong")
}

func (c *client) relayed(t *testing.T) {
	c.t = t
	for _, kind := range []string{"pull", "push"} {
		lists := map[string]string{"pull": "list-pulls", "push": "list-pushes"}[kind]
		var made Relay
		c.call("create-"+kind, "", map[string]any{"stream": "live/" + kind, "url": "rtmp://u:pw@203.0.113.1/app/SECRET?token=T"}).expect(http.StatusCreated, "").into(&made)
		if made.ID == "" || made.Stream != "live/"+kind || strings.Contains(made.URL, "pw") || strings.Contains(made.URL, "token=T") {
			t.Errorf("%+v", made)
		}
		var list Page[Relay]
		if kind == "pull" {
			c.eventually("a failed attempt", func() bool {
				c.call(lists, "", nil).expect(http.StatusOK, "").into(&list)
				return len(list.Items) == 1 && list.Items[0].LastError != nil && list.Items[0].LastError.Code == "connection_refused" && list.Items[0].NextRetryAt != nil
			})
			var s Stream
			c.call("get-stream", "live/pull", nil).expect(http.StatusOK, "").into(&s)
			if s.State != "idle" {
				t.Errorf("%+v", s)
			}
		}
		c.call(lists, "", nil).into(&list)
		if len(list.Items) != 1 || list.Items[0].ID != made.ID || list.Items[0].State != "waiting" {
			t.Errorf("%+v", list.Items)
		}
		c.call("create-"+kind, "", map[string]any{"stream": "live/x", "url": "file:///etc/passwd"}).expect(http.StatusBadRequest, "address_invalid")
		c.call("delete-"+kind, made.ID, nil).expect(http.StatusNoContent, "")
		c.call("delete-"+kind, made.ID, nil).expect(http.StatusNotFound, kind+"_unknown")
	}
}

func (c *client) webhooks(t *testing.T) {
	c.t = t
	var made Webhook
	c.call("create-webhook", "", map[string]any{"url": "http://127.0.0.1:1/x?k=SECRET", "types": []string{"stream.*"}}).expect(http.StatusCreated, "").into(&made)
	if !strings.HasPrefix(made.Secret, "whsec_") || strings.Contains(made.URL, "SECRET") {
		t.Errorf("%+v", made)
	}
	c.call("create-webhook", "", map[string]any{"url": "http://127.0.0.1/", "types": []string{"system.tick"}}).expect(http.StatusBadRequest, "event_type_unknown")
	var list Page[Webhook]
	c.call("list-webhooks", "", nil).expect(http.StatusOK, "").into(&list)
	if len(list.Items) != 1 || list.Items[0].Secret != "" {
		t.Errorf("%+v", list.Items)
	}
	var deliveries Page[Delivery]
	c.call("list-deliveries", made.ID, nil).expect(http.StatusOK, "").into(&deliveries)
	c.call("delete-webhook", made.ID, nil).expect(http.StatusNoContent, "")
	c.call("list-deliveries", made.ID, nil).expect(http.StatusNotFound, "webhook_unknown")
}

// events only looks that the operation answers; sse_test.go reads it.
func (c *client) events(t *testing.T) {
	c.t = t
	c.call("stream-events", "?types=nonsense", nil).expect(http.StatusBadRequest, "event_type_unknown")
	c.call("stream-events", "?since=nonsense", nil).expect(http.StatusBadRequest, "since_invalid")
	c.listen("").stop()
	c.called["stream-events"] = true // listen got its first byte
}

func (c *client) session(t *testing.T) {
	c.t = t
	var info SessionInfo
	bare := func(r *http.Request) { r.Header.Del("Authorization") }
	c.call("get-session", "", nil, bare).expect(http.StatusOK, "").into(&info)
	if info.SignedIn || info.PasswordSet || info.Setup != "open" || info.FFmpeg.Available || len(info.FFmpeg.Off) != 2 {
		t.Errorf("%+v", info)
	}
	link, err := c.access.LoginLink(t.Context(), access.Owner)
	must(t, err)
	a := c.do(http.MethodGet, "/login/once?token="+link, "", nil)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/console" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	browser := withCookie(a)
	c.call("set-password", "", map[string]any{"password": "short"}, browser).expect(http.StatusUnprocessableEntity, "request_invalid")
	c.call("set-password", "", map[string]any{"password": "a long password"}).expect(http.StatusForbidden, "sign_in_needed")
	c.call("set-password", "", map[string]any{"password": "a long password"}, browser).expect(http.StatusNoContent, "")
	c.call("get-session", "", nil, browser).into(&info)
	if !info.SignedIn || info.User.Role != "owner" || !info.PasswordSet || info.Setup != "done" {
		t.Errorf("%+v", info)
	}
	c.call("create-session", "", map[string]any{"name": "owner", "password": "wrong password"}, bare).expect(http.StatusUnauthorized, "login_failed")
	a = c.call("create-session", "", map[string]any{"name": "owner", "password": "a long password"}, bare).expect(http.StatusOK, "")
	second := withCookie(a)
	c.do(http.MethodGet, base+"/keys", "", nil, second).expect(http.StatusOK, "")
	c.call("delete-session", "", nil, second).expect(http.StatusNoContent, "")
	c.do(http.MethodGet, base+"/keys", "", nil, second).expect(http.StatusUnauthorized, "session_wrong")
	c.do(http.MethodGet, base+"/keys", "", nil, browser).expect(http.StatusOK, "")
	c.do(http.MethodGet, "/login/once?token="+link, "", nil).expect(http.StatusUnauthorized, "link_wrong")
	c.do(http.MethodHead, "/login/once?token="+link, "", nil)
	if a := c.do(http.MethodGet, "/login/once?token="+link, "", nil, browser); a.status != http.StatusSeeOther {
		t.Errorf("who is in already is sent away: %d", a.status)
	}
	page := c.do(http.MethodGet, "/login/once?token="+link, "", nil, func(r *http.Request) {
		r.Header.Set("Accept", "text/html,*/*")
		r.Header.Set("X-Forwarded-For", "192.0.2.9")
	})
	if to := page.header.Get("Location"); page.status != http.StatusSeeOther || to != "/console?refused=link_wrong" {
		t.Errorf("%d to %q", page.status, to)
	}
}

// withCookie makes requests those of the browser that got the answer.
func withCookie(a answer) func(*http.Request) {
	res := http.Response{Header: a.header}
	return func(r *http.Request) {
		r.Header.Del("Authorization")
		for _, c := range res.Cookies() {
			r.AddCookie(c)
		}
	}
}

func somebody() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.7:4000") }

// eventually waits for what other goroutines are about to do.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			w.t.Fatalf("no %s within 10 s", what)
		}
	}
}
