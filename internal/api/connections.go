package api

import (
	"context"
	"net/http"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/session"
	"weir/internal/fault"
)

// Connection is one publisher or viewer.
type Connection struct {
	ID        string            `json:"id"`
	Action    string            `json:"action" enum:"publish,play"`
	Protocol  string            `json:"protocol"`
	Stream    string            `json:"stream"`
	Remote    string            `json:"remote"`
	UserAgent string            `json:"user_agent"`
	KeyName   string            `json:"key_name"`
	Since     time.Time         `json:"since"`
	BytesIn   int64             `json:"bytes_in"`
	BytesOut  int64             `json:"bytes_out"`
	BPS       int64             `json:"bps" doc:"From a publisher, or to a viewer, over the last second"`
	Details   map[string]string `json:"details,omitempty"`
}

type (
	connectionsInput struct {
		PageInput
		Stream string `query:"stream" maxLength:"1024" doc:"Only of this stream"`
		Action string `query:"action" enum:"publish,play," doc:"Only publishers, or only viewers"`
	}
	idInput struct {
		ID string `path:"id" maxLength:"64"`
	}
)

func (a *API) connectionRoutes() {
	const tag = "sessions"
	add(a, op{id: "list-sessions", method: http.MethodGet, path: "/sessions", summary: "Publishers and viewers", tag: tag, right: access.ScopeStreamsRead}, a.listSessions)
	add(a, op{id: "kick-session", method: http.MethodDelete, path: "/sessions/{id}", summary: "End a session", tag: tag, right: access.ScopeStreamsWrite, status: http.StatusNoContent}, a.kickSession)
}

func (a *API) listSessions(_ context.Context, in *connectionsInput) (*pageOutput[Connection], error) {
	infos := a.deps.Door.Sessions(func(i session.Info) bool {
		return (in.Stream == "" || i.Name == in.Stream) && (in.Action == "" || string(i.Action) == in.Action)
	})
	list := make([]Connection, 0, len(infos))
	for i := range infos {
		list = append(list, connectionOf(&infos[i]))
	}
	return pageOf(list, in.PageInput, func(c Connection) string { return c.ID }) // IDs sort by time
}

func connectionOf(i *session.Info) Connection {
	c := Connection{
		ID: i.ID, Action: string(i.Action), Protocol: i.Protocol, Stream: i.Name, Remote: i.Remote, UserAgent: i.UserAgent, KeyName: i.KeyName,
		Since: i.Since.UTC(), BytesIn: i.BytesIn, BytesOut: i.BytesOut, BPS: i.OutBPS, Details: i.Details,
	}
	if i.Action == session.Publish {
		c.BPS = i.InBPS
	}
	return c
}

func (a *API) kickSession(_ context.Context, in *idInput) (*struct{}, error) {
	if !a.deps.Door.Kick(in.ID, nil) {
		return nil, fault.New(fault.NotFound, "session_unknown", "There is no such session.", "It may have ended by itself.")
	}
	return nil, nil
}
