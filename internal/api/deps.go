package api

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"weir/internal/app/live"
	"weir/internal/app/playout"
	"weir/internal/app/recordings"
	"weir/internal/control/access"
	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/netguard"
	"weir/internal/pipeline"
	"weir/internal/timeline"
)

// Deps are the rooms that the API speaks for. Hub, Door, Access, Streams, Sources,
// Guard and Log are needed; the rest may be nil or zero.
type Deps struct {
	Hub     *hub.Hub
	Door    *session.Door
	Access  *access.Access
	Streams *live.Streams
	Sources *live.Sources
	Relays  *pipeline.Pipeline // runs what Access has records of; nil: pulls and pushes are not offered
	Guard   *netguard.Guard    // dials webhooks
	System  System
	Limits  Limits

	// Recordings and Footage are there together; nil: nothing is kept.
	Recordings *recordings.Recordings
	Footage    *timeline.Store
	Kept       *recordings.Events
	Replays    *playout.Replays
	Log        *slog.Logger

	// MayWatch refuses who may not see the facts of a stream that is played by key;
	// nil: everybody may.
	MayWatch func(ctx context.Context, name, key string, from netip.Addr) error
}

// System is what the server knows of itself. Functions are asked at each request, so
// that a reload shows; those that are nil have nothing to tell.
type System struct {
	Version, Commit string
	Started         time.Time
	DataDir         string
	Ports           func() Ports
	Addresses       func() []Address
	Gateways        func() []Gateway
	FFmpeg          func() FFmpeg
}

// Ports are the server's ports; 0: off.
type Ports struct {
	HTTP   int `json:"http"`
	HTTPS  int `json:"https"`
	RTMP   int `json:"rtmp"`
	RTMPS  int `json:"rtmps"`
	WebRTC int `json:"webrtc"`
}

// Address is one under which the server may be reached.
type Address struct {
	Host        string `json:"host"`
	Kind        string `json:"kind" enum:"lan,public,loopback"`
	Recommended bool   `json:"recommended"`
}

// Gateway is the state of one way in or out.
type Gateway struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	State   string `json:"state" enum:"on,off,failed"`
	Error   string `json:"error,omitempty"`
}

// FFmpeg says whether the program is there, and what is off without it.
type FFmpeg struct {
	Available bool     `json:"available"`
	Version   string   `json:"version,omitempty"`
	Off       []string `json:"off" nullable:"false"`
}

// Limits bound what requests may take. Zero values get the defaults.
type Limits struct {
	API         access.Rate // of one address; default 100/s, burst 400
	Login       access.Rate // of one address; default 1/s, burst 20; Access has its own, narrower one
	Subscribers int         // of the event stream; default 200
}

func (d *Deps) check() error {
	if d.Hub == nil || d.Door == nil || d.Access == nil || d.Streams == nil || d.Sources == nil || d.Guard == nil || d.Log == nil {
		return fault.New(fault.Internal, "api_incomplete", "The API was built without one of its rooms.", "")
	}
	def := func(r *access.Rate, perSecond float64, burst int) {
		if *r == (access.Rate{}) {
			*r = access.Rate{PerSecond: perSecond, Burst: burst}
		}
	}
	def(&d.Limits.API, 100, 400)
	def(&d.Limits.Login, 1, 20)
	if d.Limits.Subscribers == 0 {
		d.Limits.Subscribers = 200
	}
	s := &d.System
	if s.Started.IsZero() {
		s.Started = time.Now()
	}
	if s.Ports == nil {
		s.Ports = func() Ports { return Ports{} }
	}
	if s.Addresses == nil {
		s.Addresses = func() []Address { return nil }
	}
	if s.Gateways == nil {
		s.Gateways = func() []Gateway { return nil }
	}
	if s.FFmpeg == nil {
		s.FFmpeg = func() FFmpeg { return FFmpeg{} }
	}
	return nil
}
