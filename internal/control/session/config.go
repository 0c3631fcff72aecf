package session

import (
	"time"

	"weir/internal/control/access"
	"weir/internal/control/hook"
	"weir/internal/fault"
)

// The classes of the door's request rates.
const (
	rateConnect = "connect"
	ratePublish = "publish"
	ratePlay    = "play"
	rateRefused = "refused"
	rateKey     = "key"
)

// Config sets the door's limits and names who decides. The zero value lets everybody
// in, at the default rates.
type Config struct {
	Limits Limits
	Rates  Rates
	// Idle is how often a viewer without a connection (HLS, DASH) asks at least; its
	// session ends after three times as long. Default 10 s.
	Idle time.Duration

	Policy *access.Policy // address rules and what is open; nil: no rules, nothing open
	Keys   *access.Access // nil: no keys are asked for, everybody may publish and play
	Hooks  *hook.Hooks    // nil: no hooks; the door closes them when they are replaced and when it is closed
}

// Limits bound what goes on at once; 0 means no limit.
type Limits struct {
	Publishers        int
	Viewers           int
	ViewersPerStream  int
	ViewersPerAddress int   // an IPv4 address, or 64 bits of IPv6
	OutBPS            int64 // bit/s to all viewers: above it no new ones are let in
	InBPSPerStream    int64 // bit/s from one publisher: who stays above it is ended
}

// Rates are for one address (an IPv4 address or 64 bits of IPv6); addresses of this
// machine are exempt, since a reverse proxy there stands for everybody. A zero rate
// is the default.
type Rates struct {
	Connect access.Rate // RTMP connections; default 20/s, burst 100
	Publish access.Rate // default 2/s, burst 20
	Play    access.Rate // default 50/s, burst 200
	Refused access.Rate // refusals by a hook: who has used them up is not asked about; default 1 in 3 s, burst 20
	Key     access.Rate // publishing under one key from anywhere; default 1/s, burst 20
}

func (r Rates) classes() map[string]access.Rate {
	def := func(have access.Rate, perSecond float64, burst int) access.Rate {
		if have == (access.Rate{}) {
			return access.Rate{PerSecond: perSecond, Burst: burst}
		}
		return have
	}
	return map[string]access.Rate{
		rateConnect: def(r.Connect, 20, 100),
		ratePublish: def(r.Publish, 2, 20),
		ratePlay:    def(r.Play, 50, 200),
		rateRefused: def(r.Refused, 1.0/3, 20),
		rateKey:     def(r.Key, 1, 20),
	}
}

// Validate reports the first setting that makes no sense.
func (c Config) Validate() error {
	l := c.Limits
	if min(l.Publishers, l.Viewers, l.ViewersPerStream, l.ViewersPerAddress) < 0 || min(l.OutBPS, l.InBPSPerStream) < 0 {
		return fault.New(fault.Invalid, "limit_invalid", "A limit is negative.", "Write 0 for no limit.")
	}
	if c.Idle < 0 || c.Idle > 0 && c.Idle < time.Second {
		return fault.New(fault.Invalid, "idle_invalid", "The idle time of viewers is under one second.", "Write 10s, or leave it out.")
	}
	for _, r := range c.Rates.classes() {
		if err := r.Validate(); err != nil {
			return err
		}
	}
	return nil
}
