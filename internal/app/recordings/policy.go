package recordings

import (
	"time"

	"weir/internal/fault"
	"weir/internal/streamname"
	"weir/internal/timeline"
)

// Rule says what is kept of the streams that fit a pattern.
type Rule struct {
	Streams string        // a name or a pattern, "live/*"
	For     time.Duration // how long footage stays; 0: for ever
	Bytes   int64         // how much at most; 0: no limit
	Record  bool          // each broadcast becomes a recording, kept for For after its end
}

// Policy says what is kept. The first rule that fits decides; where none does, DVR.
type Policy struct {
	DVR   time.Duration // how far back viewers can rewind
	Rules []Rule
}

// Validate names the first thing that makes no sense.
func (p Policy) Validate() error {
	if p.DVR < 0 {
		return fault.New(fault.Invalid, "config_value_bad", "recording.dvr is negative.", "Give a duration such as 2h, or 0 to switch rewinding off.")
	}
	for _, r := range p.Rules {
		if err := streamname.CheckPattern(r.Streams); err != nil {
			return err
		}
		if r.For < 0 || r.Bytes < 0 {
			return fault.New(fault.Invalid, "config_value_bad", "The rule of recording.keep for "+r.Streams+" has a negative value.",
				"Give a duration such as 168h, or leave for out to keep for ever.")
		}
	}
	return nil
}

func (p Policy) rule(stream string) *Rule {
	for i := range p.Rules {
		if streamname.Match(p.Rules[i].Streams, stream) {
			return &p.Rules[i]
		}
	}
	return nil
}

// Keep is what the timeline store asks for each stream. A rule never takes rewinding away: what is shorter than the DVR
// window is made as long, unless the rule limits the bytes.
func (p Policy) Keep(stream string) timeline.Keep {
	r := p.rule(stream)
	if r == nil {
		return timeline.Keep{For: p.DVR}
	}
	k := timeline.Keep{For: r.For, Bytes: r.Bytes}
	switch {
	case r.Record:
		k.For = p.DVR // its recordings keep the rest
	case r.For == 0:
		k.For = -1
	default:
		k.For = max(r.For, p.DVR)
	}
	return k
}
