package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/server"
)

// Loggers that were made before a change write as it says, with what they were made with.
func TestTheLogChangesUnderItsLoggers(t *testing.T) {
	var before, after bytes.Buffer
	to := newSink(slog.NewTextHandler(&before, nil))
	plain := slog.New(to.handler())
	room := plain.With("room", "hub").WithGroup("stream").With("name", "live/show")
	room.Info("one", "n", 1)
	room.Debug("unseen")
	to.set(slog.NewJSONHandler(&after, &slog.HandlerOptions{Level: slog.LevelDebug}))
	room.Debug("two", "n", 2)
	plain.Info("three")
	if s := before.String(); !strings.Contains(s, "msg=one room=hub stream.name=live/show stream.n=1") || strings.Count(s, "\n") != 1 {
		t.Error(s)
	}
	if s := after.String(); !strings.Contains(s, `"msg":"two","room":"hub","stream":{"name":"live/show","n":2}}`) || !strings.Contains(s, `"msg":"three"}`) {
		t.Error(s)
	}
	if n := testing.AllocsPerRun(100, func() { room.Enabled(context.Background(), slog.LevelDebug) }); n > 0 {
		t.Errorf("%v allocations to ask whether a line is wanted", n)
	}
}

// counting stands for a server.
type counting struct {
	refuse        error
	taken, failed int
}

func (c *counting) Reload(server.Config) error { c.taken++; return c.refuse }
func (c *counting) ReloadFailed()              { c.failed++ }

// What waits for the next start is told at each change until then, and what was not taken changes nothing.
func TestTheReloaderSaysWhatBecameOfAChange(t *testing.T) {
	var said bytes.Buffer
	var to counting
	begun := defaultSettings()
	r := newReloader(begun, &to, newSink(slog.DiscardHandler), slog.New(slog.NewTextHandler(&said, nil)))
	step := func(change func(*settings), want ...string) {
		t.Helper()
		next := r.now
		change(&next)
		said.Reset()
		r.reload(edition{settings: next})
		for _, w := range want {
			if !strings.Contains(said.String(), w) {
				t.Errorf("%q is not in %s", w, said.String())
			}
		}
	}
	step(func(*settings) {}, "nothing has changed")
	step(func(s *settings) { s.HTTP.Listen, s.Rules = ":1", []string{"deny all 192.0.2.0/24"} },
		`changed" settings="http.listen, rules"`, `at the next start" settings=http.listen`)
	step(func(s *settings) { s.Recording.Keep = []keepSettings{{Streams: "live/*"}} }, "settings=recording.keep", `at the next start" settings=http.listen`)
	to.refuse = errors.New("no")
	step(func(s *settings) { s.Streams.Max = 1 }, "was not taken")
	if to.refuse = nil; r.now.Streams.Max == 1 {
		t.Error("a configuration that was refused is taken for the present one")
	}
	r.reload(edition{err: errors.New("in line 7")})
	if to.failed != 1 || !strings.Contains(said.String(), "in line 7") {
		t.Errorf("a mistake: %d, %s", to.failed, said.String())
	}
	step(func(s *settings) { s.HTTP.Listen, s.Segments.Part = begun.HTTP.Listen, time.Second }, `publisher comes next" settings=segments.part`)
	if strings.Contains(said.String(), "next start") || to.taken != 5 {
		t.Errorf("%d: %s", to.taken, said.String())
	}
}

// Each tag is one of the words for which there is a sentence.
func TestTagsOfSettings(t *testing.T) {
	words := []string{takesNow, takesConnections, takesPublishers, takesStreams, takesStart}
	var walk func(prefix string, v reflect.Type)
	walk = func(prefix string, v reflect.Type) {
		for i := range v.NumField() {
			f := v.Field(i)
			if takes := f.Tag.Get("takes"); !slices.Contains(words, takes) || takes != "" && whenTaken(takes) == "" {
				t.Errorf("%s%s takes effect %q", prefix, f.Name, takes)
			}
			if f.Type.Kind() == reflect.Struct {
				walk(f.Name+".", f.Type)
			}
		}
	}
	walk("", reflect.TypeFor[settings]())
}

// A file that is reached over symbolic links is read again when they lead elsewhere, as in Kubernetes, and when the file
// behind them is written.
func TestChangesBehindLinks(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"a": "one", "b": "two"} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o755), os.WriteFile(filepath.Join(dir, name, "weir.yaml"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	target := filepath.Join(elsewhere, "real.yaml")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(to, name string) {
		t.Helper()
		if err := errors.Join(os.Symlink(to, filepath.Join(dir, "new")), os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	link("a", "..data")
	link(filepath.Join("..data", "weir.yaml"), "weir.yaml")
	link(target, "direct.yaml")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	swapped := changes(ctx, filepath.Join(dir, "weir.yaml"), slog.New(slog.DiscardHandler))
	written := changes(ctx, filepath.Join(dir, "direct.yaml"), slog.New(slog.DiscardHandler))
	wait := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Errorf("%s was not seen", what)
		}
	}
	link("b", "..data")
	wait("another target", swapped)
	if err := os.WriteFile(target, []byte("more"), 0o600); err != nil {
		t.Fatal(err)
	}
	wait("a write behind a link", written)
}
