package health

import (
	"math"
	"slices"
	"time"

	"weir/internal/media"
)

// level is how bad something is.
type level uint8

const (
	nothing level = iota
	info
	warn
	bad
)

func (l level) String() string { return [...]string{"", Info, Warn, Bad}[l] }

// sight is what a rule sees now, with the figures that go into the sentence.
type sight struct {
	level level
	a, b  float64
}

// rule finds one thing. A finding appears after it was seen in up ticks in a row and goes after it was not seen in
// down ones, so that it does not flicker.
type rule struct {
	code     string
	up, down int
	see      func(j *Judge, now time.Time) sight
}

// ruleCount is written out since the type of a Judge may not depend on the rules, which look at Judges.
const ruleCount = 15

var rules = [ruleCount]rule{
	{"key_frames_far_apart", 1, 2, ofEncoder(farApart)},
	{"key_frames_irregular", 2, 5, ofEncoder(irregular)},
	{"idr_without_sps", 1, 5, withoutSPS},
	{"frame_rate_low", 2, 3, ofEncoder(slowPictures)},
	{"bitrate_unsteady", 2, 10, ofEncoder(unsteady)},
	{"b_frames_for_webrtc", 1, 3, bFramesForWebRTC},
	{"audio_missing", 1, 2, ofEncoder(noAudio)},
	{"audio_silent", 1, 2, silentAudio},
	{"picture_black", 1, 1, black},
	{"av_drift", 2, 5, drifting},
	{"timestamps_backwards", 1, 1, badStamps},
	{"uplink_too_slow", 1, 5, slowUplink},
	{"codec_not_everywhere", 1, 1, rareCodec},
	{"sample_rate_unusual", 1, 1, oddRate},
	{"replayed_at_speed", 1, 1, otherSpeed},
}

// light is the state of one rule.
type light struct {
	level, want level
	streak      int
	seen        sight
	since       time.Time
}

func (l *light) step(now time.Time, s sight, r *rule) {
	if s.level == l.level {
		l.streak, l.seen = 0, s
		return
	}
	if s.level != l.want {
		l.want, l.streak = s.level, 0
	}
	l.streak++
	need := r.down
	if s.level > l.level {
		need = r.up
	}
	if l.streak < need {
		return
	}
	if l.level == nothing {
		l.since = now
	}
	l.level, l.seen, l.streak = s.level, s, 0
}

func over(value, warnAt, badAt float64) level {
	switch {
	case value > badAt:
		return bad
	case value > warnAt:
		return warn
	}
	return nothing
}

// ofEncoder makes a rule about how an encoder was set up. A replay at another speed has no sound, and its pictures and key
// frames come at that speed, which no encoder is to blame for.
func ofEncoder(see func(*Judge, time.Time) sight) func(*Judge, time.Time) sight {
	return func(j *Judge, now time.Time) sight {
		if j.facts.Speed != 0 {
			return sight{}
		}
		return see(j, now)
	}
}

func otherSpeed(j *Judge, _ time.Time) sight {
	if j.facts.Speed == 0 {
		return sight{}
	}
	return sight{level: info, a: j.facts.Speed}
}

// Four seconds are good and eight are warned of; some frames more are within what encoders do.
const (
	gopWarn = 4.2
	gopBad  = 8.05
)

// farApart is certain as soon as too much time has gone by without a key frame.
func farApart(j *Judge, _ time.Time) sight {
	v := j.video()
	if v == nil || !v.gop.begun {
		return sight{}
	}
	var room [3]float32
	most := v.open().Seconds()
	for _, s := range v.spans(3, room[:0]) {
		most = max(most, float64(s))
	}
	return sight{level: over(most, gopWarn, gopBad), a: most}
}

// irregular finds distances that differ much, unless all are short: encoders put key frames at cuts too,
// and below the length of a segment it matters to nobody.
func irregular(j *Judge, _ time.Time) sight {
	v := j.video()
	if v == nil {
		return sight{}
	}
	var room [gops]float32
	spans := v.spans(gops, room[:0])
	if len(spans) < 4 {
		return sight{}
	}
	slices.Sort(spans)
	least, most, middle := spans[0], spans[len(spans)-1], spans[len(spans)/2]
	odd := 0
	for _, s := range spans {
		if d := math.Abs(float64(s - middle)); d > 0.25*float64(middle) && d > 0.3 {
			odd++
		}
	}
	if odd < 2 || most < 2.5 {
		return sight{}
	}
	return sight{level: warn, a: float64(least), b: float64(most)}
}

