package hook

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"weir/internal/fault"
	"weir/internal/netguard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a real HTTP server that keeps what it is sent.
type receiver struct {
	*httptest.Server
	requests chan *http.Request
	bodies   chan string
}

func receive(t *testing.T, answer http.HandlerFunc) receiver {
	t.Helper()
	r := receiver{requests: make(chan *http.Request, 100), bodies: make(chan string, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.requests <- q
		r.bodies <- string(body)
		answer(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

func status(code int, location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(code)
	}
}

func hooks(t *testing.T, a App) *Hooks {
	t.Helper()
	h, err := New(Config{Apps: map[string]App{"live": a}}, (&net.Dialer{}).DialContext, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func sample(e Event) Call {
	return Call{
		Event: e, Stream: "live/show", Name: "show", Type: "live", Start: -2000, Args: "user=anna&note=x%20y", Time: 30, Timestamp: 29966,
		Protocol: "rtmp", Session: "01ABC",
		Peer: Peer{
			App: "live", Flashver: "FMLE/3.0 (compatible; FMSc/1.0)", TcURL: "rtmp://h/live", Addr: netip.MustParseAddr("192.0.2.7"), ClientID: "3",
		},
	}
}

func TestForms(t *testing.T) {
	const head = "app=live&flashver=FMLE/3.0%20(compatible%3B%20FMSc/1.0)&swfurl=&tcurl=rtmp://h/live&pageurl=&addr=192.0.2.7&"
	const tail = "&user=anna&note=x%20y"
	for e, want := range map[Event]string{
		Connect:       head + "epoch=0&call=connect" + tail,
		Disconnect:    head + "clientid=3&call=disconnect&app=live" + tail,
		Publish:       head + "clientid=3&call=publish&name=show&type=live" + tail,
		Play:          head + "clientid=3&call=play&name=show&start=4294965296&duration=0&reset=0" + tail,
		PublishDone:   head + "clientid=3&call=publish_done&name=show" + tail,
		PlayDone:      head + "clientid=3&call=play_done&name=show" + tail,
		Done:          head + "clientid=3&call=done&name=show" + tail,
		UpdatePublish: head + "clientid=3&call=update_publish&time=30&timestamp=29966&name=show" + tail,
		UpdatePlay:    head + "clientid=3&call=update_play&time=30&timestamp=29966&name=show" + tail,
	} {
		if got := sample(e).form(); got != want {
			t.Errorf("%s\n got %s\nwant %s", e, got, want)
		}
	}
}

func TestClientCannotSpeakForTheServer(t *testing.T) {
	c := sample(Publish)
	c.Args = "addr=127.0.0.1&%20addr=127.0.0.1&+app=x&name[a]=x&name%00=x&key=K&%6Eame=other&NAME=x&call=play&&a b=\r\nHost: x&ok=1"
	got := c.form()
	if strings.ContainsAny(got, " \r\n") || !strings.HasSuffix(got, "&type=live&key=K&a%20b=%0D%0AHost:%20x&ok=1") {
		t.Fatalf("form %s", got)
	}
}

func TestPostAndGet(t *testing.T) {
	r := receive(t, status(200, ""))
	for method, app := range map[string]App{
		http.MethodPost: {OnPublish: r.URL + "/auth"},
		http.MethodGet:  {OnPublish: r.URL + "/auth?x=1", Method: "get"},
	} {
		if _, err := hooks(t, app).Ask(t.Context(), sample(Publish)); err != nil {
			t.Fatal(err)
		}
		request, body := <-r.requests, <-r.bodies
		got := body
		if method == http.MethodGet {
			got = strings.TrimPrefix(request.URL.RawQuery, "x=1&")
		}
		if request.Method != method || request.URL.Path != "/auth" || got != sample(Publish).form() {
			t.Errorf("%s %s with %q", request.Method, request.URL, body)
		}
		if method == http.MethodPost && request.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("content type %q", request.Header.Get("Content-Type"))
		}
	}
}

func TestAnswers(t *testing.T) {
	long := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", maxAnswer+1))
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   Answer
		code   string
	}{
		{"2xx", status(204, ""), Answer{}, ""},
		{"rename", status(302, "other"), Answer{Rename: "other", moved: true}, ""},
		{"redirect", status(301, "RTMP://h/live/x"), Answer{Redirect: "RTMP://h/live/x", moved: true}, ""},
		{"redirect over TLS", status(307, "rtmps://h/live/x"), Answer{Redirect: "rtmps://h/live/x", moved: true}, ""},
		{"3xx without an address", status(302, ""), Answer{moved: true}, ""},
		{"4xx", status(403, ""), Answer{}, "hook_refused"},
		{"5xx", status(500, ""), Answer{}, "hook_refused"},
		{"a long page", long, Answer{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := receive(t, c.answer)
			got, err := hooks(t, App{OnPublish: r.URL}).Ask(t.Context(), sample(Publish))
			if fault.Code(err) != c.code || got != c.want {
				t.Fatalf("%+v, %v", got, err)
			}
			if len(r.requests) != 1 {
				t.Fatalf("%d requests: a redirect was followed", len(r.requests))
			}
		})
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		body string
		want Answer
		code string
	}{
		{``, Answer{}, ""},
		{` {"allow": true} `, Answer{}, ""},
		{`{}`, Answer{}, ""},
		{`{"name": "other"}`, Answer{Rename: "other"}, ""},
		{`{"redirect": "rtmp://h/live/x"}`, Answer{Redirect: "rtmp://h/live/x"}, ""},
		{`{"allow": false, "message": "Not today.\u0007"}`, Answer{}, "hook_refused"},
		{`{"redirect": "http://h/"}`, Answer{}, "hook_failed"},
		{`no`, Answer{}, "hook_failed"},
		{`{"allow": "yes"}`, Answer{}, "hook_failed"},
		{`{}` + strings.Repeat(" ", maxAnswer), Answer{}, "hook_failed"},
	} {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) })
		got, err := hooks(t, App{OnPublish: r.URL, Format: JSON}).Ask(t.Context(), sample(Publish))
		if fault.Code(err) != c.code || got != c.want {
			t.Errorf("%s: %+v, %v", c.body, got, err)
		}
		if c.code == "hook_refused" && !strings.HasSuffix(fault.Of(err).Message, "refused live/show: Not today.") {
			t.Errorf("message %q", fault.Of(err).Message)
		}
		var sent map[string]any
		if err := json.Unmarshal([]byte(<-r.bodies), &sent); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"call": "publish", "stream": "live/show", "app": "live", "name": "show", "protocol": "rtmp", "session_id": "01ABC", "client_id": "3",
			"addr": "192.0.2.7", "flashver": "FMLE/3.0 (compatible; FMSc/1.0)", "tc_url": "rtmp://h/live", "type": "live",
			"seconds": 30.0, "timestamp_ms": 29966.0, "args": map[string]any{"user": []any{"anna"}, "note": []any{"x y"}},
		}
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestSilenceRefuses(t *testing.T) {
	hang := make(chan struct{})
	slow := receive(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	defer close(hang)
	gone := httptest.NewServer(nil)
	gone.Close()
	for address, says := range map[string]string{slow.URL: "in time", gone.URL: "did not answer"} {
		h := hooks(t, App{OnPublish: address, Timeout: 50 * time.Millisecond})
		_, err := h.Ask(t.Context(), sample(Publish))
		if fault.Code(err) != "hook_failed" || !strings.Contains(fault.Of(err).Message, says) {
			t.Errorf("error %v", err)
		}
		if s := h.Stats(); s.Asked != 1 || s.Failed != 1 || s.Refused != 0 {
			t.Errorf("stats %+v", s)
		}
	}
}

func TestGuardedDialing(t *testing.T) {
	r := receive(t, status(200, ""))
	closed, _ := netguard.New(netguard.Config{})
	open, _ := netguard.New(netguard.Config{Allow: netguard.Local()})
	for guard, want := range map[*netguard.Guard]string{closed: "hook_failed", open: ""} {
		h, err := New(Config{Apps: map[string]App{"*": {OnPublish: r.URL}}}, guard.DialContext, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Ask(t.Context(), sample(Publish)); fault.Code(err) != want {
			t.Errorf("error %v, want %q", err, want)
		}
		h.Close()
	}
}

func TestTell(t *testing.T) {
	r := receive(t, status(500, ""))
	h := hooks(t, App{OnPublishDone: r.URL + "/pd", OnDone: r.URL + "/d"})
	h.Tell(sample(PublishDone))
	h.Tell(sample(Done))
	h.Tell(sample(PlayDone)) // nobody wants it
	paths := map[string]bool{(<-r.requests).URL.Path: true, (<-r.requests).URL.Path: true}
	if !paths["/pd"] || !paths["/d"] {
		t.Errorf("told %v", paths)
	}
	h.Close()
	h.Close()
	h.Tell(sample(Done)) // after the end: nothing happens
	if s := h.Stats(); s.Told != 2 || s.Dropped != 0 || s.Failed != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A receiver hears of one client in the order of things, though others are told at the same time.
func TestOneClientsCallsComeInOrder(t *testing.T) {
	release := make(chan struct{})
	r := receive(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/pd" {
			<-release
		}
	})
	h := hooks(t, App{OnPublishDone: r.URL + "/pd", OnDone: r.URL + "/d", OnDisconnect: r.URL + "/dc", Method: "get"})
	h.Tell(sample(PublishDone))
	h.Tell(sample(Done))
	h.Tell(sample(Disconnect))
	other := sample(Done)
	other.Peer.ClientID = "4"
	h.Tell(other)
	var got []string
	for i := range 4 {
		q := <-r.requests
		got = append(got, q.URL.Path+" "+q.URL.Query().Get("clientid"))
		if i == 1 {
			close(release)
		}
	}
	slices.Sort(got[:2])
	if diff := cmp.Diff([]string{"/d 4", "/pd 3", "/d 3", "/dc 3"}, got); diff != "" {
		t.Error(diff)
	}
}

// A receiver that hangs at one client's calls does not keep others from being told, and is not asked again meanwhile.
func TestOneClientTakesOneWorker(t *testing.T) {
	release := make(chan struct{})
	r := receive(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("clientid") == "3" {
			<-release
		}
	})
	h := hooks(t, App{OnDone: r.URL, OnUpdate: r.URL, Method: "get"})
	kept := make(chan error, workers)
	for range workers {
		h.Tell(sample(Done))
		h.Update(sample(UpdatePlay), func(err error) { kept <- err })
	}
	for range workers {
		if err := <-kept; err != nil {
			t.Error(err)
		}
	}
	other := sample(Done)
	other.Peer.ClientID = "4"
	h.Tell(other)
	a, b := (<-r.requests).URL.Query().Get("clientid"), (<-r.requests).URL.Query().Get("clientid")
	if a+b != "34" && a+b != "43" {
		t.Errorf("told of %s and %s", a, b)
	}
	close(release)
	h.Close()
	if s := h.Stats(); s.Told != workers+1 || s.Dropped != 0 || s.Queued != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestQueueIsBoundedAndCloseEnds(t *testing.T) {
	reached := make(chan struct{}, workers)
	r := receive(t, func(_ http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-r.Context().Done()
	})
	h := hooks(t, App{OnDone: r.URL, OnUpdate: r.URL})
	for i := range workers {
		c := sample(Done)
		c.Peer.ClientID = strconv.Itoa(i)
		h.Tell(c)
	}
	for range workers {
		<-reached
	}
	for range queueLength + 10 {
		h.Tell(sample(Done))
	}
	kept := make(chan error, 1)
	other := sample(UpdatePlay)
	other.Peer.ClientID = "99"
	h.Update(other, func(err error) { kept <- err })
	if err := <-kept; err != nil {
		t.Errorf("a full queue ends sessions: %v", err)
	}
	if s := h.Stats(); s.Dropped != 11 || s.Queued != queueLength {
		t.Errorf("stats %+v", s)
	}
	h.cancel() // as Close does after some seconds
	h.Close()
	if s := h.Stats(); s.Queued != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestUpdates(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	address := map[string]string{
		"2xx": receive(t, status(200, "")).URL, "3xx": receive(t, status(302, "")).URL, "4xx": receive(t, status(404, "")).URL, "silence": gone.URL,
	}
	for _, c := range []struct {
		answer string
		strict bool
		code   string
	}{
		{"2xx", false, ""}, {"3xx", false, ""}, {"4xx", false, "hook_refused"}, {"silence", false, ""},
		{"2xx", true, ""}, {"3xx", true, "hook_refused"}, {"4xx", true, "hook_refused"}, {"silence", true, "hook_failed"},
	} {
		h := hooks(t, App{OnUpdate: address[c.answer], UpdateStrict: c.strict})
		judged := make(chan error, 1)
		h.Update(sample(UpdatePublish), func(err error) { judged <- err })
		if err := <-judged; fault.Code(err) != c.code {
			t.Errorf("%s, strict %v: %v", c.answer, c.strict, err)
		}
	}
}

func TestApps(t *testing.T) {
	c := Config{Apps: map[string]App{
		"*":    {OnPlay: "http://a/play", Timeout: time.Second, UpdateStrict: true},
		"live": {OnPublish: "http://b/publish", Method: "get"},
	}}
	h, err := New(c, (&net.Dialer{}).DialContext, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	live := App{
		OnPublish: "http://b/publish", OnPlay: "http://a/play", Method: "get", Format: Form,
		UpdateEvery: 30 * time.Second, Timeout: time.Second, UpdateStrict: true,
	}
	other := App{OnPlay: "http://a/play", Method: "post", Format: Form, UpdateEvery: 30 * time.Second, Timeout: time.Second, UpdateStrict: true}
	for name, want := range map[string]App{"live/show": live, "live": live, "other/show": other, "": other} {
		if diff := cmp.Diff(want, h.App(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if !live.Sessions() || (App{OnConnect: "x"}).Sessions() {
		t.Error("Sessions")
	}
	for _, bad := range []App{
		{OnPlay: "rtmp://x"}, {OnPlay: "http://"}, {OnUpdate: "x"}, {OnConnect: "%zz"}, {Method: "put"}, {Format: "xml"}, {Timeout: -1}, {UpdateEvery: time.Millisecond},
	} {
		if err := h.SetConfig(Config{Apps: map[string]App{"live": bad}}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if _, err := New(Config{Apps: map[string]App{"x": {Format: "xml"}}}, nil, nil); err == nil {
		t.Error("New took it")
	}
	if _, err := h.Ask(context.Background(), Call{Event: Publish, Stream: "other/x"}); err != nil {
		t.Errorf("no hook is no reason to refuse: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"allow":false,"message":"x"}`, `{"name":"a/../b"}`, `{"redirect":"rtmp://x"}`, `{`, ``, `[]`, "{\"message\":\"\\u202e\",\"allow\":false}"} {
		f.Add(JSON, 200, "", s)
	}
	f.Add(Form, 302, "rtmp://h/x", "")
	f.Add(Form, 302, "other", "")
	f.Add(Form, 599, "", "")
	f.Fuzz(func(t *testing.T, format string, status int, location, body string) {
		answer, err := parse(sample(Publish), format, status, location, []byte(body))
		if err != nil {
			fe := fault.Of(err)
			if fe.Code != "hook_refused" && fe.Code != "hook_failed" || answer != (Answer{}) || len(fe.Message) > 400 || strings.ContainsAny(fe.Message, "\r\n\x00\u202e") {
				t.Fatalf("%+v, %q", answer, fe.Message)
			}
			return
		}
		if status < 200 || status >= 400 {
			t.Fatalf("%d allows", status)
		}
		if answer.Redirect != "" && !isRTMP(answer.Redirect) {
			t.Fatalf("redirect %q", answer.Redirect)
		}
	})
}

// Whatever a client sends, the form has one line, can be read back, and says of the
// server's own fields what the server says.
func FuzzForm(f *testing.F) {
	f.Add("live", "show", "key=K&a=b", "FMLE/3.0 (x)", "rtmp://h/live?x=y#z")
	f.Add("l&call=x", "a=b", "addr=1&%61ddr=2&=3&;&&", "\x00\xff", "%")
	f.Add("", "直播", "name", " ", "\r\n")
	f.Fuzz(func(t *testing.T, app, name, args, flashver, tcURL string) {
		c := Call{Event: Publish, Name: name, Type: "live", Args: args, Peer: Peer{App: app, Flashver: flashver, TcURL: tcURL, Addr: netip.MustParseAddr("192.0.2.7"), ClientID: "9"}}
		form := c.form()
		for i := range len(form) {
			if form[i] <= ' ' || form[i] >= 0x7f {
				t.Fatalf("the byte %#x is in %q", form[i], form)
			}
		}
		values := make(map[string][]string)
		for part := range strings.SplitSeq(form, "&") {
			key, value, _ := strings.Cut(part, "=")
			k, err1 := url.QueryUnescape(key)
			v, err2 := url.QueryUnescape(value)
			if err1 == nil && err2 == nil {
				values[k] = append(values[k], v)
			}
		}
		for field, want := range map[string]string{"app": app, "name": name, "addr": "192.0.2.7", "clientid": "9", "call": "publish", "tcurl": tcURL} {
			if len(values[field]) != 1 || values[field][0] != want {
				t.Fatalf("%s is %q, want %q, in %s", field, values[field], want, form)
			}
		}
		if _, err := c.json(); err != nil {
			t.Fatal(err)
		}
		if r, err := (App{Method: "get"}).request(context.Background(), "http://h/x", c); err != nil || r.URL.RawQuery != form {
			t.Fatalf("%v", err)
		}
	})
}

func BenchmarkForm(b *testing.B) {
	c := sample(UpdatePublish)
	b.ReportAllocs()
	for b.Loop() {
		_ = c.form()
	}
}
