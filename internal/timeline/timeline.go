// Package timeline keeps what has happened on a stream as CMAF segments by time.
// What belongs here: runs, renditions, segments and parts, immutable snapshots for
// readers and the wait for the next part, and the volume: the track files that
// everything is recorded to, what is kept and for how long, and what is put right
// after a crash. What does not: frames, codecs, the form of files (trackfile), the
// index's tables (timeline/index), playlists, and who may read.
//
// The head is the live window: what is not safe on the disk yet lies in memory, the
// rest in the same files as the past. Live never waits for the disk.
package timeline

import (
	"time"

	"weir/internal/fault"
	"weir/internal/media"
)

// Rendition is one quality or language of a run: one track, one CMAF header.
type Rendition struct {
	Name     string // "v0", "a0"; unique within the run
	Track    media.Track
	Init     []byte // the CMAF header (ftyp and moov)
	InitName string // file name of the header, never reused: "init-<run>-<rendition>.mp4"
}

// Run is an unbroken stretch of a timeline with one clock mapping and one codec
// configuration. A new run is a Period in DASH and a DISCONTINUITY in HLS.
type Run struct {
	ID               uint64    // Unix milliseconds at creation, strictly growing: names with it in are never reused
	Start            time.Time // epoch media time of the first frame
	FirstN           int64     // number of the first segment
	MSNBase          int64     // HLS media sequence number of segment FirstN
	DiscontinuitySeq int       // how many discontinuities lie before this run
	Absent           int64     // how many segments fill the time that the publisher was away before this run
	AbsentSoFar      int64     // that of all runs up to this one
	SegmentDuration  time.Duration
	PartDuration     time.Duration
	Renditions       []Rendition
	Clock            string // where its times come from, for people
	EndReason        string // why it ended: one of the End constants; empty while it is open
}

// Why a run ended.
const (
	EndPublisherGone = "publisher_gone"
	EndConfig        = "config"     // tracks, codec parameters or segment duration have changed
	EndClockStep     = "clock_step" // the time of the frames jumped
	EndCrash         = "crash"      // the server was killed or lost power
	EndStop          = "stop"       // the server was stopped
)

// MSN is the HLS media sequence number of segment n.
func (r *Run) MSN(n int64) int64 { return r.MSNBase + n - r.FirstN }

// Counted is the number of segment n in a playlist that lists the absences too.
func (r *Run) Counted(n int64) int64 { return r.MSN(n) + r.AbsentSoFar }

const (
	shortestAbsence = 100 * time.Millisecond // tracks do not end together
	longestAbsence  = time.Minute            // as long as a live playlist lists what there was before
)

// absence is how many segments of at most d fill the time from until to start, of a very long one the end.
func absence(until, start time.Time, d time.Duration) int64 {
	away := min(start.Sub(until), longestAbsence)
	if until.IsZero() || away < shortestAbsence {
		return 0
	}
	return int64((away + d - 1) / d)
}

// Part is one CMAF chunk as the segmenter hands it over.
type Part struct {
	N           int64  // segment number = floor(epoch media time of the window / SegmentDuration)
	Index       int    // 0 for the first part of the segment
	Start       int64  // PTS of the first frame, of a segment's first part the earliest one, epoch ticks of the rendition's track
	DTS         int64  // DTS of the first frame, epoch ticks
	Duration    int64  // ticks
	Independent bool   // starts with a random access point
	Key         int64  // bytes of Data up to and with its first frame, when the part begins a segment with a key frame; else, and for audio, 0
	Data        []byte // the timeline keeps it; it must not change
	Last        bool   // closes the segment
	Gap         bool   // the rendition has nothing for this segment: no Data, Index 0 and Last are set
}

// Snapshot is an immutable view of a timeline. Segments are contiguous within a
// rendition: a missing one is present with Gap set.
type Snapshot struct {
	Version uint64
	Runs    []RunView // oldest first; a run without a segment left in the window is not listed, unless it is the newest
	Ended   bool      // the stream is over; nothing follows
}

// RunView is what the window still holds of one run.
type RunView struct {
	Run
	Ended      bool            // closed: no segment will be added
	Renditions []RenditionView // parallel to Run.Renditions
}

// RenditionView lists the segments of one rendition, oldest first.
type RenditionView struct {
	Segments []SegmentView
}

// SegmentView describes one segment. All but the last of a rendition are Complete.
type SegmentView struct {
	N, MSN      int64
	Start       int64 // earliest PTS, epoch ticks; where groups are open that is not the key frame's, which comes first
	DTS         int64 // DTS of the first frame (its baseMediaDecodeTime), epoch ticks
	Duration    int64 // ticks, so far
	Independent bool  // starts with a random access point
	Complete    bool
	Gap         bool // nothing to fetch (EXT-X-GAP)
	Damaged     bool // it is a gap because its footage is damaged
	Parts       []PartView
	Size        int64 // bytes so far
	Key         int64 // bytes from its start that hold its first frame whole (for trick play); 0 if it does not begin with a key frame, and for audio
}

// PartView describes one part; Offset counts from the segment's first byte.
type PartView struct {
	Index           int
	Start, Duration int64
	Independent     bool
	Offset, Size    int64
}

// Faults of this package.
var (
	ErrGone    = fault.New(fault.NotFound, "segment_gone", "This piece of the stream is not, or no longer, in the live window.", "Reload the playlist.")
	ErrClosed  = fault.New(fault.Unavailable, "timeline_closed", "The stream's timeline is closed.", "")
	errNoRun   = fault.New(fault.Internal, "timeline_no_run", "A part was added to a timeline without an open run.", "")
	ErrOrder   = fault.New(fault.Internal, "timeline_order", "A part was added out of order or too far ahead.", "")
	errUnknown = fault.New(fault.Internal, "timeline_rendition", "A part was added to an unknown rendition.", "")
	// ErrDamaged says that footage is not what was recorded.
	ErrDamaged = fault.New(fault.Internal, "footage_damaged", "This piece of footage is damaged on the disk.", "Check the disk, and run weir check.")
	errRun     = fault.New(fault.Internal, "timeline_run", "A run needs a segment duration and 1 to 32 renditions of different names.", "")
)

const (
	maxRenditions = 32
	maxJump       = 10000 // segment numbers that one part may skip; farther needs a new run
)
