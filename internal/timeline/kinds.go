package timeline

import "time"

// Range is a stretch of time, [From, To). A zero From means from the oldest footage on; a zero To
// means open: it grows while the stream lives.
type Range struct{ From, To time.Time }

// overlaps reports whether [from, to) and the range have an instant in common.
func (r Range) overlaps(from, to time.Time) bool {
	return (r.To.IsZero() || from.Before(r.To)) && (r.From.IsZero() || to.After(r.From))
}

// Keep says how much footage of a stream stays that no pin protects.
type Keep struct {
	For   time.Duration // 0: no longer than the live window; below 0: for ever
	Bytes int64         // 0: no limit
}

// Span is an unbroken stretch of footage.
type Span struct {
	From, To time.Time
	Run      uint64
	Bytes    int64  // of all renditions
	Held     bool   // retention does not touch it until it is released
	Live     bool   // it is growing
	End      string // why it ended, see the End constants; empty while it is live, or where footage goes on
}

// Coverage sums up the footage of a stream.
type Coverage struct {
	Timeline  string
	From, To  time.Time
	Bytes     int64
	Files     int
	HeldBytes int64
	Live      bool
}

// Pin protects a range of a timeline from retention. With a title it is a recording.
type Pin struct {
	ID        string // given by the store if empty; one that exists is replaced
	Timeline  string
	Kind      string // recording, clip, hold or event
	Title, By string
	From, To  time.Time // To zero: still running
	Until     time.Time // zero: for ever
	Created   time.Time
}

// What a volume can be.
const (
	VolumeOK       = "ok"
	VolumeFull     = "full"
	VolumeFailed   = "failed"
	VolumeReadOnly = "readonly"
	VolumeMemory   = "memory" // nothing is recorded
)

// Volume is the state of the place where footage is stored.
type Volume struct {
	Dir, ID     string
	State       string // one of the Volume constants
	Cause       string // in words, if not ok
	Total, Free int64  // of the file system
	Used, Held  int64  // by footage
	BytesPerDay int64
	Since       time.Time     // of the present state
	SyncMax     time.Duration // the longest time that writing and syncing took of late
	Lost        int64         // segments that could not be recorded
}

// Alarm is something that the operator has to know.
type Alarm struct {
	Code            string // recording_stopped, recording_resumed, footage_damaged, footage_held or sync_slow
	Timeline        string // empty: all
	Message, Remedy string
	At              time.Time
}

// The kinds of pin.
const (
	PinRecording = "recording"
	PinClip      = "clip"
	PinHold      = "hold"
	PinEvent     = "event"
)
