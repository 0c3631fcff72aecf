// Package trackfile is the form in which the past lies on disk: one fragmented MP4 file of
// one rendition, made of a CMAF header, a head that says what the file is, the segments as
// they are delivered, each behind a mark, and an index at the end once the file is sealed.
// docs/ref/timeline-format.en.md writes the form down for others. What belongs here: the
// bytes of such a file, made and read. What does not: files, folders, clocks, and when a
// file begins or ends.
package trackfile

import (
	"hash/crc32"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
)

// Head says what a file is, so that an index can be made from files alone.
type Head struct {
	Timeline, Rendition string
	Run                 uint64
	RunStart            time.Time // epoch media time of the run's first frame
	SegmentDuration     time.Duration
	PartDuration        time.Duration
	FirstN, MSNBase     int64 // as in the run
	DiscontinuitySeq    int
	Seq                 int      // of the file within its run and rendition, from 0
	Renditions          []string // all of the run, in order
	Volume              string
	Created             time.Time
	Clock               string // where the run's time comes from
}

// Segment is one segment of a file. Times are ticks of the file's track.
type Segment struct {
	N, Start, DTS, Duration int64
	Offset, Size            int64  // of the bytes that are delivered; a gap has its place and no bytes
	CRC                     uint32 // CRC32C of these bytes
	Key                     int64  // bytes from the segment's start that hold its first frame whole; 0 for audio, or if that is no key frame
	Independent, Gap        bool
}

// File is what was read of a file.
type File struct {
	Head
	Init     []byte // the CMAF header: the file's first bytes
	Track    media.Track
	Segments []Segment
	Sealed   bool
	End      string // why the file ends: rotate, publisher_gone, clock_step, config, crash, stop, full
	Size     int64  // bytes that are whole; what follows is torn
	HeadSize int64  // where the first mark is
}

const (
	// The user types (RFC 9562 version 8 in form) differ in the last byte.
	family    = "WEIRtr\x8b\x61\x8f\x3e\x6c\x0d\x2b\x9a\x71"
	headKind  = family + "\xe1"
	markKind  = family + "\xe2"
	indexKind = family + "\xe3"

	uuidSize    = 24 // size, 'uuid', user type
	markSize    = 64
	trailerSize = 16
	magic       = "WEIR"
	version     = 1

	flagIndependent = 1
	flagGap         = 2

	maxInit  = 1 << 20
	maxHead  = 1 << 16
	maxMoof  = 1 << 20
	maxIndex = 1 << 22
	maxEnd   = 255
)

// MarkSize is the length of every mark.
const MarkSize = markSize

// ErrUnsealed is what Read says of a file without an index at its end.
var ErrUnsealed = fault.New(fault.Conflict, "footage_unsealed", "The footage file was not finished.",
	"It is put right when the server starts.")

// castagnoli is the table of CRC32C (RFC 3720 B.4), for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is the checksum that all of this format uses.
func Sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Add continues a checksum: Add(Sum(a), b) is the sum of a and b together.
func Add(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }

func damaged(why string) error {
	return fault.New(fault.Internal, "footage_damaged", "The footage file is damaged: "+why+".",
		"Check the disk; the file stays as it is.")
}
