package session

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"weir/internal/control/access"
	"weir/internal/fault"
)

const (
	tickEvery   = time.Second
	keysEvery   = 4 * time.Second // a key revoked by another process ends its sessions within 5 s
	overPatient = 5               // ticks above the limit of bandwidth
	keysPatient = 2 * time.Second // for the catalog's answer
)

// scheduleLocked plans the next tick: one timer for all sessions, and none while
// there are none.
func (d *Door) scheduleLocked() {
	if d.timer != nil || d.closed || len(d.sessions) == 0 {
		return
	}
	d.ticking.Add(1)
	if d.meter.at.IsZero() {
		d.meter.at = time.Now()
	}
	d.timer = time.AfterFunc(tickEvery, d.tick)
}

func (d *Door) tick() {
	defer d.ticking.Done()
	defer d.ticked()
	now := time.Now()
	rules := d.rules.Load()
	ended, updates, stamps := d.measure(rules, now)
	for s, cause := range ended {
		s.Close(cause)
	}
	for _, s := range updates {
		// A viewer is at the time of what is published.
		d.tellUpdate(rules.Hooks, s, now, cmp.Or(s.hooked.stamp.Load(), stamps[s.name]))
	}
	if now.Sub(d.keysAt) >= keysEvery {
		d.keysAt = now
		d.checkKeys(rules)
	}
}

// ticked plans the next tick, also after a panic in this one.
func (d *Door) ticked() {
	if r := recover(); r != nil {
		d.log.Error("the door's tick panicked", "panic", r)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = nil
	if len(d.sessions) == 0 {
		d.meter.at, d.meter.inBPS, d.meter.outBPS = time.Time{}, 0, 0
	}
	d.scheduleLocked()
}

// measure reads all counters and finds the sessions whose time is over, those that
// on_update is due for, and the time of each stream in ms.
func (d *Door) measure(rules *rules, now time.Time) (ended map[*Session]error, updates []*Session, stamps map[string]uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := &d.meter
	seconds := max(now.Sub(m.at).Seconds(), 0.001)
	bps := func(bytes int64) int64 { return int64(float64(bytes) * 8 / seconds) }
	in, out := m.leftIn, m.leftOut
	m.leftIn, m.leftOut, m.at = 0, 0, now
	ended, stamps = make(map[*Session]error), make(map[string]uint32)
	for _, s := range d.sessions {
		if s.action == Publish {
			stamps[s.name] = s.hooked.stamp.Load()
		}
		w := &s.watch
		nowIn, nowOut := s.in.Load(), s.out.Load()
		w.inBPS.Store(bps(nowIn - w.in))
		w.outBPS.Store(bps(nowOut - w.out))
		in += nowIn - w.in
		out += nowOut - w.out
		w.in, w.out = nowIn, nowOut
		if cause := s.overdue(rules, now); cause != nil {
			ended[s] = cause
		} else if s.updateDue(rules, now) {
			updates = append(updates, s)
		}
	}
	m.inBPS, m.outBPS = bps(in), bps(out)
	return ended, updates, stamps
}

// overdue says why a session must end, if it must. The door's mutex is held.
func (s *Session) overdue(rules *rules, now time.Time) error {
	w := &s.watch
	if !w.touched.IsZero() && w.held == 0 && now.Sub(w.touched) > 3*rules.Idle {
		return fault.New(fault.Unavailable, "viewer_gone", "The viewer has asked for nothing for a while.", "")
	}
	limit := rules.Limits.InBPSPerStream
	if s.action != Publish || s.internal || limit == 0 || w.inBPS.Load() <= limit {
		w.over = 0
		return nil
	}
	if w.over++; w.over < overPatient {
		return nil
	}
	return fault.New(fault.TooLarge, "bitrate_too_high", fmt.Sprintf("The stream comes with %.1f Mbit/s; %.1f are allowed.", float64(w.inBPS.Load())/1e6, float64(limit)/1e6),
		"Lower the bitrate in the encoder's settings.")
}

// updateDue reports whether on_update is to be called now. The door's mutex is held.
func (s *Session) updateDue(rules *rules, now time.Time) bool {
	if rules.Hooks == nil || s.hooked.call == nil {
		return false
	}
	app := rules.Hooks.App(s.asked)
	if app.OnUpdate == "" {
		return false
	}
	w := &s.watch
	due := w.update
	if due.IsZero() {
		due = s.since.Add(app.UpdateEvery)
	}
	w.update = due
	if now.Before(due) {
		return false
	}
	w.update = now.Add(app.UpdateEvery)
	return true
}

// checkKeys ends the sessions whose key was rotated or deleted by another process,
// which `weir key` is.
func (d *Door) checkKeys(rules *rules) {
	if rules.Keys == nil {
		return
	}
	ctx, cancel := context.WithTimeout(d.base, keysPatient)
	defer cancel()
	valid := make(map[access.Grant]bool) // one question for all sessions of one secret
	for _, s := range d.all() {
		if s.grant.KeyID == "" {
			continue
		}
		ok, asked := valid[s.grant]
		if !asked {
			ok = rules.Keys.Valid(ctx, s.grant)
			valid[s.grant] = ok
		}
		if !ok {
			s.Close(revoked(s.grant.KeyName))
		}
	}
}
