package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"weir/internal/app/recordings"
	"weir/internal/control/access"
	"weir/internal/fault"
)

// Recording is a named range of a stream's timeline that stays.
type Recording struct {
	ID        string     `json:"id"`
	Stream    string     `json:"stream"`
	Kind      string     `json:"kind" enum:"recording,clip,hold,event"`
	Title     string     `json:"title"`
	State     string     `json:"state" enum:"running,finished"`
	From      time.Time  `json:"from"`
	To        *time.Time `json:"to" doc:"null while it runs"`
	Until     *time.Time `json:"until" doc:"When it is forgotten; null: never"`
	Bytes     int64      `json:"bytes"`
	DurationS float64    `json:"duration_s" doc:"Of the footage, without gaps"`
	By        string     `json:"by" doc:"Who began it; rule: the configuration"`
	Created   time.Time  `json:"created"`
	Complete  bool       `json:"complete" doc:"There is no gap in it"`
	HLS       string     `json:"hls" example:"/live/show/index.m3u8?from=…&to=…"`
	DASH      string     `json:"dash"`
	MP4       string     `json:"mp4"`
	Watch     string     `json:"watch"`
}

type (
	recordingsInput struct {
		PageInput
		Stream string `query:"stream" maxLength:"1024" doc:"Only of this stream"`
		Q      string `query:"q" maxLength:"200" doc:"Words of the title or the stream's name"`
		Kind   string `query:"kind" enum:"recording,clip,hold,event" doc:"Only of this kind"`
		State  string `query:"state" enum:"running,finished" doc:"Only in this state"`
	}
	newRecordingInput struct {
		Body struct {
			Stream   string     `json:"stream" maxLength:"1024"`
			Title    string     `json:"title,omitempty" maxLength:"800"`
			Kind     string     `json:"kind,omitempty" enum:"recording,clip,hold,event"`
			From     *time.Time `json:"from,omitempty" doc:"Absent: now"`
			To       *time.Time `json:"to,omitempty" doc:"Absent: record until it is stopped or the stream ends; given: keep that range"`
			PreRollS float64    `json:"pre_roll_s,omitempty" minimum:"0" maximum:"86400" doc:"Begin so many seconds earlier"`
			Until    *time.Time `json:"until,omitempty" doc:"When it is forgotten; absent: never"`
		}
	}
	changeRecordingInput struct {
		ID   string `path:"id" maxLength:"64"`
		Body struct {
			Title   *string    `json:"title,omitempty" maxLength:"800"`
			From    *time.Time `json:"from,omitempty"`
			To      *time.Time `json:"to,omitempty"`
			Until   *time.Time `json:"until,omitempty"`
			Forever bool       `json:"forever,omitempty" doc:"Keep it for ever, instead of until"`
		}
	}
	deleteRecordingInput struct {
		ID      string `path:"id" maxLength:"64"`
		Footage bool   `query:"footage" doc:"Delete its footage too, but for what another recording keeps"`
	}
	recordingOutput struct{ Body Recording }
)

func (a *API) recordingRoutes() {
	const tag = "recordings"
	read, write := right(access.ScopeStreamsRead), right(access.ScopeStreamsWrite)
	add(a, op{id: "list-recordings", method: http.MethodGet, path: "/recordings", summary: "Recordings, the newest first", tag: tag, right: read}, a.listRecordings)
	add(a, op{id: "create-recording", method: http.MethodPost, path: "/recordings", summary: "Record a stream, or keep a range of its past", tag: tag, right: write, status: http.StatusCreated}, a.createRecording)
	add(a, op{id: "get-recording", method: http.MethodGet, path: "/recordings/{id}", summary: "One recording", tag: tag, right: read}, a.getRecording)
	add(a, op{id: "change-recording", method: http.MethodPatch, path: "/recordings/{id}", summary: "Rename a recording, or keep it longer", tag: tag, right: write}, a.changeRecording)
	add(a, op{id: "stop-recording", method: http.MethodPost, path: "/recordings/{id}/stop", summary: "End a recording; answers when all of it is on the disk", tag: tag, right: write}, a.stopRecording)
	add(a, op{id: "delete-recording", method: http.MethodDelete, path: "/recordings/{id}", summary: "Forget a recording", tag: tag, right: write, status: http.StatusNoContent}, a.deleteRecording)
}

