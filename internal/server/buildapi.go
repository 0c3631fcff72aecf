package server

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"weir/internal/api"
	"weir/internal/app/live"
	"weir/internal/app/playout"
	"weir/internal/app/recordings"
	"weir/internal/control/access"
	"weir/internal/control/session"
)

func (s *Server) buildAPI(context.Context) error {
	s.streams = live.New(s.hub, s.door, s.health)
	s.sources = live.NewSources(s.hub, s.door, s.log.With("room", "source"))
	s.onClose(s.sources.Close)
	s.recordings = recordings.New(s.hub, s.timelines, func() recordings.Policy { return *s.keep.Load() }, s.kept, s.log.With("room", "recordings"))
	s.replays = playout.New(s.hub, s.door, s.timelines, s.log.With("room", "playout"))
	s.onClose(s.replays.Close)
	var err error
	s.api, err = api.New(api.Deps{
		Hub: s.hub, Door: s.door, Access: s.access, Streams: s.streams, Sources: s.sources,
		Recordings: s.recordings, Footage: s.timelines, Kept: s.kept, Replays: s.replays,
		Relays: s.pipeline, Guard: s.guard, Log: s.log.With("room", "api"), MayWatch: s.mayWatch,
		System: api.System{
			Version: s.cfg.Version, Commit: s.cfg.Commit, Started: s.started, DataDir: s.cfg.DataDir,
			Ports: s.apiPorts, Addresses: s.apiAddresses, Gateways: s.apiGateways, FFmpeg: s.apiFFmpeg,
		},
	})
	return err
}

// mayWatch refuses who may not see a stream that is played by key.
func (s *Server) mayWatch(ctx context.Context, name, key string, _ netip.Addr) error {
	if !s.policy.Load().PlayByKey(name) {
		return nil
	}
	if key == "" {
		return session.PlayKeyMissing(name)
	}
	_, err := s.access.CheckKey(ctx, key, name, access.ActionPlay)
	return err
}

// clientOf is who makes a request, looked at through trusted proxies.
func (s *Server) clientOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return s.door.Client(peer, r.Header.Values("X-Forwarded-For")).Addr()
}

func (s *Server) apiPorts() api.Ports {
	return api.Ports{
		HTTP: s.gates.port("http"), HTTPS: s.gates.port("https"), RTMP: s.gates.port("rtmp"),
		RTMPS: s.gates.port("rtmps"), WebRTC: s.gates.port("webrtc"),
	}
}

func (s *Server) apiAddresses() []api.Address {
	var out []api.Address
	for _, a := range s.addresses() {
		out = append(out, api.Address(a))
	}
	return out
}

func (s *Server) apiGateways() []api.Gateway {
	var out []api.Gateway
	for _, g := range s.gates.all() {
		gate := api.Gateway{Name: g.Name, Address: g.Address, State: g.State}
		if g.Err != nil {
			gate.Error = g.Err.Error()
		}
		out = append(out, gate)
	}
	return out
}

func (s *Server) apiFFmpeg() api.FFmpeg {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	info, err := s.transcode.Probe(ctx)
	if err != nil {
		return api.FFmpeg{Off: []string{"transcoding", "thumbnails"}}
	}
	return api.FFmpeg{Available: true, Version: info.Version, Off: []string{}}
}
