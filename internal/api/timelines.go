package api

import (
	"context"
	"net/http"
	"time"

	"weir/internal/app/recordings"
	"weir/internal/control/access"
	"weir/internal/fault"
	"weir/internal/timeline"
)

// Timeline is what is kept of a stream.
type Timeline struct {
	Name      string    `json:"name"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Bytes     int64     `json:"bytes"`
	Files     int       `json:"files"`
	HeldBytes int64     `json:"held_bytes" doc:"Of footage that was found and not known; retention leaves it alone until it is released"`
	Live      bool      `json:"live"`
	Recording bool      `json:"recording" doc:"A recording of it runs"`
	KeepS     float64   `json:"keep_s" doc:"How long footage stays without a recording; negative: for ever"`
	KeepBytes int64     `json:"keep_bytes" doc:"How much stays; 0: no limit"`
}

// Footage is a stretch of a timeline in detail.
type Footage struct {
	Name  string      `json:"name"`
	From  time.Time   `json:"from"`
	To    time.Time   `json:"to"`
	Spans []Span      `json:"spans" nullable:"false"`
	Gaps  []Gap       `json:"gaps" nullable:"false"`
	Pins  []Recording `json:"pins" nullable:"false"`
}

// Span is footage without a gap.
type Span struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Run   uint64    `json:"run"`
	Bytes int64     `json:"bytes"`
	Live  bool      `json:"live" doc:"It is growing"`
	Held  bool      `json:"held"`
	End   string    `json:"end,omitempty" doc:"Why it ends" example:"publisher_gone"`
}

// Gap is where nothing is kept.
type Gap struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Cause string    `json:"cause,omitempty"`
}

type (
	timelinesInput struct {
		PageInput
		Prefix string `query:"prefix" maxLength:"1024" doc:"Only streams whose name begins so"`
	}
	// RangeInput is a range of a stream's past.
	RangeInput struct {
		NameInput
		From time.Time `query:"from" doc:"Absent: the oldest"`
		To   time.Time `query:"to" doc:"Absent: now"`
	}
	footageOutput struct{ Body Footage }
)

// smallestGap is the shortest gap that is told.
const smallestGap = time.Second

func (a *API) timelineRoutes() {
	const tag = "timelines"
	read, write := right(access.ScopeStreamsRead), right(access.ScopeStreamsWrite)
	add(a, op{id: "list-timelines", method: http.MethodGet, path: "/timelines", summary: "What is kept, by stream", tag: tag, right: read}, a.listTimelines)
	add(a, op{id: "get-timeline", method: http.MethodGet, path: "/timelines/{name}", summary: "Footage, gaps and recordings of a stream", tag: tag, right: read}, a.getTimeline)
	add(a, op{id: "delete-footage", method: http.MethodDelete, path: "/timelines/{name}", summary: "Delete footage that no recording keeps", tag: tag, right: write, status: http.StatusNoContent}, a.deleteFootage)
}

func (a *API) listTimelines(ctx context.Context, in *timelinesInput) (*pageOutput[Timeline], error) {
	if _, err := a.recordings(); err != nil {
		return nil, err
	}
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	rows, err := a.deps.Footage.Coverage(ctx, in.Prefix, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	policy := a.deps.Recordings.Policy()
	list := make([]Timeline, 0, len(rows))
	for i := range rows {
		c := &rows[i]
		keep := policy.Keep(c.Timeline)
		t := Timeline{
			Name: c.Timeline, From: c.From.UTC(), To: c.To.UTC(), Bytes: c.Bytes, Files: c.Files, HeldBytes: c.HeldBytes,
			Live: a.deps.Hub.Stream(c.Timeline) != nil, KeepS: keep.For.Seconds(), KeepBytes: keep.Bytes,
		}
		for _, p := range a.deps.Footage.Pins(c.Timeline) {
			t.Recording = t.Recording || p.To.IsZero()
		}
		list = append(list, t)
	}
	return paged(list, in.Limit, func(t Timeline) string { return t.Name }), nil
}

func (a *API) getTimeline(ctx context.Context, in *RangeInput) (*footageOutput, error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	r, err := a.recordings()
	if err != nil {
		return nil, err
	}
	spans, err := a.deps.Footage.Spans(ctx, name, timeline.Range{From: in.From, To: in.To}, smallestGap)
	if err != nil {
		return nil, err
	}
	out := Footage{Name: name, From: in.From.UTC(), To: in.To.UTC(), Spans: []Span{}, Gaps: []Gap{}, Pins: []Recording{}}
	latest := &timeline.Span{} // the one that ends last so far
	for i := range spans {
		s := &spans[i]
		out.Spans = append(out.Spans, Span{From: s.From.UTC(), To: s.To.UTC(), Run: s.Run, Bytes: s.Bytes, Live: s.Live, Held: s.Held, End: s.End})
		// Spans overlap where the clock was set back.
		if i > 0 && s.From.Sub(latest.To) >= smallestGap {
			out.Gaps = append(out.Gaps, Gap{From: latest.To.UTC(), To: s.From.UTC(), Cause: latest.End})
		}
		if !s.To.Before(latest.To) {
			latest = s
		}
	}
	if n := len(spans); n > 0 {
		if in.From.IsZero() {
			out.From = spans[0].From.UTC()
		}
		if in.To.IsZero() {
			out.To = latest.To.UTC()
		}
	}
	records, err := r.List(ctx, recordings.Filter{Stream: name}, "", 1000)
	if err != nil {
		return nil, err
	}
	for i := range records {
		p := &records[i]
		if (in.To.IsZero() || p.From.Before(in.To)) && (p.To.IsZero() || p.To.After(in.From)) {
			out.Pins = append(out.Pins, recordingOf(p))
		}
	}
	return &footageOutput{Body: out}, nil
}

func (a *API) deleteFootage(ctx context.Context, in *RangeInput) (*struct{}, error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	if _, err := a.recordings(); err != nil {
		return nil, err
	}
	if in.From.IsZero() && in.To.IsZero() {
		return nil, fault.New(fault.Invalid, "range_missing", "Say which footage is to be deleted.", "Give from and to.")
	}
	if !in.To.IsZero() && !in.From.Before(in.To) {
		return nil, fault.New(fault.Invalid, "range_empty", "The range ends before it begins.", "Give a from before to.")
	}
	return nil, a.deps.Footage.Delete(ctx, name, timeline.Range{From: in.From, To: in.To})
}
