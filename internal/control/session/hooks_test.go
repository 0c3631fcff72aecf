package session

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/hook"
)

// hookServer is a real receiver of callbacks.
func hookServer(t *testing.T, answer func(call string, form url.Values) (int, string)) (hook.App, chan url.Values) {
	t.Helper()
	calls := make(chan url.Values, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		code, location := answer(r.PostForm.Get("call"), r.PostForm)
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(code)
		calls <- r.PostForm
	}))
	t.Cleanup(server.Close)
	u := server.URL
	return hook.App{OnConnect: u, OnDisconnect: u, OnPublish: u, OnPlay: u, OnPublishDone: u, OnPlayDone: u, OnDone: u, OnUpdate: u, UpdateEvery: time.Second}, calls
}

func hooks(t *testing.T, app hook.App) *hook.Hooks {
	t.Helper()
	h, err := hook.New(hook.Config{Apps: map[string]hook.App{"live": app}}, (&net.Dialer{}).DialContext, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// judged is a door where on_publish and on_play of the application live decide.
func judged(t *testing.T) (*Door, chan url.Values) {
	t.Helper()
	app, calls := hookServer(t, func(call string, form url.Values) (int, string) {
		switch {
		case form.Get("user") == "anna", call == "connect":
			return 200, ""
		case form.Get("name") == "rename":
			return 302, "studio"
		case form.Get("name") == "trap":
			return 302, "../../etc"
		case form.Get("name") == "relay":
			return 302, "rtmp://198.51.100.9/live/x"
		}
		return 403, ""
	})
	app.OnUpdate = ""
	return door(t, Config{Keys: keys(t, t.TempDir()), Hooks: hooks(t, app), Policy: policy(t, access.Config{PublishOpen: []string{"all"}})}), calls
}

// overRTMP adds what an RTMP connection brings along.
func overRTMP(a Action, name string) Request {
	r := request(a, name, far)
	r.App, r.TcURL, r.Flashver, r.ClientID = "live", "rtmp://h/live", "FMLE", "7"
	return r
}

func TestHookDecidesAlone(t *testing.T) {
	d, calls := judged(t)
	wantCode(t, d.Connect(t.Context(), overRTMP("", "")), "")
	if got := <-calls; got.Get("call") != "connect" || got.Get("app") != "live" || got.Get("epoch") == "" {
		t.Errorf("connect: %v", got)
	}
	refused(t, d, overRTMP(Publish, "live/show"), "hook_refused") // although its address is open
	<-calls
	r := overRTMP(Publish, "live/show")
	r.Args = "user=anna"
	s := mustOpen(t, d, r)
	want := url.Values{
		"app": {"live"}, "flashver": {"FMLE"}, "swfurl": {""}, "tcurl": {"rtmp://h/live"}, "pageurl": {""}, "addr": {"198.51.100.7"}, "clientid": {"7"},
		"call": {"publish"}, "name": {"show"}, "type": {"live"}, "user": {"anna"},
	}
	if got := <-calls; got.Encode() != want.Encode() {
		t.Errorf("publish: %v", got)
	}
	s.Close(nil)
	done := []string{(<-calls).Get("call"), (<-calls).Get("call")}
	if slices.Sort(done); !slices.Equal(done, []string{"done", "publish_done"}) {
		t.Errorf("told %v", done)
	}
	d.Disconnect(r)
	if got := <-calls; got.Get("call") != "disconnect" || got.Get("clientid") != "7" {
		t.Errorf("disconnect: %v", got)
	}

	refused(t, d, request(Publish, "other/show", "198.51.100.8:1"), "") // no hook there, and its address is open
}

func TestReceiverIsSparedGuesses(t *testing.T) {
	app, calls := hookServer(t, func(string, url.Values) (int, string) { return 403, "" })
	d := door(t, Config{Hooks: hooks(t, app), Rates: Rates{Refused: access.Rate{PerSecond: 0.01, Burst: 3}}})
	for range 3 {
		refused(t, d, request(Play, "live/show", far), "hook_refused")
	}
	refused(t, d, request(Play, "live/show", far), "rate_limited")
	refused(t, d, request(Play, "live/show", "198.51.100.8:1"), "hook_refused")
	mustOpen(t, d, request(Play, "other/show", far)).Close(nil) // where no hook is asked, nothing is limited
	if len(calls) != 4 {
		t.Errorf("%d calls", len(calls))
	}
}

func TestHookRenamesAndRedirects(t *testing.T) {
	d, calls := judged(t)
	if s := mustOpen(t, d, overRTMP(Publish, "live/rename")); s.Name() != "live/studio" || s.info().Name != "live/studio" {
		t.Errorf("renamed to %s", s.Name())
	}
	if total, _ := d.Viewers("live/studio"); total != 0 {
		t.Error("a publisher is a viewer")
	}
	refused(t, d, overRTMP(Publish, "live/trap"), "hook_failed")
	if s := mustOpen(t, d, overRTMP(Play, "live/relay")); s.Redirect() != "rtmp://198.51.100.9/live/x" || s.Name() != "live/relay" {
		t.Errorf("redirected to %q", s.Redirect())
	}
	// Other protocols than RTMP bring their query and no application.
	web := request(Publish, "live/a/b", far)
	web.Protocol, web.Query, web.UserAgent = "whip", url.Values{"user": {"anna"}}, "browser"
	web.Key = "K" // from the Authorization header
	mustOpen(t, d, web)
	for got := range calls {
		if got.Get("name") == "a/b" {
			if got.Get("app") != "live" || got.Get("user") != "anna" || got.Get("key") != "K" || got.Get("flashver") != "browser" || got.Get("clientid") == "" {
				t.Errorf("whip: %v", got)
			}
			break
		}
	}
}

// The door owns its hooks: goleak would find those that it forgot.
func TestHooksAreClosed(t *testing.T) {
	app, calls := hookServer(t, func(string, url.Values) (int, string) { return 200, "" })
	fresh := func() *hook.Hooks {
		h, err := hook.New(hook.Config{Apps: map[string]hook.App{"*": app}}, (&net.Dialer{}).DialContext, discard)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	d := New(Config{Hooks: fresh()}, discard)
	s := mustOpen(t, d, request(Publish, "live/a", far))
	d.SetConfig(Config{Hooks: fresh()})
	last := fresh()
	d.SetConfig(Config{Hooks: last})
	d.SetConfig(Config{Hooks: last, Idle: time.Minute})
	s.Close(nil)
	d.Close()
	told := []string{(<-calls).Get("call"), (<-calls).Get("call"), (<-calls).Get("call")}
	if slices.Sort(told); !slices.Equal(told, []string{"done", "publish", "publish_done"}) {
		t.Errorf("told %v", told)
	}
}

func TestUpdateHookEndsSessions(t *testing.T) {
	app, calls := hookServer(t, func(call string, form url.Values) (int, string) {
		if strings.HasPrefix(call, "update") && form.Get("time") != "1" {
			return 404, ""
		}
		return 200, ""
	})
	d := door(t, Config{Hooks: hooks(t, app)})
	internal := request(Publish, "live/show", far)
	internal.Internal = true
	mustOpen(t, d, internal).Stamp(90000)
	s := mustOpen(t, d, request(Play, "live/show", far))
	<-s.Context().Done()
	wantCode(t, context.Cause(s.Context()), "hook_refused")
	updates := 0
	for got := range calls {
		if got.Get("call") == "update_play" {
			updates++
			if got.Get("timestamp") != "90000" || got.Get("name") != "show" {
				t.Errorf("update: %v", got)
			}
		}
		if got.Get("call") == "done" {
			break
		}
	}
	if updates != 2 {
		t.Errorf("%d updates", updates)
	}
}

// Receivers know clients by their number, so that of a viewer over HTTP is not that of an RTMP connection.
func TestNumbersAreSharedByAllProtocols(t *testing.T) {
	d, calls := judged(t)
	r := overRTMP(Publish, "live/rename")
	r.ClientID = d.Number()
	mustOpen(t, d, r)
	web := request(Play, "live/rename", far)
	web.Protocol = "hls"
	mustOpen(t, d, web)
	if a, b := (<-calls).Get("clientid"), (<-calls).Get("clientid"); a == b {
		t.Errorf("both are number %s", a)
	}
}
