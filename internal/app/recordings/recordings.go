// Package recordings is the scenario of keeping what was live: which streams are kept for how long, recordings by
// rule, by API and by button, and what is told of them. A recording is a pin: a named range of a stream's timeline that
// retention leaves alone. What belongs here: the rules, beginning and ending recordings with their streams, joining pins
// with the footage that is there. What does not: the footage itself (timeline), HTTP (api), playing (deliver).
package recordings

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/streamname"
	"weir/internal/timeline"
)

// Kinds of what is kept.
const (
	Recording = "recording"
	Clip      = "clip"
	Hold      = "hold"
	Incident  = "event"
)

const (
	maxPreRoll = 24 * time.Hour
	maxTitle   = 200 // characters
	join       = time.Second
	// resume is how long a recording that a restart of the server has cut waits for its stream.
	resume = time.Minute
	// byRule signs what no person began.
	byRule = "rule"
)

// Recordings begins, ends and tells of recordings.
type Recordings struct {
	hub     *hub.Hub
	footage *timeline.Store
	policy  func() Policy
	events  *Events
	log     *slog.Logger
	now     func() time.Time

	mu sync.Mutex // one change of a recording at a time
}

// New returns the scenario over the rooms. The policy is asked for whenever it matters, so that it can change.
func New(h *hub.Hub, footage *timeline.Store, policy func() Policy, e *Events, log *slog.Logger) *Recordings {
	return &Recordings{hub: h, footage: footage, policy: policy, events: e, log: log, now: time.Now}
}

// Policy is what was configured.
func (r *Recordings) Policy() Policy { return r.policy() }

// Record is a recording with what is there of it.
type Record struct {
	timeline.Pin
	Running  bool
	Bytes    int64
	Covered  time.Duration // of footage, without gaps
	Complete bool          // no gap in it
}

// Begin is how a recording is asked for.
type Begin struct {
	Stream, Title, Kind, By string
	From, To                time.Time     // both zero: from now until Stop; To set: keep that range
	PreRoll                 time.Duration // begin so long before From
	Until                   time.Time     // zero: kept for ever
}

