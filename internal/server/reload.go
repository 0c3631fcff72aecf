package server

import (
	"slices"
	"time"

	"weir/internal/deliver"
	"weir/internal/fault"
	"weir/internal/gateway/httpstream"
	"weir/internal/gateway/rtmp"
	"weir/internal/gateway/webrtc"
	"weir/internal/hub"
	"weir/internal/netguard"
	"weir/internal/timeline"
)

// Validate reports the first part of the configuration that makes no sense.
func (c Config) Validate() error {
	for _, part := range []interface{ Validate() error }{c.Access, c.Hooks, c.Footage.Policy, netguard.Config{Allow: c.Outgoing.Allow}} {
		if err := part.Validate(); err != nil {
			return fault.Wrap(err, fault.Invalid, "config_value_bad", "The configuration has a value that makes no sense.", "The text in brackets names it.")
		}
	}
	return validSlates(c.Slates, c.Streams.Hub.Grace)
}

// Reload takes what can change while streams flow, and leaves the rest for the next start: listeners, folders, certificates
// and the form of addresses. It ends no session but those of relays that were taken out or changed. A configuration that makes no
// sense changes nothing.
func (s *Server) Reload(next Config) (err error) {
	defer func() {
		if err != nil {
			s.ReloadFailed()
			return
		}
		s.reloaded.Store(time.Now().Unix())
		s.stale.Store(false)
	}()
	if err := next.Validate(); err != nil {
		return err
	}
	trial := s.cfg
	trial.take(&next)
	door, err := s.doorConfig(&trial)
	if err != nil {
		return err
	}
	allowed := s.cfg.Outgoing.Allow
	s.cfg.take(&next)
	s.door.SetConfig(door)
	s.policy.Store(door.Policy)
	if door.Hooks != nil {
		_ = door.Hooks.SetConfig(next.Hooks) // valid, too
	}
	s.hooks = door.Hooks
	if outgoing := next.Outgoing.Allow; !slices.Equal(outgoing, allowed) {
		_ = s.guard.SetAllow(outgoing) // valid, see Validate
		s.api.OutgoingChanged()
	}
	s.refit()
	s.setRelays(next.Relays)
	return nil
}

// ReloadFailed notes that the configuration is not what its file says now. Metrics show it.
func (s *Server) ReloadFailed() { s.stale.Store(true) }

// take replaces what can change while the server runs. The other fields are read meanwhile and not written.
func (c *Config) take(next *Config) {
	c.Access, c.Limits, c.Rates, c.Hooks = next.Access, next.Limits, next.Rates, next.Hooks
	c.Streams, c.Segments, c.Outgoing = next.Streams, next.Segments, next.Outgoing
	c.Footage.Policy, c.Footage.Total, c.Footage.MinFree = next.Footage.Policy, next.Footage.Total, next.Footage.MinFree
	c.RTMP.LegacyHEVC, c.WebRTC.Addresses = next.RTMP.LegacyHEVC, next.WebRTC.Addresses
	c.Relays, c.Slates = next.Relays, next.Slates
}

// refit gives the rooms the configuration as it is now.
func (s *Server) refit() {
	policy, segments, slates := s.cfg.Footage.Policy, s.cfg.Segments, s.cfg.Slates
	s.keep.Store(&policy)
	s.cutting.Store(&segments)
	s.slates.Store(&slates)
	s.hub.SetConfig(s.hubConfig())
	s.fan.SetStall(s.cfg.Streams.Stall)
	s.timelines.SetBounds(s.bounds())
	s.rtmp.SetConfig(s.rtmpConfig())
	s.http.SetConfig(s.httpConfig())
	if s.webrtc != nil {
		s.webrtc.SetConfig(s.webrtcConfig())
	}
	s.deliver.Set(s.playback())
}

func (s *Server) hubConfig() hub.Config {
	c := s.cfg.Streams.Hub
	c.Wall = s.cfg.Wall
	return c
}

func (s *Server) bounds() timeline.Bounds {
	return timeline.Bounds{Window: s.cfg.Segments.Window, Total: s.cfg.Footage.Total, MinFree: s.cfg.Footage.MinFree}
}

func (s *Server) rtmpConfig() rtmp.Config {
	st := s.cfg.Streams
	return rtmp.Config{Profile: st.Profile, PlayWait: st.PlayWait, TakeOver: st.TakeOver, LegacyHEVC: s.cfg.RTMP.LegacyHEVC, Redirect: s.redirect}
}

func (s *Server) httpConfig() httpstream.Config {
	return httpstream.Config{Profile: s.cfg.Streams.Profile, Stall: s.cfg.Streams.Stall}
}

func (s *Server) webrtcConfig() webrtc.Config {
	w := s.cfg.WebRTC
	return webrtc.Config{UDP: w.Listen, TCP: w.Listen, Addresses: w.Addresses, TakeOver: s.cfg.Streams.TakeOver}
}

func (s *Server) playback() deliver.Settings {
	d := s.cfg.Segments.Deliver
	return deliver.Settings{Window: d.Window, FirstWait: d.FirstWait, DVR: s.cfg.Footage.Policy.DVR}
}
