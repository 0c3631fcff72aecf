package server

import (
	"reflect"
	"slices"
	"strings"

	"weir/internal/fault"
)

// Validate reports the first part of the configuration that makes no sense.
func (c Config) Validate() error {
	for _, part := range []interface{ Validate() error }{c.Access, c.Hooks, c.Footage.Policy} {
		if err := part.Validate(); err != nil {
			return fault.Wrap(err, fault.Invalid, "config_value_bad", "The configuration has a value that makes no sense.", "The text in brackets names it.")
		}
	}
	return validSlates(c.Slates, c.Streams.Hub.Grace)
}

// Reload takes what can change while streams flow: rules, keys' policies, limits, rates, hooks, pulls and pushes. It ends no
// session but those of relays that were taken out or changed. What cannot change is named in the log.
func (s *Server) Reload(next Config) error {
	if err := next.Validate(); err != nil {
		return err
	}
	old := s.cfg
	s.cfg.Access, s.cfg.Limits, s.cfg.Rates, s.cfg.Hooks = next.Access, next.Limits, next.Rates, next.Hooks
	door, err := s.doorConfig()
	if err != nil {
		s.cfg = old
		return err
	}
	s.door.SetConfig(door)
	policy := next.Footage.Policy
	s.keep.Store(&policy)
	s.deliver.SetDVR(policy.DVR)
	s.cfg.Footage.Policy = next.Footage.Policy
	s.slates.Store(&next.Slates)
	s.setRelays(next.Relays)
	s.cfg.Relays = next.Relays
	if later := atNextStart(&old, &next); len(later) > 0 {
		s.log.Warn("some changes take effect at the next start", "sections", strings.Join(later, ", "))
	}
	s.log.Info("configuration reloaded")
	return nil
}

// atNextStart names the sections that changed and cannot change while the server runs.
func atNextStart(old, next *Config) []string {
	var out []string
	for name, same := range map[string]bool{
		"http": old.HTTP == next.HTTP, "rtmp": old.RTMP == next.RTMP, "data_dir": old.DataDir == next.DataDir,
		"webrtc":   old.WebRTC.Listen == next.WebRTC.Listen && slices.Equal(old.WebRTC.Addresses, next.WebRTC.Addresses),
		"streams":  reflect.DeepEqual(old.Streams, next.Streams),
		"segments": reflect.DeepEqual(old.Segments, next.Segments),
		"recording": old.Footage.Dir == next.Footage.Dir && old.Footage.Sync == next.Footage.Sync &&
			old.Footage.Total == next.Footage.Total && old.Footage.MinFree == next.Footage.MinFree,
		"outgoing": slices.Equal(old.Outgoing.Allow, next.Outgoing.Allow),
	} {
		if !same {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
