package api

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/internal/app/live"
	"weir/internal/codec"
	"weir/internal/control/access"
	"weir/internal/fault"
	"weir/internal/health"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/streamname"
)

// Stream is a broadcast.
type Stream struct {
	Name              string         `json:"name" example:"live/show"`
	State             string         `json:"state" enum:"live,away,idle" doc:"away: the publisher left and may return; idle: nobody publishes"`
	Since             *time.Time     `json:"since,omitempty" doc:"When the broadcast began"`
	Publisher         *Publisher     `json:"publisher" doc:"null while nobody publishes"`
	Tracks            []Track        `json:"tracks" nullable:"false"`
	InBPS             int64          `json:"in_bps"`
	Viewers           int            `json:"viewers"`
	ViewersByProtocol map[string]int `json:"viewers_by_protocol"`
	Verdict           Verdict        `json:"verdict"`
	Thumbnail         string         `json:"thumbnail" example:"/live/show/poster.jpg" doc:"Empty where there is no picture; for a stream of keys it has a pass that opens it"`
	Run               uint64         `json:"run" doc:"Grows with each new publication, configuration or clock"`
	Counters          Counters       `json:"counters"`
}

// Publisher is who publishes.
type Publisher struct {
	Protocol  string `json:"protocol"`
	Remote    string `json:"remote"`
	Software  string `json:"software"`
	KeyName   string `json:"key_name"`
	SessionID string `json:"session_id"`
}

// Track is one elementary stream.
type Track struct {
	ID                uint16  `json:"id"`
	Kind              string  `json:"kind" enum:"video,audio,text,picture,data"`
	Codec             string  `json:"codec" example:"H.264"`
	Codecs            string  `json:"codecs" doc:"As in RFC 6381" example:"avc1.64001f"`
	Width             int     `json:"width"`
	Height            int     `json:"height"`
	FrameRate         float64 `json:"frame_rate"`
	MeasuredFrameRate float64 `json:"measured_frame_rate"`
	BitrateBPS        int     `json:"bitrate_bps"`
	GOPSeconds        float64 `json:"gop_s"`
	BFrames           bool    `json:"b_frames"`
	SampleRate        int     `json:"sample_rate"`
	Channels          int     `json:"channels"`
	Derived           bool    `json:"derived" doc:"Made by this server from another track"`
}

// Verdict says whether a stream is well, and if not, why.
type Verdict struct {
	Grade    string    `json:"grade" enum:"good,fair,bad,none"`
	Findings []Finding `json:"findings" nullable:"false"`
}

// Finding is one thing that is wrong.
type Finding struct {
	Code     string         `json:"code"`
	Severity string         `json:"severity" enum:"info,warn,bad" doc:"info does not lower the grade"`
	Message  string         `json:"message"`
	Remedy   string         `json:"remedy"`
	Values   map[string]any `json:"values"`
	Since    time.Time      `json:"since"`
}

// Counters count since the stream began.
type Counters struct {
	FramesIn         uint64 `json:"frames_in"`
	BytesIn          uint64 `json:"bytes_in"`
	Dropped          uint64 `json:"dropped" doc:"Frames refused, and frames that slow readers missed"`
	TimestampRepairs uint64 `json:"timestamp_repairs"`
	Discontinuities  uint64 `json:"discontinuities"`
}

// StreamHistory is a stream's last five minutes.
type StreamHistory struct {
	IntervalS int         `json:"interval_s"`
	Points    []Point     `json:"points" nullable:"false"`
	Events    []Happening `json:"events" nullable:"false"`
}

// Point is one second of a stream.
type Point struct {
	At         time.Time `json:"at"`
	InBPS      int64     `json:"in_bps"`
	FPS        float64   `json:"fps"`
	GOPSeconds float64   `json:"gop_s"`
	AVOffsetMS float64   `json:"av_offset_ms" doc:"Positive when the sound is late"`
	Viewers    int       `json:"viewers"`
}

// Happening is something that happened to a stream.
type Happening struct {
	At     time.Time      `json:"at"`
	Code   string         `json:"code" example:"publisher_left"`
	Values map[string]any `json:"values"`
}

// Attempt is a refused attempt to publish.
type Attempt struct {
	At       time.Time `json:"at"`
	Remote   string    `json:"remote"`
	Protocol string    `json:"protocol"`
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	Remedy   string    `json:"remedy"`
	Count    int       `json:"count" doc:"How often in a row"`
}

type (
	// NameInput names a stream.
	NameInput struct {
		Name string `path:"name" maxLength:"1024" doc:"The stream's name, its slashes as %2F" example:"live%2Fshow"`
	}
	streamsInput struct {
		PageInput
		State string `query:"state" enum:"live,away,idle" doc:"Only streams of this state"`
		Name  string `query:"name" maxLength:"1024" doc:"Only the stream of this name; an empty list when it is not on"`
	}
	streamOutput        struct{ Body Stream }
	streamHistoryOutput struct{ Body StreamHistory }
)

