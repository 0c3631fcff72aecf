package main

import (
	"context"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/server"
)

// When a setting that has changed takes effect: the values of the tag takes. Without a tag it does at once.
const (
	takesNow         = ""
	takesConnections = "connections"
	takesPublishers  = "publishers"
	takesStreams     = "streams"
	takesStart       = "start"
)

// edition is one state of the configuration, or the mistake in it.
type edition struct {
	settings
	conf server.Config
	err  error
}

// taker is the server that runs.
type taker interface {
	Reload(c server.Config) error
	ReloadFailed()
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// holds reports whether there is a file with something in it.
func holds(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Size() > 0
}

// follow watches the configuration file and SIGHUP, and sends each new configuration.
func (o *options) follow(c *cobra.Command, log *slog.Logger) (<-chan edition, func()) {
	out := make(chan edition)
	ctx, cancel := context.WithCancel(c.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(out)
		there := holds(o.file)
		for range changes(ctx, o.file, log) {
			if there && !holds(o.file) { // an editor that is about to write, for example
				log.Error("the configuration file is gone or empty; what it said goes on", "file", o.file) // not the defaults: they are open
				continue
			}
			there = holds(o.file)
			s, err := o.settings(c)
			var conf server.Config
			if err == nil {
				conf, err = o.config(s)
			}
			select {
			case out <- edition{s, conf, err}:
			case <-ctx.Done():
			}
		}
	}()
	return out, func() { cancel(); <-done }
}

// reloader gives new versions to the server and to the log, and says what became of them.
type reloader struct {
	to      taker
	sink    *sink
	log     *slog.Logger
	started settings // with which the server was started: what takes effect at the next start goes on being that
	now     settings
}

func newReloader(s settings, to taker, out *sink, log *slog.Logger) *reloader {
	return &reloader{to: to, sink: out, log: log, started: s, now: s}
}

func (r *reloader) run(editions <-chan edition) {
	for next := range editions {
		r.reload(next)
	}
}

func (r *reloader) reload(next edition) {
	if next.err != nil {
		r.to.ReloadFailed()
		r.log.Error("the changed configuration has a mistake; the old one goes on", "error", next.err)
		return
	}
	form, err := newHandler(os.Stderr, next.Log)
	if err == nil {
		err = r.to.Reload(next.conf)
	}
	if err != nil {
		r.log.Error("the new configuration was not taken; the old one goes on", "error", err)
		return
	}
	if next.Log != r.now.Log {
		r.sink.set(form)
	}
	changed := differences(r.now, next.settings)
	r.now = next.settings
	if len(changed) == 0 {
		r.log.Info("the configuration was read again, and nothing has changed")
	} else {
		r.log.Info("the configuration has changed", "settings", strings.Join(changed.all(), ", "))
	}
	for _, later := range []struct{ takes, when string }{
		{takesConnections, "these changes hold for connections from now on"},
		{takesPublishers, "these changes hold when a publisher comes next"},
		{takesStreams, "these changes hold for streams that begin from now on"},
	} {
		if list := changed.of(later.takes); len(list) > 0 {
			r.log.Info(later.when, "settings", strings.Join(list, ", "))
		}
	}
	if list := differences(r.started, next.settings).of(takesStart); len(list) > 0 {
		r.log.Warn("these changes take effect at the next start", "settings", strings.Join(list, ", "))
	}
}

// difference is a setting that has changed.
type difference struct{ path, takes string }

type differenceList []difference

func (l differenceList) of(takes string) (paths []string) {
	for _, d := range l {
		if d.takes == takes {
			paths = append(paths, d.path)
		}
	}
	return paths
}

func (l differenceList) all() (paths []string) {
	for _, d := range l {
		paths = append(paths, d.path)
	}
	return paths
}

// differences names the settings that differ, in the order of the file.
func differences(a, b settings) (out differenceList) {
	var walk func(prefix string, a, b reflect.Value)
	walk = func(prefix string, a, b reflect.Value) {
		for i := range a.NumField() {
			f := a.Type().Field(i)
			path := prefix + f.Tag.Get("yaml")
			switch {
			case f.Type.Kind() == reflect.Struct && !textual(f.Type):
				walk(path+".", a.Field(i), b.Field(i))
			case same(a.Field(i), b.Field(i)):
			default:
				out = append(out, difference{path, f.Tag.Get("takes")})
			}
		}
	}
	walk("", reflect.ValueOf(a), reflect.ValueOf(b))
	return out
}

// same takes an empty list for one that is not there.
func same(a, b reflect.Value) bool {
	if k := a.Kind(); (k == reflect.Slice || k == reflect.Map) && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// whenTaken says when a change takes effect, "" for at once.
func whenTaken(takes string) string {
	switch takes {
	case takesConnections:
		return "for connections from then on"
	case takesPublishers:
		return "when a publisher comes next"
	case takesStreams:
		return "for streams that begin from then on"
	case takesStart:
		return "at the next start"
	}
	return ""
}
