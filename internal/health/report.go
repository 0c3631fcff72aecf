package health

import (
	"time"

	"weir/internal/media"
)

// The severities of a finding. Info does not lower the grade.
const (
	Info = "info"
	Warn = "warn"
	Bad  = "bad"
)

// The grades of a stream.
const (
	Good     = "good"
	Fair     = "fair" // something is worth a warning
	BadGrade = "bad"
	None     = "none" // nobody publishes
)

// Report is the verdict on a stream.
type Report struct {
	Grade      string         `json:"grade"`
	Findings   []Finding      `json:"findings"`
	Tracks     []TrackFigures `json:"tracks"`
	AVOffsetMS float64        `json:"av_offset_ms"` // audio's timestamps minus video's, of what arrives together
	AVDriftMS  float64        `json:"av_drift_ms"`  // how far they have moved apart
	LagMS      float64        `json:"lag_ms"`       // how far media has fallen behind the clock since it was best

	Repairs         uint64 `json:"repairs"` // timestamps put right, of all publishers of the stream
	Discontinuities uint64 `json:"discontinuities"`
	Dropped         uint64 `json:"dropped"` // frames that nobody could have decoded
}

// Finding is one thing that is wrong, in words, and what to do about it. Interfaces in another
// language build their own sentence from Code and Values.
type Finding struct {
	Code     string         `json:"code"`
	Severity string         `json:"severity"`
	Message  string         `json:"message"`
	Remedy   string         `json:"remedy"`
	Values   map[string]any `json:"values"`
	Since    time.Time      `json:"since"`
}

// TrackFigures is what was measured of a track.
type TrackFigures struct {
	ID            media.TrackID `json:"id"`
	FPS           float64       `json:"fps"`         // over 5 s
	BitrateBPS    int           `json:"bitrate_bps"` // over 10 s
	NowBPS        int           `json:"now_bps"`     // over the last full second
	GOPSeconds    float64       `json:"gop_seconds"` // between the last two key frames
	MaxGOPSeconds float64       `json:"max_gop_seconds"`
	BFrames       bool          `json:"b_frames"`
	Gaps          int           `json:"gaps"` // holes in the timestamps
	Frames        uint64        `json:"frames"`
}

// Point is one second of a stream's past.
type Point struct {
	At         time.Time `json:"at"`
	InBPS      int64     `json:"in_bps"`
	FPS        float64   `json:"fps"`
	GOPSeconds float64   `json:"gop_seconds"`
	AVOffsetMS float64   `json:"av_offset_ms"`
	Viewers    int       `json:"viewers"`
}

// Event is something that happened to a stream.
type Event struct {
	At     time.Time      `json:"at"`
	Code   string         `json:"code"`
	Values map[string]any `json:"values,omitempty"`
}

// The codes of events.
const (
	PublisherLeft      = "publisher_left"
	PublisherReturned  = "publisher_returned"
	CodecChanged       = "codec_changed"
	TimestampsRepaired = "timestamps_repaired"
	FramesMissing      = "frames_missing"
)

// Picture is what a look at a decoded key frame says, on a scale of 0 to 255.
type Picture struct {
	Luma   float64 // mean
	Spread float64 // standard deviation
}

// Facts are what the judge cannot see in the frames.
type Facts struct {
	Live    bool
	Tracks  []media.Track // nil: those of the frames seen
	Viewers int
	// WebRTCViewers cannot be shown B-frames.
	WebRTCViewers                               int
	Speed                                       float64 // of a replay, if it is another than its footage was filmed at
	Repairs, Discontinuities, Dropped, Unusable uint64  // running totals; Unusable: frames that came without a decoder configuration
}