// refusedTicks is longer than it takes for the first key frame to come, with all sane settings.
const refusedTicks = 12

// withoutSPS looks for key frames that nobody can decode, whoever noticed it: the judge, a gateway that dropped them, or
// the hub, which goes on dropping frames for want of a first key frame.
func withoutSPS(j *Judge, _ time.Time) sight {
	v := j.video()
	if n := max(float64(j.unusable), float64(j.refused)); j.unusable > 0 || j.refused >= refusedTicks {
		return sight{level: bad, a: n}
	}
	if v == nil || !v.noConfig || v.gop.unusable == 0 {
		return sight{}
	}
	return sight{level: bad, a: float64(v.gop.unusable)}
}

func slowPictures(j *Judge, _ time.Time) sight {
	v := j.video()
	if v == nil {
		return sight{}
	}
	frames, _, length := v.span(5)
	fps := per(frames, length)
	if length < 2500*time.Millisecond || fps >= 14.5 {
		return sight{}
	}
	return sight{level: warn, a: fps}
}

func unsteady(j *Judge, _ time.Time) sight {
	if v := j.video(); v != nil {
		if low, high, found := v.swing(); found {
			return sight{level: warn, a: low, b: high}
		}
	}
	return sight{}
}

func bFramesForWebRTC(j *Judge, _ time.Time) sight {
	v := j.video()
	if v == nil || j.facts.WebRTCViewers == 0 || !v.bFrames() {
		return sight{}
	}
	return sight{level: warn, a: float64(j.facts.WebRTCViewers)}
}

const (
	soundWait = 5 * time.Second
	silentMax = 5 * time.Second
)

func noAudio(j *Judge, now time.Time) sight {
	if j.video() == nil || j.begun.IsZero() || now.Sub(j.begun) < soundWait || now.Sub(j.arrived) > soundWait {
		return sight{}
	}
	if a := j.audio(); a == nil || now.Sub(a.arrived) > soundWait {
		return sight{level: warn}
	}
	return sight{}
}

func silentAudio(j *Judge, _ time.Time) sight {
	if a := j.audio(); a != nil && a.silentFor() >= silentMax {
		return sight{level: warn, a: a.silentFor().Seconds()}
	}
	return sight{}
}

func black(j *Judge, _ time.Time) sight {
	if j.video() == nil || j.look.dark < 2 {
		return sight{}
	}
	return sight{level: warn, a: j.look.luma}
}

func drifting(j *Judge, _ time.Time) sight {
	if j.video() == nil || j.audio() == nil {
		return sight{}
	}
	d := j.drift()
	return sight{level: over(math.Abs(d), 110, 400), a: d}
}

func badStamps(j *Judge, now time.Time) sight {
	if now.After(j.stamps.until) {
		return sight{}
	}
	return sight{level: warn, a: float64(j.stamps.count)}
}

func slowUplink(j *Judge, now time.Time) sight {
	u := &j.uplink
	behind := u.behind()
	switch {
	case u.over >= lagTicks && behind >= lagBad || now.Before(u.until):
		return sight{level: bad, a: behind.Seconds()}
	case u.over >= lagTicks:
		return sight{level: warn, a: behind.Seconds()}
	}
	return sight{}
}

func rareCodec(j *Judge, _ time.Time) sight {
	for _, m := range j.meters {
		switch m.track.Codec {
		case media.HEVC, media.AV1, media.VP8, media.AC3, media.EAC3:
			return sight{level: warn, a: float64(m.track.Codec)}
		case media.VP9, media.FLAC:
			return sight{level: info, a: float64(m.track.Codec)}
		}
	}
	return sight{}
}

func oddRate(j *Judge, _ time.Time) sight {
	a := j.audio()
	if a == nil || a.track.SampleRate == 48000 || a.track.SampleRate == 0 || a.track.Codec == media.PCMA || a.track.Codec == media.PCMU {
		return sight{}
	}
	return sight{level: info, a: float64(a.track.SampleRate)}
}
