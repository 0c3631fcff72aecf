package api

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/catalog"
)

const (
	ledgerPause   = 100 * time.Millisecond // between two writings
	ledgerBatch   = 500                    // rows of one writing
	ledgerTrouble = 10 * time.Second       // after one that failed
	ledgerEnd     = 3 * time.Second        // for the last one
)

// ledger keeps in the catalog what webhooks have still to be told, so that it outlives the server. Whoever adds to it does
// not wait: one goroutine writes, at once where little happens and else in batches, from which is left out what was told before.
type ledger struct {
	access *access.Access
	log    *slog.Logger
	wake   chan struct{}

	mu   sync.Mutex
	new  map[entry]*Event   // not written yet
	told map[entry]struct{} // written, or being written, and to be removed
}

type entry struct{ webhook, event string }

func newLedger(acc *access.Access, log *slog.Logger) *ledger {
	return &ledger{access: acc, log: log, wake: make(chan struct{}, 1), new: map[entry]*Event{}, told: map[entry]struct{}{}}
}

func (l *ledger) add(webhook string, e *Event) {
	l.mu.Lock()
	l.new[entry{webhook, e.ID}] = e
	l.mu.Unlock()
	l.rouse()
}

// done takes out what needs no telling any more.
func (l *ledger) done(webhook, event string) {
	l.mu.Lock()
	k := entry{webhook, event}
	if _, unwritten := l.new[k]; unwritten {
		delete(l.new, k)
	} else {
		l.told[k] = struct{}{}
	}
	l.mu.Unlock()
	l.rouse()
}

func (l *ledger) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// forget leaves out what a webhook that is gone has still to be told.
func (l *ledger) forget(webhook string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.new, func(k entry, _ *Event) bool { return k.webhook == webhook })
}

// run writes until ctx ends, and then what is left.
func (l *ledger) run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-l.wake:
		}
		pause := ledgerPause
		for more, err := true, error(nil); more && ctx.Err() == nil; {
			if more, err = l.write(context.WithoutCancel(ctx)); err != nil {
				if pause = ledgerTrouble; !failing {
					l.log.Error("what webhooks have still to be told cannot be written down; a restart would forget it", "error", err)
				}
				l.rouse()
			}
			failing = err != nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), ledgerEnd)
	defer stop()
	for more, err := true, error(nil); more; {
		if more, err = l.write(last); err != nil {
			l.log.Error("what webhooks have still to be told could not be written down and is lost", "error", err)
		}
	}
}

// write writes a batch. more is false when nothing is left, or when it failed.
func (l *ledger) write(ctx context.Context) (more bool, err error) {
	l.mu.Lock()
	var add, remove []catalog.Delivery
	adding := map[entry]*Event{}
	for k, e := range l.new {
		if len(add) == ledgerBatch {
			break
		}
		delete(l.new, k)
		adding[k] = e
		add = append(add, catalog.Delivery{WebhookID: k.webhook, EventID: k.event, Type: e.Type, Body: string(e.encoded), At: e.Timestamp})
	}
	for k := range l.told {
		if len(add)+len(remove) >= ledgerBatch {
			break
		}
		delete(l.told, k)
		remove = append(remove, catalog.Delivery{WebhookID: k.webhook, EventID: k.event})
	}
	more = len(l.new)+len(l.told) > 0
	l.mu.Unlock()
	if len(add)+len(remove) == 0 {
		return false, nil
	}
	if err = l.access.SaveDeliveries(ctx, add, remove); err == nil {
		return more, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range remove {
		l.told[entry{d.WebhookID, d.EventID}] = struct{}{}
	}
	for k, e := range adding {
		if _, told := l.told[k]; !told {
			l.new[k] = e
		}
	}
	return false, err
}

// read returns what was waiting when the server ended, by webhook.
func (l *ledger) read(ctx context.Context, now time.Time) map[string][]catalog.Delivery {
	list, err := l.access.Deliveries(ctx, now.Add(-hookAge))
	if err != nil && ctx.Err() == nil {
		l.log.Error("what webhooks had still to be told could not be read", "error", err)
	}
	out := map[string][]catalog.Delivery{}
	for _, d := range list {
		out[d.WebhookID] = append(out[d.WebhookID], d)
	}
	return out
}