// name checks the grammar, so that nothing else than a stream's name goes further.
func (in NameInput) name() (string, error) { return in.Name, streamname.Check(in.Name) }

func (a *API) streamRoutes() {
	const tag = "streams"
	read, write := right(access.ScopeStreamsRead), right(access.ScopeStreamsWrite)
	add(a, op{id: "list-streams", method: http.MethodGet, path: "/streams", summary: "The streams that are on, or could be", tag: tag, right: read}, a.listStreams)
	add(a, op{id: "get-stream", method: http.MethodGet, path: "/streams/{name}", summary: "One stream", tag: tag, right: read}, a.getStream)
	add(a, op{id: "kick-publisher", method: http.MethodDelete, path: "/streams/{name}/publisher", summary: "End the publication", tag: tag, right: write, status: http.StatusNoContent}, a.kickPublisher)
	add(a, op{id: "get-stream-history", method: http.MethodGet, path: "/streams/{name}/history", summary: "The last five minutes of a stream", tag: tag, right: read}, a.getStreamHistory)
	add(a, op{id: "list-attempts", method: http.MethodGet, path: "/streams/{name}/attempts", summary: "Refused attempts to publish, the latest first", tag: tag, right: read}, a.listAttempts)
	add(a, op{id: "get-publish-info", method: http.MethodGet, path: "/streams/{name}/publish-info", summary: "All it takes to publish; makes a key for this name if there is none", tag: tag, right: write}, a.getPublishInfo)
}

func (a *API) listStreams(ctx context.Context, in *streamsInput) (*pageOutput[Stream], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	if in.Name != "" {
		var list []Stream
		if s, ok := a.stream(in.Name); ok && (in.State == "" || s.State == in.State) {
			list = append(list, a.seenBy(ctx, s))
		}
		return paged(list, in.Limit, nil), nil
	}
	accept := func(s hub.State) bool { return in.State == "" || s.String() == in.State }
	var list []Stream
	for _, s := range a.deps.Streams.List(after, in.Limit+1, accept) {
		list = append(list, streamOf(s))
	}
	if in.State == "" || in.State == "idle" {
		list = append(list, a.idle(after)...)
		slices.SortFunc(list, func(x, y Stream) int { return strings.Compare(x.Name, y.Name) })
		list = list[:min(len(list), in.Limit+1)]
	}
	out := paged(list, in.Limit, func(s Stream) string { return s.Name })
	for i, s := range out.Body.Items {
		out.Body.Items[i] = a.seenBy(ctx, s)
	}
	return out, nil
}

// idle are the streams that come when somebody asks for them or a source returns: the
// pulls whose stream is not on.
func (a *API) idle(after string) []Stream {
	if a.deps.Relays == nil {
		return nil
	}
	var list []Stream
	for _, p := range a.deps.Relays.Pulls() {
		known := slices.ContainsFunc(list, func(s Stream) bool { return s.Name == p.Stream })
		pattern := strings.Contains(p.Stream, "*")
		if !pattern && p.Stream > after && !known && a.deps.Hub.Stream(p.Stream) == nil {
			list = append(list, idleStream(p.Stream))
		}
	}
	return list
}

func idleStream(name string) Stream {
	return Stream{
		Name: name, State: "idle", Tracks: []Track{}, ViewersByProtocol: map[string]int{}, Thumbnail: thumbnail(name, nil),
		Verdict: Verdict{Grade: "none", Findings: []Finding{}},
	}
}

func (a *API) getStream(ctx context.Context, in *NameInput) (*streamOutput, error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	s, ok := a.stream(name)
	if !ok {
		return nil, streamUnknown(name)
	}
	return &streamOutput{Body: a.seenBy(ctx, s)}, nil
}

func (a *API) stream(name string) (Stream, bool) {
	if s, ok := a.deps.Streams.Get(name); ok {
		return streamOf(s), true
	}
	for _, s := range a.idle("") {
		if s.Name == name {
			return s, true
		}
	}
	return Stream{}, false
}

// seenBy opens the picture of a stream of keys to who may look after it, as watch does with the stream itself.
func (a *API) seenBy(ctx context.Context, s Stream) Stream {
	c := callerOf(ctx)
	if s.Thumbnail == "" || a.deps.MayWatch == nil || !c.known || !c.identity.Allows(access.ScopeStreamsWrite) {
		return s
	}
	if a.deps.MayWatch(ctx, s.Name, "", c.remote.Addr()) != nil {
		s.Thumbnail += "?key=" + a.deps.Access.Pass(s.Name, passLife)
	}
	return s
}

