package inhouse

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"weir/internal/control/session"
	"weir/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tooMany = fault.New(fault.TooMany, "too_many", "", "")
	unknown = fault.New(fault.NotFound, "unknown", "", "")
	stopped = fault.New(fault.Unavailable, "stopped", "", "")
)

func open(t *testing.T) (*session.Door, *Publishers[string]) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	d := session.New(session.Config{}, log)
	p := New[string](Kind{Protocol: "inner", Software: "us", Most: 3, TooMany: tooMany, Unknown: unknown, Stopped: stopped}, d, log)
	t.Cleanup(func() { p.Close(); d.Close() })
	return d, p
}

// start runs f until it ends; the channel tells why it did.
func start(t *testing.T, p *Publishers[string], name string, f func(context.Context) error) (id string, ended <-chan error) {
	t.Helper()
	causes := make(chan error, 2)
	id, err := p.Start(t.Context(), name, func(s *session.Session) (Job[string], error) {
		return Job[string]{About: s.ID(), Run: f, Ended: func(cause error) { causes <- cause }}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, causes
}

func wait(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestHowOneEnds(t *testing.T) {
	lost := errors.New("lost")
	for name, c := range map[string]struct {
		run  func(context.Context) error
		end  func(*session.Door, *Publishers[string], string)
		code string
	}{
		"stopped":  {wait, func(_ *session.Door, p *Publishers[string], id string) { _ = p.Stop(id) }, "stopped"},
		"closed":   {wait, func(_ *session.Door, p *Publishers[string], _ string) { p.Close() }, "server_stopping"},
		"kicked":   {wait, func(d *session.Door, _ *Publishers[string], id string) { d.Kick(id, stopped) }, "stopped"},
		"done":     {func(context.Context) error { return nil }, nil, ""},
		"failed":   {func(context.Context) error { return lost }, nil, "internal"},
		"panicked": {func(context.Context) error { panic("oh") }, nil, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			d, p := open(t)
			other, _ := start(t, p, "live/other", wait)
			id, ended := start(t, p, "live/x", c.run)
			if c.end != nil {
				c.end(d, p, id)
			}
			if cause := <-ended; fault.Code(cause) != c.code {
				t.Errorf("ended for %v, want %q", cause, c.code)
			}
			if list := p.List(); name != "closed" && (len(list) != 1 || list[0] != other) {
				t.Errorf("%v run", list)
			}
			p.Close()
			if len(ended) != 0 || p.Count() != 0 || len(d.Sessions(nil)) != 0 {
				t.Errorf("told of %d more ends; %d run, %d sessions are open", len(ended), p.Count(), len(d.Sessions(nil)))
			}
		})
	}
}

func TestWhoIsRefused(t *testing.T) {
	d, p := open(t)
	never := func(*session.Session) (Job[string], error) {
		t.Error("a job was begun")
		return Job[string]{}, nil
	}
	refused := func(begin func(*session.Session) (Job[string], error), code string) {
		t.Helper()
		before := len(d.Sessions(nil))
		if _, err := p.Start(t.Context(), "live/x", begin); fault.Code(err) != code {
			t.Errorf("%v, want %s", err, code)
		}
		if n := len(d.Sessions(nil)); n != before {
			t.Errorf("%d sessions are open after a refusal, %d before", n, before)
		}
	}
	refused(func(*session.Session) (Job[string], error) { return Job[string]{}, tooMany }, "too_many")
	var begun []string
	for range 3 {
		id, _ := start(t, p, "live/x", wait)
		begun = append(begun, id)
	}
	if l := p.List(); !slices.Equal(l, begun) {
		t.Errorf("%v are listed, %v began", l, begun)
	}
	refused(never, "too_many")
	if err := p.Stop("nobody"); fault.Code(err) != "unknown" {
		t.Error(err)
	}
	if s := d.Sessions(nil)[0]; s.Protocol != "inner" || s.UserAgent != "us" || s.Action != session.Publish {
		t.Errorf("%+v", s)
	}
	p.Close()
	refused(never, "server_stopping")
}

// Who asks for a publisher over HTTP is gone before it has begun.
func TestOutlivesItsRequest(t *testing.T) {
	_, p := open(t)
	ctx, gone := context.WithCancel(t.Context())
	goOn, seen := make(chan struct{}), make(chan error, 1)
	id, err := p.Start(ctx, "live/x", func(s *session.Session) (Job[string], error) {
		return Job[string]{About: s.ID(), Ended: func(error) {}, Run: func(ctx context.Context) error {
			<-goOn
			seen <- ctx.Err()
			return wait(ctx)
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	gone()
	close(goOn)
	if err := <-seen; err != nil {
		t.Error(err)
	}
	if err := p.Stop(id); err != nil {
		t.Error(err)
	}
}
