package telemetry

import (
	"cmp"
	"slices"
	"sync"

	"weir/internal/control/session"
	"weir/internal/hub"
)

// one makes a family of a single figure.
func one(kind Kind, name, help string, read func() float64) *Family {
	return &Family{Kind: kind, Name: name, Help: help, Read: func(emit Emit) { emit(read()) }}
}

// grown makes a counter of a sum over streams, which falls when one of them ends: what
// went is kept, only what comes is added.
func grown(sum func() uint64) func() float64 {
	var mu sync.Mutex
	var last, total uint64
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		now := sum()
		if now > last {
			total += now - last
		}
		last = now
		return float64(total)
	}
}

// Hub adds the figures of the hub.
func (r *Registry) Hub(stats func() hub.Stats) {
	r.Group(
		one(Gauge, "hub_streams", "Streams that are held, with or without their publisher.", func() float64 { return float64(stats().Streams) }),
		one(Gauge, "hub_streams_live", "Streams that have their publisher.", func() float64 { return float64(stats().Live) }),
		one(Gauge, "hub_lanes", "Shared encoded forms of streams.", func() float64 { return float64(stats().Lanes) }),
		one(Gauge, "hub_subscriptions", "Readers of frames.", func() float64 { return float64(stats().Subscriptions) }),
		one(Counter, "hub_frames_total", "Frames from publishers since the start.", grown(func() uint64 { return stats().Frames })),
		one(Counter, "hub_received_bytes_total", "Bytes of frames from publishers since the start.", grown(func() uint64 { return stats().Bytes })),
		one(Counter, "hub_timestamp_repairs_total", "Frames whose time stamps were repaired.", grown(func() uint64 { return stats().Repairs })),
		one(Counter, "hub_discontinuities_total", "Jumps of publishers' clocks.", grown(func() uint64 { return stats().Discontinuities })),
		one(Counter, "hub_skipped_frames_total", "Frames that slow readers missed.", grown(func() uint64 { return stats().Skipped })),
	)
}

// Door adds the figures of the door.
func (r *Registry) Door(stats func() session.Stats) {
	r.Group(
		&Family{Kind: Gauge, Name: "sessions", Help: "Open sessions.", Labels: []string{"action"}, Read: func(emit Emit) {
			s := stats()
			emit(float64(s.Publishers), string(session.Publish))
			emit(float64(s.Viewers), string(session.Play))
		}},
		&Family{Kind: Counter, Name: "session_bytes_total", Help: "Bytes from publishers (in) and to viewers (out).", Labels: []string{"direction"}, Read: func(emit Emit) {
			s := stats()
			emit(float64(s.BytesIn), "in")
			emit(float64(s.BytesOut), "out")
		}},
		&Family{Kind: Counter, Name: "session_refusals_total", Help: "Sessions refused, by the code of the reason.", Labels: []string{"code"}, Read: func(emit Emit) {
			for code, n := range stats().Refused {
				emit(float64(n), code)
			}
		}},
		one(Counter, "session_events_dropped_total", "Events of sessions that a slow listener missed.", func() float64 { return float64(stats().Events) }),
	)
}

// StreamFigures are those of one stream.
type StreamFigures struct {
	Name    string
	InBPS   int64
	Viewers int
}

const (
	maxStreams   = 100
	otherStreams = "other" // is no stream's own figures: a stream of that name is added in
)

// Streams adds the figures of single streams. So that names do not fill Prometheus,
// the streams with the most viewers are shown, and the rest together as "other".
func (r *Registry) Streams(list func() []StreamFigures) {
	read := func(value func(StreamFigures) float64) func(Emit) {
		return func(emit Emit) {
			for _, s := range bounded(list()) {
				emit(value(s), s.Name)
			}
		}
	}
	labels := []string{"stream"}
	r.Group(
		&Family{Kind: Gauge, Name: "stream_ingest_bits_per_second", Help: "What the stream's publisher sends.", Labels: labels, Read: read(func(s StreamFigures) float64 { return float64(s.InBPS) })},
		&Family{Kind: Gauge, Name: "stream_viewers", Help: "Who watches the stream.", Labels: labels, Read: read(func(s StreamFigures) float64 { return float64(s.Viewers) })},
	)
}

func bounded(list []StreamFigures) []StreamFigures {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b StreamFigures) int {
		return cmp.Or(cmp.Compare(b.Viewers, a.Viewers), cmp.Compare(b.InBPS, a.InBPS), cmp.Compare(a.Name, b.Name))
	})
	other := StreamFigures{Name: otherStreams}
	crowd := false
	shown := list[:0]
	for _, s := range list {
		if len(shown) < maxStreams && s.Name != otherStreams {
			shown = append(shown, s)
			continue
		}
		crowd = true
		other.InBPS += s.InBPS
		other.Viewers += s.Viewers
	}
	if crowd {
		shown = append(shown, other)
	}
	return shown
}
