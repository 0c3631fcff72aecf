package main

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/lmittmann/tint"

	"weir/internal/fault"
)

func newHandler(w *os.File, s logSettings) (slog.Handler, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.Level)); err != nil {
		return nil, fault.New(fault.Invalid, "config_value_bad", "log.level cannot be "+s.Level+".", "Use debug, info, warn or error.")
	}
	switch s.Format {
	case "json":
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}), nil
	case "text":
		info, err := w.Stat()
		colour := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
		return tint.NewHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !colour}), nil
	}
	return nil, fault.New(fault.Invalid, "config_value_bad", "log.format cannot be "+s.Format+".", "Use text or json.")
}

// sink is where all loggers write to. Its handler can be replaced while the server runs: loggers that were made before
// write to the new one from then on.
type sink struct{ now atomic.Pointer[slog.Handler] }

func newSink(h slog.Handler) *sink {
	s := &sink{}
	s.set(h)
	return s
}

func (s *sink) set(h slog.Handler) { s.now.Store(&h) }

func (s *sink) handler() slog.Handler { return &tap{sink: s} }

// tap is a handler that follows its sink, with the attributes and groups of its logger.
type tap struct {
	sink *sink
	with []func(slog.Handler) slog.Handler
	made atomic.Pointer[made]
}

// made is what a tap made of a handler of its sink.
type made struct {
	of      *slog.Handler
	handler slog.Handler
}

func (t *tap) current() slog.Handler {
	now := t.sink.now.Load()
	if m := t.made.Load(); m != nil && m.of == now {
		return m.handler
	}
	h := *now
	for _, add := range t.with {
		h = add(h)
	}
	t.made.Store(&made{now, h})
	return h
}

func (t *tap) Enabled(ctx context.Context, l slog.Level) bool { return t.current().Enabled(ctx, l) }

func (t *tap) Handle(ctx context.Context, r slog.Record) error { return t.current().Handle(ctx, r) } //nolint:gocritic // slog's signature

func (t *tap) WithAttrs(list []slog.Attr) slog.Handler {
	return t.and(func(h slog.Handler) slog.Handler { return h.WithAttrs(list) })
}

func (t *tap) WithGroup(name string) slog.Handler {
	return t.and(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (t *tap) and(add func(slog.Handler) slog.Handler) slog.Handler {
	return &tap{sink: t.sink, with: append(t.with[:len(t.with):len(t.with)], add)}
}
