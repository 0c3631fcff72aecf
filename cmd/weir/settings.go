package main

import (
	"net/netip"
	"time"

	"weir/internal/app/recordings"
	"weir/internal/control/access"
	"weir/internal/control/hook"
	"weir/internal/control/session"
	"weir/internal/deliver"
	"weir/internal/fan"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/server"
)

// settings is weir.yaml. The tag doc is what the reference and the schema say of a key; every scalar can also be set by a flag
// (--http.listen) and by the environment (WEIR_HTTP_LISTEN). The tag takes says when a change takes effect, if not at once.
type settings struct {
	DataDir   string                  `yaml:"data_dir" takes:"start" doc:"Folder for keys, the catalog and the live window."`
	Log       logSettings             `yaml:"log"`
	HTTP      httpSettings            `yaml:"http"`
	RTMP      rtmpSettings            `yaml:"rtmp"`
	WebRTC    webrtcSettings          `yaml:"webrtc"`
	Streams   streamSettings          `yaml:"streams"`
	Segments  segmentSettings         `yaml:"segments"`
	Recording recordingSettings       `yaml:"recording"`
	Publish   publishSettings         `yaml:"publish"`
	Play      playSettings            `yaml:"play"`
	Rules     []string                `yaml:"rules" doc:"Address rules, the first that fits decides: 'deny publish 203.0.113.0/24', 'allow all 10.0.0.0/8'."`
	Limits    limitSettings           `yaml:"limits"`
	Rates     rateSettings            `yaml:"rates"`
	Hooks     map[string]hookSettings `yaml:"hooks" doc:"HTTP callbacks by application (the first segment of a stream's name); '*' fills what an application leaves out."`
	Outgoing  outgoingSettings        `yaml:"outgoing"`
	Slates    []slateSettings         `yaml:"slates" doc:"What viewers see while the publisher of a stream is away; none by default."`
	Pulls     []relaySettings         `yaml:"pulls" doc:"Streams to fetch from other servers."`
	Pushes    []relaySettings         `yaml:"pushes" doc:"Streams to send to other servers."`
}

type logSettings struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error."`
	Format string `yaml:"format" doc:"text (coloured on a terminal) or json."`
}

type httpSettings struct {
	Listen         string   `yaml:"listen" takes:"start" doc:"Address of console, API, playback, WHIP and WHEP; empty switches it off."`
	TLSListen      string   `yaml:"tls_listen" takes:"start" doc:"The same over HTTPS and HTTP/2, usually ':8443'; empty switches it off."`
	Certificate    string   `yaml:"certificate" takes:"start" doc:"PEM file of the TLS certificate; empty makes a self-signed one in the data folder."`
	Key            string   `yaml:"key" takes:"start" doc:"PEM file of the certificate's key."`
	SharedCache    bool     `yaml:"shared_cache" takes:"start" doc:"A CDN stands in front of playback: addresses and headers are the same for all viewers."`
	TrustedProxies []string `yaml:"trusted_proxies" doc:"Proxies whose X-Forwarded-For is believed, as addresses or ranges."`
}

type rtmpSettings struct {
	Listen     string `yaml:"listen" takes:"start" doc:"Address for RTMP; empty switches it off."`
	TLSListen  string `yaml:"tls_listen" takes:"start" doc:"Address for RTMPS, usually ':1936'; empty switches it off."`
	LegacyHEVC bool   `yaml:"legacy_hevc" takes:"connections" doc:"Give HEVC as codec id 12 to players that do not declare Enhanced RTMP, instead of refusing them."`
}

type webrtcSettings struct {
	Listen    string       `yaml:"listen" takes:"start" doc:"Address of the WebRTC media port, UDP and TCP; empty switches it off."`
	Addresses []netip.Addr `yaml:"addresses" takes:"connections" doc:"Public addresses of this machine behind NAT."`
}

