package api

import (
	"context"
	"net/http"
	"time"

	"weir/internal/control/access"
	"weir/internal/fault"
	"weir/internal/timeline"
)

// Storage is where footage is kept.
type Storage struct {
	Volumes   []Volume    `json:"volumes" nullable:"false"`
	Keep      StorageKeep `json:"keep"`
	Timelines int         `json:"timelines" doc:"Streams of which something is kept; counted up to 1000"`
}

// Volume is one folder that footage is written to.
type Volume struct {
	Dir         string     `json:"dir"`
	State       string     `json:"state" enum:"ok,full,failed,readonly,memory"`
	Cause       string     `json:"cause,omitempty" doc:"Why nothing is recorded"`
	Total       int64      `json:"total"`
	Free        int64      `json:"free"`
	Used        int64      `json:"used" doc:"By footage"`
	Held        int64      `json:"held" doc:"Of it, by footage that was found and not known"`
	BytesPerDay int64      `json:"bytes_per_day" doc:"At the rate of the last minutes"`
	FullInDays  *float64   `json:"full_in_days" doc:"Without retention; null: nothing is being written"`
	Since       *time.Time `json:"since" doc:"Of the state"`
	Lost        int64      `json:"lost" doc:"Segments that could not be recorded since the start"`
	SyncMaxMS   float64    `json:"sync_max_ms" doc:"The longest that making footage durable has taken lately"`
}

// StorageKeep is what the configuration says of keeping.
type StorageKeep struct {
	DVRS       float64 `json:"dvr_s"`
	TotalBytes int64   `json:"total_bytes" doc:"0: no limit"`
	MinFree    int64   `json:"min_free"`
}

type (
	storageOutput struct{ Body Storage }
	releaseInput  struct {
		Body struct {
			Timeline string `json:"timeline,omitempty" maxLength:"1024" doc:"Absent: all"`
		}
	}
)

func (a *API) storageRoutes() {
	add(a, op{id: "get-storage", method: http.MethodGet, path: "/storage", summary: "Where footage is kept, and how long the room lasts", tag: "storage", right: access.ScopeStreamsRead}, a.getStorage)
	add(a, op{id: "release-footage", method: http.MethodPost, path: "/storage/release", summary: "Let retention have the footage that was found and not known", tag: "storage", right: access.ScopeAdmin, status: http.StatusNoContent}, a.releaseFootage)
}

func (a *API) getStorage(ctx context.Context, _ *struct{}) (*storageOutput, error) {
	r, err := a.recordings()
	if err != nil {
		return nil, err
	}
	v := a.deps.Footage.Volume()
	volume := Volume{
		Dir: v.Dir, State: v.State, Cause: v.Cause, Total: v.Total, Free: v.Free, Used: v.Used, Held: v.Held,
		BytesPerDay: v.BytesPerDay, Since: moment(v.Since), Lost: v.Lost, SyncMaxMS: rounded(float64(v.SyncMax) / float64(time.Millisecond)),
	}
	if v.BytesPerDay > 0 {
		days := rounded(float64(v.Free) / float64(v.BytesPerDay))
		volume.FullInDays = &days
	}
	known, err := a.deps.Footage.Coverage(ctx, "", "", 1000)
	if err != nil && volume.State == timeline.VolumeOK { // a dead disk must not hide behind an error of this page
		volume.State, volume.Cause = timeline.VolumeFailed, fault.Of(err).Message
	}
	bounds := a.deps.Footage.Bounds()
	return &storageOutput{Body: Storage{
		Volumes: []Volume{volume}, Timelines: len(known),
		Keep: StorageKeep{DVRS: r.Policy().DVR.Seconds(), TotalBytes: bounds.Total, MinFree: bounds.MinFree},
	}}, nil
}

func (a *API) releaseFootage(ctx context.Context, in *releaseInput) (*struct{}, error) {
	if _, err := a.recordings(); err != nil {
		return nil, err
	}
	return nil, a.deps.Footage.Release(ctx, in.Body.Timeline)
}
