package hook

import (
	"cmp"
	"fmt"
	"net/url"
	"time"

	"weir/internal/fault"
)

// everyApp is the name in Config of what applies to all applications.
const everyApp = "*"

// The forms of a request.
const (
	Form = "form" // application/x-www-form-urlencoded, as nginx-rtmp sends it
	JSON = "json"
)

// Config has the hooks of each application: the first segment of a stream's name.
// The entry "*" fills what an application does not set.
type Config struct{ Apps map[string]App }

// App has the addresses that are called; an empty one is not called.
type App struct {
	OnConnect, OnDisconnect           string        // an RTMP connection comes and goes
	OnPublish, OnPlay                 string        // may refuse, rename or redirect
	OnPublishDone, OnPlayDone, OnDone string        // told afterwards; OnDone for both
	OnUpdate                          string        // every UpdateEvery, may end the session
	Method                            string        // "post" (default) or "get"
	Format                            string        // Form (default) or JSON
	UpdateEvery                       time.Duration // default 30 s
	UpdateStrict                      bool          // anything but 2xx ends the session, also no answer
	Timeout                           time.Duration // for one call; default 10 s
}

// Validate reports the first entry that makes no sense.
func (c Config) Validate() error {
	for name, a := range c.Apps {
		if err := a.validate(); err != nil {
			return fmt.Errorf("hooks of %q: %w", name, err)
		}
	}
	return nil
}

func (a App) validate() error {
	for _, e := range events {
		address := a.address(e)
		if address == "" {
			continue
		}
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fault.New(fault.Invalid, "address_invalid", fmt.Sprintf("%.200q is not an http or https address.", address), "Write it like http://127.0.0.1:9000/publish.")
		}
	}
	if a.Method != "" && a.Method != "get" && a.Method != "post" {
		return fault.New(fault.Invalid, "hook_method_invalid", fmt.Sprintf("There is no hook method %.20q.", a.Method), "The methods are get and post.")
	}
	if a.Format != "" && a.Format != Form && a.Format != JSON {
		return fault.New(fault.Invalid, "hook_format_invalid", fmt.Sprintf("There is no hook format %.20q.", a.Format), "The formats are form and json.")
	}
	if a.Timeout < 0 || a.UpdateEvery < 0 || a.UpdateEvery > 0 && a.UpdateEvery < time.Second {
		return fault.New(fault.Invalid, "hook_time_invalid", "A hook's time is negative, or its update interval under one second.", "Write times like 30s.")
	}
	return nil
}

// complete fills each application from "*" and from the defaults.
func (c Config) complete() map[string]App {
	every := c.Apps[everyApp]
	every.Method = cmp.Or(every.Method, "post")
	every.Format = cmp.Or(every.Format, Form)
	every.UpdateEvery = cmp.Or(every.UpdateEvery, 30*time.Second)
	every.Timeout = cmp.Or(every.Timeout, 10*time.Second)
	apps := map[string]App{everyApp: every}
	for name, a := range c.Apps {
		if name == everyApp {
			continue
		}
		apps[name] = App{
			OnConnect: cmp.Or(a.OnConnect, every.OnConnect), OnDisconnect: cmp.Or(a.OnDisconnect, every.OnDisconnect),
			OnPublish: cmp.Or(a.OnPublish, every.OnPublish), OnPlay: cmp.Or(a.OnPlay, every.OnPlay),
			OnPublishDone: cmp.Or(a.OnPublishDone, every.OnPublishDone), OnPlayDone: cmp.Or(a.OnPlayDone, every.OnPlayDone),
			OnDone: cmp.Or(a.OnDone, every.OnDone), OnUpdate: cmp.Or(a.OnUpdate, every.OnUpdate),
			Method: cmp.Or(a.Method, every.Method), Format: cmp.Or(a.Format, every.Format),
			UpdateEvery: cmp.Or(a.UpdateEvery, every.UpdateEvery), Timeout: cmp.Or(a.Timeout, every.Timeout),
			UpdateStrict: a.UpdateStrict || every.UpdateStrict,
		}
	}
	return apps
}

// address gives the receiver of an event.
func (a App) address(e Event) string {
	switch e {
	case Connect:
		return a.OnConnect
	case Disconnect:
		return a.OnDisconnect
	case Publish:
		return a.OnPublish
	case Play:
		return a.OnPlay
	case PublishDone:
		return a.OnPublishDone
	case PlayDone:
		return a.OnPlayDone
	case Done:
		return a.OnDone
	case UpdatePublish, UpdatePlay:
		return a.OnUpdate
	}
	return ""
}

// Sessions reports whether any event of a session has a receiver.
func (a App) Sessions() bool {
	return a.OnPublish+a.OnPlay+a.OnPublishDone+a.OnPlayDone+a.OnDone+a.OnUpdate != ""
}

// judgeUpdate says whether the outcome of an on_update call ends the session: a
// refusal always, silence and a redirect only where the application is strict.
func (a App) judgeUpdate(answer Answer, err error) error {
	switch {
	case err == nil && answer.moved && a.UpdateStrict:
		return fault.New(fault.Forbidden, "hook_refused", "The server's on_update hook did not allow the session to go on.", "Ask who runs the server for access.")
	case fault.Code(err) == "hook_refused" || a.UpdateStrict:
		return err
	}
	return nil
}