func streamUnknown(name string) error {
	return fault.New(fault.NotFound, "stream_unknown", "The stream "+name+" is not on.", "It appears here as soon as somebody publishes it.")
}

func (a *API) kickPublisher(_ context.Context, in *NameInput) (*struct{}, error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	return nil, a.deps.Streams.Kick(name)
}

func (a *API) getStreamHistory(_ context.Context, in *NameInput) (*streamHistoryOutput, error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	points, events := a.deps.Streams.History(name)
	if points == nil && a.deps.Hub.Stream(name) == nil {
		return nil, streamUnknown(name)
	}
	out := StreamHistory{IntervalS: 1, Points: make([]Point, 0, len(points)), Events: make([]Happening, 0, len(events))}
	for _, p := range points {
		out.Points = append(out.Points, Point{At: p.At.UTC(), InBPS: p.InBPS, FPS: rounded(p.FPS), GOPSeconds: rounded(p.GOPSeconds), AVOffsetMS: rounded(p.AVOffsetMS), Viewers: p.Viewers})
	}
	for _, e := range events {
		out.Events = append(out.Events, Happening{At: e.At.UTC(), Code: e.Code, Values: values(e.Values)})
	}
	return &streamHistoryOutput{Body: out}, nil
}

func (a *API) listAttempts(_ context.Context, in *NameInput) (*pageOutput[Attempt], error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	var list []Attempt
	for _, t := range a.deps.Door.Attempts(name) {
		list = append(list, Attempt{At: t.At.UTC(), Remote: t.Remote, Protocol: t.Protocol, Code: t.Code, Message: t.Message, Remedy: t.Remedy, Count: t.Count})
	}
	return paged(list, len(list), nil), nil
}

func streamOf(s live.Summary) Stream {
	since := s.Since
	out := Stream{
		Name: s.Name, State: s.State.String(), Since: &since, Tracks: make([]Track, 0, len(s.Tracks)), InBPS: s.InBPS, Viewers: s.Viewers,
		ViewersByProtocol: s.ViewersByProtocol, Verdict: verdictOf(&s.Report), Thumbnail: thumbnail(s.Name, s.Tracks), Run: s.Run,
		Counters: Counters{FramesIn: s.Stats.Frames, BytesIn: s.Stats.Bytes, Dropped: s.Stats.Dropped + s.Stats.Skipped, TimestampRepairs: s.Stats.Repairs, Discontinuities: s.Stats.Discontinuities},
	}
	if s.State == hub.Over { // it ended while it was looked at
		out.State = "idle"
	}
	if out.ViewersByProtocol == nil {
		out.ViewersByProtocol = map[string]int{}
	}
	if p := s.Publisher; p != nil {
		out.Publisher = &Publisher{Protocol: p.Protocol, Remote: p.Remote, Software: p.Software, KeyName: p.KeyName, SessionID: p.SessionID}
	}
	for i := range s.Tracks {
		out.Tracks = append(out.Tracks, trackOf(&s.Tracks[i]))
	}
	return out
}

func trackOf(t *live.Track) Track {
	m := t.Measured
	out := Track{
		ID: uint16(t.ID), Kind: t.Kind.String(), Codec: t.Codec.String(), Codecs: codec.String(&t.Track), Width: t.Width, Height: t.Height,
		FrameRate: rounded(t.FrameRate), MeasuredFrameRate: rounded(m.FPS), BitrateBPS: m.BitrateBPS, GOPSeconds: rounded(m.GOPSeconds), BFrames: m.BFrames,
		SampleRate: t.SampleRate, Channels: t.Channels, Derived: t.Derived,
	}
	if out.BitrateBPS == 0 {
		out.BitrateBPS = t.Bitrate
	}
	return out
}

func verdictOf(r *health.Report) Verdict {
	v := Verdict{Grade: r.Grade, Findings: make([]Finding, 0, len(r.Findings))}
	for _, f := range r.Findings {
		v.Findings = append(v.Findings, Finding{Code: f.Code, Severity: f.Severity, Message: f.Message, Remedy: f.Remedy, Values: values(f.Values), Since: f.Since.UTC()})
	}
	return v
}

// rounded leaves out digits that mean nothing.
func rounded(v float64) float64 { return math.Round(v*1000) / 1000 }

func values(v map[string]any) map[string]any {
	if v == nil {
		return map[string]any{}
	}
	return v
}

// thumbnail is where the latest picture is; sound alone has none.
func thumbnail(name string, tracks []live.Track) string {
	video := slices.ContainsFunc(tracks, func(t live.Track) bool { return t.Kind == media.Video })
	if len(tracks) > 0 && !video {
		return ""
	}
	return streamPath(name) + "/poster.jpg"
}

// streamPath is the address of a stream's page.
func streamPath(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/" + strings.Join(parts, "/")
}
