package server

import (
	"weir/internal/fault"
)

// Validate reports the first part of the configuration that makes no sense.
func (c Config) Validate() error {
	for _, part := range []interface{ Validate() error }{c.Access, c.Hooks} {
		if err := part.Validate(); err != nil {
			return fault.Wrap(err, fault.Invalid, "config_value_bad", "The configuration has a value that makes no sense.", "The text in brackets names it.")
		}
	}
	return nil
}

// Reload takes what can change while streams flow: rules, keys' policies, limits, rates and hooks. It ends no session. What cannot
// change (listeners, the data folder) is named in the log.
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
	if next.HTTP != old.HTTP || next.RTMP != old.RTMP || next.DataDir != old.DataDir || next.WebRTC.Listen != old.WebRTC.Listen {
		s.log.Warn("listen addresses, certificates' paths and the data folder change at the next start")
	}
	s.log.Info("configuration reloaded")
	return nil
}
