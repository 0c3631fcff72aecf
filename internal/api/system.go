package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"weir/internal/control/access"
	"weir/internal/fault"
)

// SystemInfo is how the server is doing.
type SystemInfo struct {
	Version   string    `json:"version"`
	Commit    string    `json:"commit"`
	UptimeS   int64     `json:"uptime_s"`
	StartedAt time.Time `json:"started_at"`
	Addresses []Address `json:"addresses" nullable:"false"`
	Ports     Ports     `json:"ports"`
	DataDir   string    `json:"data_dir"`
	Disk      Disk      `json:"disk"`
	Totals    Totals    `json:"totals"`
	History   []Traffic `json:"history" nullable:"false" doc:"The last 120 seconds"`
	Gateways  []Gateway `json:"gateways" nullable:"false"`
}

// Disk is the room on the disk of the data folder.
type Disk struct {
	FreeBytes  uint64 `json:"free_bytes"`
	TotalBytes uint64 `json:"total_bytes"`
}

// Totals count what goes on now.
type Totals struct {
	Streams    int   `json:"streams"`
	Publishers int   `json:"publishers"`
	Viewers    int   `json:"viewers"`
	InBPS      int64 `json:"in_bps"`
	OutBPS     int64 `json:"out_bps"`
}

// Traffic is one second of the server's traffic.
type Traffic struct {
	At     time.Time `json:"at"`
	InBPS  int64     `json:"in_bps"`
	OutBPS int64     `json:"out_bps"`
}

const historyLength = 120

// history remembers the traffic of the last two minutes.
type history struct {
	mu     sync.Mutex
	points [historyLength]Traffic
	count  int // ever added
}

func (h *history) add(t Traffic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.points[h.count%historyLength] = t
	h.count++
}

// list returns what is remembered, the oldest first.
func (h *history) list() []Traffic {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(h.count, historyLength)
	out := make([]Traffic, 0, n)
	for i := h.count - n; i < h.count; i++ {
		out = append(out, h.points[i%historyLength])
	}
	return out
}

func (a *API) systemRoutes() {
	add(a, op{id: "get-system", method: http.MethodGet, path: "/system", summary: "How the server is doing", tag: "system", right: access.ScopeStreamsRead}, a.getSystem)
}

type systemOutput struct{ Body SystemInfo }

func (a *API) getSystem(context.Context, *struct{}) (*systemOutput, error) {
	s := &a.deps.System
	info := SystemInfo{
		Version: s.Version, Commit: s.Commit, UptimeS: int64(time.Since(s.Started).Seconds()), StartedAt: s.Started.UTC(),
		Addresses: orEmpty(s.Addresses()), Ports: s.Ports(), DataDir: s.DataDir, Totals: a.totals(), History: a.history.list(),
		Gateways: orEmpty(s.Gateways()),
	}
	if s.DataDir != "" {
		var err error
		if info.Disk, err = disk(s.DataDir); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "disk_unreadable", "The free space of the data folder could not be read.", "The log has the details.")
		}
	}
	return &systemOutput{Body: info}, nil
}

func (a *API) totals() Totals {
	d := a.deps.Door.Stats()
	return Totals{Streams: len(a.deps.Hub.Streams()), Publishers: d.Publishers, Viewers: d.Viewers, InBPS: d.InBPS, OutBPS: d.OutBPS}
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