type streamSettings struct {
	Grace    time.Duration `yaml:"grace" doc:"How long viewers are held when the publisher drops."`
	TakeOver bool          `yaml:"take_over" doc:"A second publisher with a valid key replaces the first; otherwise it is refused."`
	Profile  string        `yaml:"profile" takes:"connections" doc:"How RTMP and HTTP-FLV are written: realtime (each message), live (each picture; 256 viewers of a stream or more are written to by halves, two pictures at a time, while 24 or more come a second) or relaxed (every 350 ms). More than 32 RTMP publishers are read every 20 ms, more than 100 every 60 ms, except with realtime."`
	Window   time.Duration `yaml:"window" doc:"How far a slow viewer may fall behind before it skips to a key frame."`
	Max      int           `yaml:"max" doc:"Streams at once."`
	PlayWait time.Duration `yaml:"play_wait" takes:"connections" doc:"How long an RTMP player waits for a stream that is not there."`
	Stall    time.Duration `yaml:"stall" doc:"A viewer that takes nothing for so long is let go."`
}

type segmentSettings struct {
	Enabled   bool          `yaml:"enabled" takes:"streams" doc:"Make HLS and DASH of every stream."`
	Duration  time.Duration `yaml:"duration" takes:"publishers" doc:"Target duration of a segment."`
	Part      time.Duration `yaml:"part" takes:"publishers" doc:"Target duration of a low-latency part."`
	Window    time.Duration `yaml:"window" takes:"streams" doc:"How much stays fetchable; playlists list half of it at most."`
	Playlist  time.Duration `yaml:"playlist" takes:"streams" doc:"How much a playlist lists."`
	FirstWait time.Duration `yaml:"first_wait" doc:"How long a viewer waits for the first segment of a new stream."`
}

type recordingSettings struct {
	DVR     time.Duration  `yaml:"dvr" doc:"How far back viewers can rewind a stream; 0 keeps the live window only."`
	Dir     string         `yaml:"dir" takes:"start" doc:"Folder for footage; empty: timeline in the data folder."`
	Sync    time.Duration  `yaml:"sync" takes:"start" doc:"How much a power cut may cost beside the open part."`
	Total   int64          `yaml:"total" doc:"Bytes of footage at most, of all streams; 0 = no limit."`
	MinFree int64          `yaml:"min_free" doc:"Bytes that stay free on the disk: the oldest footage that no recording keeps goes first."`
	Keep    []keepSettings `yaml:"keep" doc:"What is kept of which streams; the first that fits decides."`
}

type keepSettings struct {
	Streams string        `yaml:"streams" doc:"A name, or a pattern such as 'live/*'."`
	For     time.Duration `yaml:"for" doc:"How long footage stays (168h is a week); left out: for ever."`
	Bytes   int64         `yaml:"bytes" doc:"How much of a stream stays; 0 = no limit."`
	Record  bool          `yaml:"record" doc:"Make each broadcast a recording of its own, kept for so long after its end."`
}

type publishSettings struct {
	Open []string `yaml:"open" doc:"Who may publish without a key: addresses, ranges, 'local' (this machine and private networks) or 'all'."`
}

type playSettings struct {
	ByKey []string `yaml:"by_key" doc:"Streams, or patterns such as 'live/*', that need a key to be played."`
}

type limitSettings struct {
	Publishers        int   `yaml:"publishers" doc:"Publishers at once; 0 = no limit."`
	Viewers           int   `yaml:"viewers" doc:"Viewers at once; 0 = no limit."`
	ViewersPerStream  int   `yaml:"viewers_per_stream" doc:"Viewers of one stream; 0 = no limit."`
	ViewersPerAddress int   `yaml:"viewers_per_address" doc:"Viewers from one address; 0 = no limit."`
	OutBPS            int64 `yaml:"out_bps" doc:"Bits per second to all viewers; above it no new ones are let in. 0 = no limit."`
	InBPSPerStream    int64 `yaml:"in_bps_per_stream" doc:"Bits per second of one publisher; 0 = no limit."`
}