func (a *API) recordings() (*recordings.Recordings, error) {
	if a.deps.Recordings == nil {
		return nil, fault.New(fault.Unsupported, "not_offered", "This server keeps no footage.", "Set segments.enabled.")
	}
	return a.deps.Recordings, nil
}

func (a *API) listRecordings(ctx context.Context, in *recordingsInput) (*pageOutput[Recording], error) {
	r, err := a.recordings()
	if err != nil {
		return nil, err
	}
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	f := recordings.Filter{Stream: in.Stream, Kind: in.Kind, Text: in.Q}
	if in.State != "" {
		running := in.State == "running"
		f.Running = &running
	}
	records, err := r.List(ctx, f, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	places := make(map[string]string, len(records))
	list := make([]Recording, 0, len(records))
	for i := range records {
		places[records[i].ID] = recordings.Place(&records[i].Pin)
		list = append(list, recordingOf(&records[i]))
	}
	return paged(list, in.Limit, func(r Recording) string { return places[r.ID] }), nil
}

func (a *API) createRecording(ctx context.Context, in *newRecordingInput) (*recordingOutput, error) {
	r, err := a.recordings()
	if err != nil {
		return nil, err
	}
	b := &in.Body
	return recordingAnswer(r.Begin(ctx, recordings.Begin{
		Stream: b.Stream, Title: b.Title, Kind: b.Kind, By: callerOf(ctx).who(),
		From: timeOr(b.From), To: timeOr(b.To), Until: timeOr(b.Until), PreRoll: time.Duration(b.PreRollS * float64(time.Second)),
	}))
}

func timeOr(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func recordingAnswer(r recordings.Record, err error) (*recordingOutput, error) {
	if err != nil {
		return nil, err
	}
	return &recordingOutput{Body: recordingOf(&r)}, nil
}

func (a *API) getRecording(ctx context.Context, in *idInput) (*recordingOutput, error) {
	r, err := a.recordings()
	if err != nil {
		return nil, err
	}
	return recordingAnswer(r.Get(ctx, in.ID))
}

func (a *API) changeRecording(ctx context.Context, in *changeRecordingInput) (*recordingOutput, error) {
	r, err := a.recordings()
	if err != nil {
		return nil, err
	}
	c := recordings.Change{Title: in.Body.Title, From: in.Body.From, To: in.Body.To, Until: in.Body.Until}
	if in.Body.Forever {
		c.Until = &time.Time{}
	}
	return recordingAnswer(r.Change(ctx, in.ID, c))
}

func (a *API) stopRecording(ctx context.Context, in *idInput) (*recordingOutput, error) {
	r, err := a.recordings()
	if err != nil {
		return nil, err
	}
	return recordingAnswer(r.Stop(ctx, in.ID))
}

func (a *API) deleteRecording(ctx context.Context, in *deleteRecordingInput) (*struct{}, error) {
	r, err := a.recordings()
	if err != nil {
		return nil, err
	}
	return nil, r.Delete(ctx, in.ID, in.Footage)
}

func recordingOf(r *recordings.Record) Recording {
	out := Recording{
		ID: r.ID, Stream: r.Timeline, Kind: r.Kind, Title: r.Title, State: "finished", From: r.From.UTC(), To: moment(r.To), Until: moment(r.Until),
		Bytes: r.Bytes, DurationS: rounded(r.Covered.Seconds()), By: r.By, Created: r.Created.UTC(), Complete: r.Complete,
	}
	q := url.Values{"from": {stamp(r.From)}}
	if r.Running {
		out.State = "running"
	} else {
		q.Set("to", stamp(r.To))
	}
	at, query := streamPath(r.Timeline), "?"+q.Encode()
	out.HLS, out.DASH, out.MP4, out.Watch = at+"/index.m3u8"+query, at+"/index.mpd"+query, at+"/clip.mp4"+query, at+query
	return out
}

// stamp writes a time as addresses have it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
