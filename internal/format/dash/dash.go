// Package dash writes DASH media presentation descriptions (ISO/IEC 23009-1) from
// plain structs. What belongs here: the XML and its units. What does not: which
// segments a description lists, addresses, caching, clocks; internal/deliver/dash
// decides those.
package dash

import "time"

// MIMEType is the Content-Type of an MPD (ISO/IEC 23009-1 annex C).
const MIMEType = "application/dash+xml"

// MPD is a presentation whose media time is the Unix epoch: availabilityStartTime is
// always 1970-01-01T00:00:00Z, so it never moves and needs no state. A static one counts
// from the start of its first Period.
type MPD struct {
	Static               bool // all of it is there and nothing changes any more
	PublishTime          time.Time
	MinimumUpdatePeriod  time.Duration // 0 = the presentation has ended, no update follows
	TimeShiftBufferDepth time.Duration
	SuggestedDelay       time.Duration
	MinBufferTime        time.Duration
	MaxSegmentDuration   time.Duration
	End                  time.Time // mediaPresentationDuration, once ended
	Latency              *Latency  // ServiceDescription; nil = none
	UTCTiming            string    // address of an http-iso time source; "" = none
	LowLatency           bool      // names the DASH-IF low latency profile
	Periods              []Period
	Location             string // where to ask next time; "" = the same address
	Query                string // appended to every media address after "?", already encoded; "" = none
}

// Latency is the ServiceDescription of low-latency DASH.
type Latency struct {
	Target, Min, Max time.Duration
	MinRate, MaxRate float64 // playback rates for catching up; 0 = left out
}

// Period is one stretch with one codec configuration.
type Period struct {
	ID    string
	Start time.Time
	End   time.Time // zero = open, or defined by the next Period's start
	Sets  []AdaptationSet
}

// AdaptationSet holds representations that replace each other.
type AdaptationSet struct {
	ID              int
	ContentType     string // "video", "audio"
	Language        string
	Dependent       bool // not every segment starts with a random access point
	Producer        *Producer
	Representations []Representation
}

// Producer is a ProducerReferenceTime: media that shows presentation time Media was captured at Wall.
type Producer struct {
	ID    int
	Wall  time.Time
	Media int64 // ticks
}

// Representation is one quality, with its own segment template.
type Representation struct {
	ID            string
	Codecs        string
	Bandwidth     int
	Width, Height int
	FrameRate     float64
	SampleRate    int
	Channels      int
	Template      Template
}

// Template is a SegmentTemplate with a SegmentTimeline and $Number$.
type Template struct {
	TimeScale   uint32
	Offset      int64 // presentationTimeOffset, ticks
	Init, Media string
	StartNumber int64
	Segments    []Segment
	// AvailabilityOffset is how long before its end a segment can be fetched (low
	// latency); such a segment is not complete when it becomes available.
	AvailabilityOffset time.Duration
}

// Segment is one entry of the timeline, in ticks.
type Segment struct{ Start, Duration int64 }
