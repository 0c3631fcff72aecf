package api

import (
	"context"
	"net/http"
	"time"

	"weir/internal/app/playout"
	"weir/internal/control/access"
	"weir/internal/fault"
)

// Replay is a range of the past that is sent out live.
type Replay struct {
	ID       string     `json:"id"`
	Stream   string     `json:"stream" doc:"Whose past"`
	As       string     `json:"as" doc:"The live stream that it is"`
	From     *time.Time `json:"from" doc:"null: the oldest"`
	To       *time.Time `json:"to" doc:"null: the newest, and on with it while the stream lives"`
	Speed    float64    `json:"speed"`
	Loop     bool       `json:"loop"`
	KeepGaps bool       `json:"keep_gaps"`
	Since    time.Time  `json:"since"`
}

type (
	newReplayInput struct {
		Body struct {
			Stream   string     `json:"stream" maxLength:"1024" doc:"Whose past"`
			As       string     `json:"as" maxLength:"1024" doc:"The live stream that it becomes"`
			From     *time.Time `json:"from,omitempty" doc:"Absent: the oldest"`
			To       *time.Time `json:"to,omitempty" doc:"Absent: the newest, and on with it while the stream lives"`
			Speed    float64    `json:"speed,omitempty" minimum:"0" maximum:"32" doc:"From 0.25 to 32; absent: 1. At another speed than 1 there is no sound, above 4 only key frames"`
			Loop     bool       `json:"loop,omitempty" doc:"Begin again at the end"`
			KeepGaps bool       `json:"keep_gaps,omitempty" doc:"Wait where footage is missing, instead of going on with what comes after"`
		}
	}
	replayOutput struct{ Body Replay }
)

func (a *API) replayRoutes() {
	const tag = "replays"
	read, write := right(access.ScopeStreamsRead), right(access.ScopeStreamsWrite)
	add(a, op{id: "list-replays", method: http.MethodGet, path: "/replays", summary: "Ranges of the past that are sent out live", tag: tag, right: read}, a.listReplays)
	add(a, op{id: "create-replay", method: http.MethodPost, path: "/replays", summary: "Send a range of the past out live", tag: tag, right: write, status: http.StatusCreated}, a.createReplay)
	add(a, op{id: "delete-replay", method: http.MethodDelete, path: "/replays/{id}", summary: "Stop a replay", tag: tag, right: write, status: http.StatusNoContent}, a.deleteReplay)
}

func (a *API) replays() (*playout.Replays, error) {
	if a.deps.Replays == nil {
		return nil, fault.New(fault.Unsupported, "not_offered", "This server keeps no footage.", "Set segments.enabled.")
	}
	return a.deps.Replays, nil
}

func (a *API) listReplays(_ context.Context, in *PageInput) (*pageOutput[Replay], error) {
	r, err := a.replays()
	if err != nil {
		return nil, err
	}
	var list []Replay
	for _, p := range r.List() {
		list = append(list, replayOf(&p))
	}
	return pageOf(list, *in, func(r Replay) string { return r.ID })
}

func (a *API) createReplay(ctx context.Context, in *newReplayInput) (*replayOutput, error) {
	r, err := a.replays()
	if err != nil {
		return nil, err
	}
	b := &in.Body
	p, err := r.Start(ctx, playout.Order{
		Stream: b.Stream, As: b.As, From: timeOr(b.From), To: timeOr(b.To), Speed: b.Speed, Loop: b.Loop, KeepGaps: b.KeepGaps,
	})
	if err != nil {
		return nil, err
	}
	return &replayOutput{Body: replayOf(&p)}, nil
}

func (a *API) deleteReplay(_ context.Context, in *idInput) (*struct{}, error) {
	r, err := a.replays()
	if err != nil {
		return nil, err
	}
	return nil, r.Stop(in.ID)
}

func replayOf(p *playout.Replay) Replay {
	return Replay{
		ID: p.ID, Stream: p.Stream, As: p.As, From: moment(p.From), To: moment(p.To), Speed: p.Speed, Loop: p.Loop, KeepGaps: p.KeepGaps, Since: p.Since,
	}
}