// rateSettings are token buckets, each for one address (IPv6: its /64) but for key.
type rateSettings struct {
	Connect rate `yaml:"connect" doc:"RTMP connections from one address."`
	Publish rate `yaml:"publish" doc:"Attempts to publish from one address."`
	Play    rate `yaml:"play" doc:"Attempts to play from one address."`
	Refused rate `yaml:"refused" doc:"Refusals of one address by a hook; who has used them up is refused without asking the hook."`
	Key     rate `yaml:"key" doc:"Attempts to publish under one key, from anywhere."`
}

type rate struct {
	PerSecond float64 `yaml:"per_second" doc:"How fast the bucket fills again."`
	Burst     int     `yaml:"burst" doc:"How many at once."`
}

func (r rate) rate() access.Rate { return access.Rate{PerSecond: r.PerSecond, Burst: r.Burst} }

func (s rateSettings) rates() session.Rates {
	return session.Rates{Connect: s.Connect.rate(), Publish: s.Publish.rate(), Play: s.Play.rate(), Refused: s.Refused.rate(), Key: s.Key.rate()}
}

type hookSettings struct {
	OnConnect     string        `yaml:"on_connect" doc:"Asked at an RTMP connect."`
	OnDisconnect  string        `yaml:"on_disconnect" doc:"Told when an RTMP connection ends."`
	OnPublish     string        `yaml:"on_publish" doc:"Decides alone who may publish: 2xx allows, 3xx renames or redirects, anything else refuses."`
	OnPlay        string        `yaml:"on_play" doc:"Asked when somebody wants to watch: as on_publish."`
	OnPublishDone string        `yaml:"on_publish_done" doc:"Told when a publisher has gone."`
	OnPlayDone    string        `yaml:"on_play_done" doc:"Told when a viewer has gone."`
	OnDone        string        `yaml:"on_done" doc:"Told when a publisher or a viewer has gone."`
	OnUpdate      string        `yaml:"on_update" doc:"Called again and again while a session lasts; may end it."`
	Method        string        `yaml:"method" doc:"post or get."`
	Format        string        `yaml:"format" doc:"form (as nginx-rtmp) or json."`
	UpdateEvery   time.Duration `yaml:"update_every" doc:"Pause between two on_update calls of a session."`
	UpdateStrict  bool          `yaml:"update_strict" doc:"Anything but 2xx ends the session, also no answer."`
	Timeout       time.Duration `yaml:"timeout" doc:"How long a receiver may take to answer."`
}

type outgoingSettings struct {
	Allow []netip.Prefix `yaml:"allow" takes:"connections" doc:"Private networks that pulls, pushes and webhooks made over the API may reach."`
}

type slateSettings struct {
	Streams string        `yaml:"streams" doc:"A name, or a pattern such as 'live/*'."`
	File    string        `yaml:"file" doc:"A fragmented MP4 that is shown again and again; empty: the last picture, without sound."`
	After   time.Duration `yaml:"after" doc:"How long the publisher must be away first."`
	For     time.Duration `yaml:"for" doc:"The stream ends when the publisher has not returned in this time; 0: never."`
}

type relaySettings struct {
	Stream   string `yaml:"stream" doc:"Name of the stream here. A pull on demand may have live/*, with {path} in its address."`
	URL      string `yaml:"url" doc:"rtmp://, rtmps:// or, for pulls, http(s)://….flv."`
	OnDemand bool   `yaml:"on_demand" doc:"Pull only while somebody watches."`
}

// defaultSettings is what `weir init` writes and what applies without a file.
func defaultSettings() settings {
	return settings{
		DataDir:   "data",
		Log:       logSettings{Level: "info", Format: "text"},
		HTTP:      httpSettings{Listen: ":8080"},
		RTMP:      rtmpSettings{Listen: ":1935"},
		WebRTC:    webrtcSettings{Listen: ":8189"},
		Streams:   streamSettings{Grace: 30 * time.Second, TakeOver: true, Profile: "live", Window: 5 * time.Second, Max: 10000, PlayWait: 10 * time.Second, Stall: 15 * time.Second},
		Segments:  segmentSettings{Enabled: true, Duration: 2 * time.Second, Part: 200 * time.Millisecond, Window: 60 * time.Second, Playlist: 30 * time.Second, FirstWait: 10 * time.Second},
		Recording: recordingSettings{DVR: 2 * time.Hour, Sync: time.Second, MinFree: 1 << 30},
		Rates: rateSettings{
			Connect: rate{20, 100}, Publish: rate{2, 20}, Play: rate{50, 200}, Refused: rate{0.33, 20}, Key: rate{1, 20},
		},
	}
}

