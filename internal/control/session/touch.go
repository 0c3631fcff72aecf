package session

import (
	"context"
	"time"
)

// Touch counts a request of a viewer without a connection (HLS, DASH): bytes is what
// it was sent. viewer is the ID of the session that an earlier Touch returned for this
// viewer, or "" for a new one. A viewer whose session has ended by itself gets a new
// one, after all checks of Open; one that was kicked is refused with the cause. The
// session ends by itself after three times Config.Idle without a Touch.
func (d *Door) Touch(ctx context.Context, r Request, viewer string, bytes int64) (*Session, error) {
	r.Action = Play
	rules := d.rules.Load()
	if s, err := d.touched(viewer, r.Name); s != nil || err != nil {
		if s != nil {
			s.out.Add(bytes)
		}
		return s, err
	}
	// The session outlives the request, so its context does not descend from ctx.
	s, err := d.open(ctx, d.base, rules, &r)
	if err != nil {
		return nil, d.refuse(&r, err)
	}
	d.mu.Lock()
	s.watch.touched = time.Now()
	d.mu.Unlock()
	s.out.Add(bytes)
	return s, nil
}

// touched finds the running session of a viewer of a stream.
func (d *Door) touched(viewer, name string) (*Session, error) {
	if viewer == "" {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if cause := d.kicked[viewer]; cause != nil {
		return nil, cause
	}
	s := d.sessions[viewer]
	if s == nil || s.asked != name || s.watch.touched.IsZero() {
		return nil, nil
	}
	s.watch.touched = time.Now()
	return s, nil
}

// Hold keeps the session of a viewer without a connection from ending by itself while the viewer takes an answer, however slowly.
// Release, to be called once, has it count from then on.
func (s *Session) Hold() (release func()) {
	hold := func(n int) {
		s.door.mu.Lock()
		defer s.door.mu.Unlock()
		s.watch.held += n
		if !s.watch.touched.IsZero() { // else it has a connection
			s.watch.touched = time.Now()
		}
	}
	hold(1)
	return func() { hold(-1) }
}
