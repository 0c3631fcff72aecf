// Package server builds the house: it chooses implementations, gives each room what it needs, routes requests, starts
// and stops. What belongs here: wiring and the order of things. What does not: files, flags and environment (cmd/weir), and
// any work of a room.
package server

import (
	"net/netip"
	"time"

	"weir/internal/app/recordings"
	"weir/internal/control/access"
	"weir/internal/control/hook"
	"weir/internal/control/session"
	"weir/internal/deliver"
	"weir/internal/fan"
	"weir/internal/hub"
)

// Config is everything that can be set. The zero value of a part gets that part's defaults.
type Config struct {
	DataDir string
	Version string
	Commit  string

	HTTP   HTTP
	RTMP   RTMP
	WebRTC WebRTC

	Streams  Streams
	Segments Segments
	Footage  Footage
	Access   access.Config
	Limits   session.Limits
	Rates    session.Rates
	Hooks    hook.Config
	Outgoing Outgoing
	Relays   []Relay
	Slates   []Slate

	Wall func() time.Time // the clock that media time goes by; time.Now if nil
}

// HTTP is the listener of console, API and playback.
type HTTP struct {
	Listen      string // ":8080"; empty = off
	TLSListen   string // ":8443"; empty = off
	Certificate string // PEM files; both empty with TLSListen set: a self-signed one is made in the data folder
	Key         string
	SharedCache bool // a CDN stands in front of playback
}

// RTMP is the listener of publishers and players.
type RTMP struct {
	Listen     string // ":1935"; empty = off
	TLSListen  string // ":1936"; empty = off
	LegacyHEVC bool   // HEVC as codec id 12 for players that declare nothing
}

// WebRTC is the media port of WHIP and WHEP.
type WebRTC struct {
	Listen    string       // ":8189", UDP and TCP; empty = off
	Addresses []netip.Addr // public addresses to offer beside the machine's own
}

// Streams says how live streams behave.
type Streams struct {
	Hub      hub.Config
	Profile  fan.Profile
	TakeOver bool // a second publisher with a valid key takes over; otherwise it is refused
	PlayWait time.Duration
	Stall    time.Duration
}

// Segments says how streams are cut for HLS and DASH.
type Segments struct {
	Off      bool
	Duration time.Duration // 2 s
	Part     time.Duration // 200 ms
	Window   time.Duration // how much stays fetchable; 60 s
	Deliver  deliver.Config
}

// Footage says where and how long what was live is kept.
type Footage struct {
	Dir     string        // the data folder's "timeline" if empty
	Sync    time.Duration // how much a power cut may cost; 1 s
	Total   int64         // bytes at most; 0: no limit
	MinFree int64         // bytes that stay free on the disk
	Policy  recordings.Policy
}

// Outgoing says which private addresses pulls, pushes and webhooks may reach.
type Outgoing struct{ Allow []netip.Prefix }

// Relay is a pull or push of the configuration file.
type Relay struct {
	Push     bool
	Stream   string
	URL      string
	OnDemand bool
}