// config turns the file's words into what the rooms want.
func (s settings) config() (server.Config, error) {
	if err := s.validate(); err != nil {
		return server.Config{}, err
	}
	profile, err := fan.ParseProfile(s.Streams.Profile)
	if err != nil {
		return server.Config{}, err
	}
	c := server.Config{
		DataDir: s.DataDir, Version: version, Commit: commit(),
		HTTP:   server.HTTP{Listen: s.HTTP.Listen, TLSListen: s.HTTP.TLSListen, Certificate: s.HTTP.Certificate, Key: s.HTTP.Key, SharedCache: s.HTTP.SharedCache},
		RTMP:   server.RTMP{Listen: s.RTMP.Listen, TLSListen: s.RTMP.TLSListen, LegacyHEVC: s.RTMP.LegacyHEVC},
		WebRTC: server.WebRTC{Listen: s.WebRTC.Listen, Addresses: s.WebRTC.Addresses},
		Streams: server.Streams{
			Hub:     hub.Config{Window: s.Streams.Window, Grace: s.Streams.Grace, MaxStreams: s.Streams.Max},
			Profile: profile, TakeOver: s.Streams.TakeOver, PlayWait: s.Streams.PlayWait, Stall: s.Streams.Stall,
		},
		Segments: server.Segments{
			Off: !s.Segments.Enabled, Duration: s.Segments.Duration, Part: s.Segments.Part, Window: s.Segments.Window,
			Deliver: deliver.Config{Window: s.Segments.Playlist, FirstWait: s.Segments.FirstWait},
		},
		Footage: server.Footage{
			Dir: s.Recording.Dir, Sync: s.Recording.Sync, Total: s.Recording.Total, MinFree: s.Recording.MinFree,
			Policy: recordings.Policy{DVR: s.Recording.DVR},
		},
		Access:   access.Config{Rules: s.Rules, PublishOpen: s.Publish.Open, PlayByKey: s.Play.ByKey, TrustedProxies: s.HTTP.TrustedProxies},
		Limits:   session.Limits(s.Limits),
		Rates:    s.Rates.rates(),
		Hooks:    hook.Config{Apps: map[string]hook.App{}},
		Outgoing: server.Outgoing{Allow: s.Outgoing.Allow},
	}
	for _, k := range s.Recording.Keep {
		c.Footage.Policy.Rules = append(c.Footage.Policy.Rules, recordings.Rule(k))
	}
	if s.DataDir == "" {
		return c, fault.New(fault.Invalid, "data_dir_missing", "data_dir is empty.", "Name a folder for Weir's data.")
	}
	for name, h := range s.Hooks {
		c.Hooks.Apps[name] = h.app()
	}
	for _, r := range s.Slates {
		c.Slates = append(c.Slates, server.Slate(r))
	}
	for _, r := range s.Pulls {
		c.Relays = append(c.Relays, server.Relay{Stream: r.Stream, URL: r.URL, OnDemand: r.OnDemand})
	}
	for _, r := range s.Pushes {
		c.Relays = append(c.Relays, server.Relay{Push: true, Stream: r.Stream, URL: r.URL})
	}
	return c, nil
}

func (h hookSettings) app() hook.App {
	return hook.App{
		OnConnect: h.OnConnect, OnDisconnect: h.OnDisconnect, OnPublish: h.OnPublish, OnPlay: h.OnPlay,
		OnPublishDone: h.OnPublishDone, OnPlayDone: h.OnPlayDone, OnDone: h.OnDone, OnUpdate: h.OnUpdate,
		Method: h.Method, Format: h.Format, UpdateEvery: h.UpdateEvery, UpdateStrict: h.UpdateStrict, Timeout: h.Timeout,
	}
}
