package timeline

import (
	"sync"
	"time"
)

// status is what people are told of a volume.
type status struct {
	mu      sync.Mutex
	state   string
	cause   string
	since   time.Time
	failing map[*track]struct{}
	syncs   [16]time.Duration // the longest of each of the last minutes
	minute  int64
	rates   []reading // about one a minute
}

func (s *status) began(now time.Time) {
	s.state, s.since, s.failing = VolumeOK, now, map[*track]struct{}{}
}

// failed notes that a recording has stopped; the first one, or another cause, is an alarm.
func (s *status) failed(v *volume, tr *track, err error, now time.Time) {
	state, cause, remedy := trouble(err)
	s.mu.Lock()
	s.failing[tr] = struct{}{}
	news := s.state != state || s.cause != cause
	if news {
		s.state, s.cause, s.since = state, cause, now
	}
	s.mu.Unlock()
	if !news {
		return
	}
	v.log.Error("recording has stopped", "stream", tr.t.name, "cause", cause, "error", err)
	name := ""
	if state == VolumeFailed && cause == "too many files are open" {
		name = tr.t.name // others go on
	}
	v.alarm(Alarm{Code: "recording_stopped", Timeline: name, Message: "Recording has stopped: " + cause + ". Live goes on.", Remedy: remedy, At: now})
	v.retainSoon()
}

// healed notes that a recording goes on; the last one ends the alarm.
func (s *status) healed(v *volume, tr *track, now time.Time) {
	s.mu.Lock()
	delete(s.failing, tr)
	over := len(s.failing) == 0 && s.state != VolumeOK
	cause := s.cause
	lasted := now.Sub(s.since)
	if over {
		s.state, s.cause, s.since = VolumeOK, "", now
	}
	s.mu.Unlock()
	if over {
		v.log.Info("recording goes on", "was", cause, "lasted", lasted)
		v.alarm(Alarm{Code: "recording_resumed", Message: "Recording goes on. It had stopped because " + cause + ".", At: now})
	}
}

func (s *status) took(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := time.Now().Unix() / 60; m != s.minute {
		s.minute = m
		s.syncs[m%int64(len(s.syncs))] = 0
	}
	at := &s.syncs[s.minute%int64(len(s.syncs))]
	*at = max(*at, d)
}

func (s *status) slowest() time.Duration {
	most := time.Duration(0)
	for _, d := range s.syncs {
		most = max(most, d)
	}
	return most
}

// perDay is how many bytes a day would bring at the rate of the last minutes.
func (s *status) perDay(written int64, now time.Time) int64 {
	if len(s.rates) == 0 || now.Sub(s.rates[len(s.rates)-1].at) >= time.Minute {
		s.rates = append(s.rates, reading{now, written})
		if len(s.rates) > 60 {
			s.rates = s.rates[1:]
		}
	}
	first := s.rates[0]
	if lasted := now.Sub(first.at); lasted >= time.Second {
		return int64(float64(written-first.bytes) * float64(24*time.Hour) / float64(lasted))
	}
	return 0
}

// reading is how much had been written at an instant.
type reading struct {
	at    time.Time
	bytes int64
}