// Begin starts a recording, or keeps a range of the past.
func (r *Recordings) Begin(ctx context.Context, b Begin) (Record, error) {
	now := r.now()
	p, err := b.pin(now)
	if err != nil {
		return Record{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.To.IsZero() {
		if r.hub.Stream(p.Timeline) == nil {
			return Record{}, fault.New(fault.NotFound, "stream_unknown", "The stream "+p.Timeline+" is not on, so it cannot be recorded now.",
				"Start the publisher, or set a rule in the configuration (recording.keep) that records it whenever it comes.")
		}
		if running := r.running(p.Timeline, b.By); running != nil {
			return Record{}, fault.New(fault.Conflict, "recording_runs", "The stream "+p.Timeline+" is being recorded already.", "Stop that recording first, or keep a range of the past.")
		}
	} else if spans, err := r.footage.Spans(ctx, p.Timeline, timeline.Range{From: p.From, To: p.To}, join); err != nil {
		return Record{}, err
	} else if len(spans) == 0 && r.hub.Stream(p.Timeline) == nil { // of a stream that has just begun, nothing is finished yet
		return Record{}, errNoFootage
	}
	if p, err = r.footage.Pin(ctx, p); err != nil {
		return Record{}, err
	}
	kind := Started
	if !p.To.IsZero() {
		kind = Finished
	}
	rec, err := r.look(ctx, p)
	if err == nil {
		r.events.Tell(Event{Kind: kind, Record: rec})
	}
	return rec, err
}

var errNoFootage = fault.New(fault.NotFound, "no_footage", "Nothing is kept of that time.", "Look at the stream's timeline for what there is.")

// pin checks what was asked.
func (b *Begin) pin(now time.Time) (timeline.Pin, error) {
	p := timeline.Pin{Timeline: b.Stream, Kind: cmp.Or(b.Kind, Recording), Title: strings.TrimSpace(b.Title), By: b.By, From: b.From, To: b.To, Until: b.Until, Created: now}
	if err := streamname.Check(b.Stream); err != nil {
		return p, err
	}
	if p.From.IsZero() {
		p.From = now
	}
	if b.PreRoll < 0 || b.PreRoll > maxPreRoll {
		return p, fault.New(fault.Invalid, "pre_roll_bad", "A recording can begin at most 24 hours before its trigger.", "Give pre_roll_s between 0 and 86400.")
	}
	p.From = p.From.Add(-b.PreRoll)
	if p.Title == "" {
		p.Title = b.Stream + " " + p.From.UTC().Format("2006-01-02 15:04:05")
	}
	return p, check(&p, now)
}

// check refuses what makes no sense.
func check(p *timeline.Pin, now time.Time) error {
	switch {
	case !slices.Contains([]string{Recording, Clip, Hold, Incident}, p.Kind):
		return fault.New(fault.Invalid, "kind_unknown", "There is no kind of recording named "+p.Kind+".", "Use recording, clip, hold or event.")
	case len([]rune(p.Title)) > maxTitle:
		return fault.New(fault.Invalid, "title_long", "The title is longer than 200 characters.", "Shorten it.")
	case !p.To.IsZero() && !p.To.After(p.From):
		return fault.New(fault.Invalid, "range_empty", "The recording would end before it begins.", "Give a to that lies after from.")
	case p.To.After(now.Add(resume)):
		return fault.New(fault.Invalid, "range_future", "The end of the range lies in the future.", "Leave to out to record from now on, and stop the recording when it is enough.")
	case !p.Until.IsZero() && !p.Until.After(now):
		return fault.New(fault.Invalid, "until_past", "The time up to which it is kept has passed.", "Delete the recording, or give a later time.")
	}
	return nil
}

// running is the recording of a stream that somebody, or a rule, began and that runs; rules and people record side by side.
func (r *Recordings) running(stream, by string) *timeline.Pin {
	for _, p := range r.footage.Pins(stream) {
		if p.To.IsZero() && (p.By == byRule) == (by == byRule) {
			return &p
		}
	}
	return nil
}

// Stop ends a recording. When it returns, everything up to the end is on the disk.
func (r *Recordings) Stop(ctx context.Context, id string) (Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.find(id)
	if err != nil {
		return Record{}, err
	}
	if !p.To.IsZero() {
		return Record{}, fault.New(fault.Conflict, "recording_finished", "This recording has ended already.", "")
	}
	return r.finish(ctx, p, r.now())
}

// finish sets the end of a recording: the time that is given, or where its footage ends, if that is earlier.
func (r *Recordings) finish(ctx context.Context, p timeline.Pin, at time.Time) (Record, error) {
	spans, err := r.footage.Spans(ctx, p.Timeline, timeline.Range{From: p.From, To: at}, join)
	if err != nil && fault.Of(err).Kind != fault.NotFound {
		return Record{}, err
	}
	if n := len(spans); n > 0 && !spans[n-1].Live && spans[n-1].To.Before(at) {
		at = spans[n-1].To
	}
	if p.To = at; !p.To.After(p.From) {
		p.To = p.From.Add(time.Millisecond)
	}
	if p.By == byRule && p.Until.IsZero() {
		if rule := r.policy().rule(p.Timeline); rule != nil && rule.For > 0 {
			p.Until = p.To.Add(rule.For)
		}
	}
	if p, err = r.footage.Pin(ctx, p); err != nil {
		return Record{}, err
	}
	rec, err := r.look(ctx, p)
	if err == nil {
		r.events.Tell(Event{Kind: Finished, Record: rec})
	}
	return rec, err
}

// Change is what can be changed of a recording; nil leaves it.
type Change struct {
	Title           *string
	From, To, Until *time.Time // Until zero: for ever
}

// Change changes a recording.
func (r *Recordings) Change(ctx context.Context, id string, c Change) (Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.find(id)
	if err != nil {
		return Record{}, err
	}
	if c.Title != nil {
		if p.Title = strings.TrimSpace(*c.Title); p.Title == "" {
			return Record{}, fault.New(fault.Invalid, "title_empty", "A recording needs a title.", "")
		}
	}
	if c.From != nil {
		p.From = *c.From
	}
	if c.To != nil {
		if p.To.IsZero() {
			return Record{}, fault.New(fault.Conflict, "recording_runs", "The recording is still running.", "Stop it before its end can be changed.")
		}
		p.To = *c.To
	}
	until := p.Until
	if c.Until != nil {
		p.Until = *c.Until
	}
	asked := p
	if p.Until.Equal(until) {
		asked.Until = time.Time{} // an old one need not be justified again
	}
	if err := check(&asked, r.now()); err != nil {
		return Record{}, err
	}
	if p, err = r.footage.Pin(ctx, p); err != nil {
		return Record{}, err
	}
	return r.look(ctx, p)
}

// Delete forgets a recording. With footage set its range of the timeline is deleted too, but for what another one keeps;
// without, the footage goes when the stream's retention says so.
func (r *Recordings) Delete(ctx context.Context, id string, footage bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.find(id)
	if err != nil {
		return err
	}
	if p.To.IsZero() {
		return fault.New(fault.Conflict, "recording_runs", "The recording is still running.", "Stop it first.")
	}
	if err := r.footage.Unpin(ctx, id); err != nil {
		return err
	}
	r.events.Tell(Event{Kind: Deleted, Record: Record{Pin: p}})
	if !footage {
		return nil
	}
	return r.footage.Delete(ctx, p.Timeline, timeline.Range{From: p.From, To: p.To})
}

// Get returns one recording.
func (r *Recordings) Get(ctx context.Context, id string) (Record, error) {
	p, err := r.find(id)
	if err != nil {
		return Record{}, err
	}
	return r.look(ctx, p)
}

func (r *Recordings) find(id string) (timeline.Pin, error) {
	for _, p := range r.footage.Pins("") {
		if p.ID == id {
			return p, nil
		}
	}
	return timeline.Pin{}, fault.New(fault.NotFound, "recording_unknown", "There is no recording with this id.", "It may have been deleted, or its time has come.")
}

// share is what a part of a file weighs, to within the unevenness of its bit rate.
func share(bytes int64, part, whole time.Duration) int64 {
	if whole <= 0 || part >= whole {
		return bytes
	}
	return int64(float64(bytes) * part.Seconds() / whole.Seconds())
}

// look joins a pin with its footage.
func (r *Recordings) look(ctx context.Context, p timeline.Pin) (Record, error) {
	rec := Record{Pin: p, Running: p.To.IsZero()}
	spans, err := r.footage.Spans(ctx, p.Timeline, timeline.Range{From: p.From, To: p.To}, join)
	if err != nil && fault.Of(err).Kind != fault.NotFound {
		return rec, err
	}
	end := cmp.Or(p.To, r.now())
	for i := range spans {
		// Spans are of whole files, which begin earlier and end later.
		from, to := spans[i].From, spans[i].To
		if from.Before(p.From) {
			from = p.From
		}
		if !p.To.IsZero() && to.After(end) {
			to = end
		}
		part := max(to.Sub(from), 0)
		rec.Covered += part
		rec.Bytes += share(spans[i].Bytes, part, spans[i].To.Sub(spans[i].From))
	}
	rec.Complete = len(spans) > 0 && end.Sub(p.From)-rec.Covered < 2*join+5*time.Second
	return rec, nil
}
