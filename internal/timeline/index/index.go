// Package index lists the past of a volume's timelines: one row per track file, one
// per run, in a SQLite database that lies on the volume itself.
// What belongs here: the schema, the one writer, the queries by time, running totals
// per timeline, and the checks that find a damaged row. What does not: the files
// themselves, what is kept and for how long, pins, and boxes.
//
// The index is never the truth: everything in it can be read again from the files.
// A database that cannot be used is moved aside, never deleted, and an empty one
// takes its place.
//
// Tables (docs/design/timeline-index.md has the columns and the reasons):
//
//	meta      the volume's identity and generation
//	timeline  a number for each name
//	coverage  first and last instant, bytes and files of each timeline that has any
//	file      a row per file; the key (timeline, start, id) keeps a range of a timeline together
//	hour      what the files of an hour of a timeline add up to
//	recent    rows of files that wait to be moved to file, many at a time
//	run       a row per run
//	init      CMAF headers by content
//	garbage   objects whose row is gone and that are still to be deleted
//
// Every row ends in a CRC32C over all its values; it is compared whenever the row is read.
package index

import (
	"fmt"
	"time"

	"weir/internal/fault"
)

// Name is the database's file name in its folder.
const Name = "index.db"

// MaxFile is the longest footage that one file may hold. Because of it the files that
// overlap a range begin at most MaxFile before it, so that one range of the B-tree has
// them all: a B-tree cannot narrow by begin and by end at once.
const MaxFile = 5 * time.Minute

// Limits on what a row may hold.
const (
	maxName   = 512     // bytes of a timeline's name, an object's key
	maxWord   = 64      // bytes of a rendition's name, a reason
	maxGroups = 1 << 20 // bytes of File.Groups
	maxInit   = 1 << 20 // bytes of a CMAF header
	maxTracks = 64      // renditions of a run
)

// Run is an unbroken stretch of a timeline.
type Run struct {
	ID                            uint64 // Unix milliseconds at creation; grows within a timeline
	Timeline                      string
	Start, End                    time.Time // End is zero while the run is open
	FirstN, LastN, MSNBase        int64
	Seq                           int // how many discontinuities lie before this run
	SegmentDuration, PartDuration time.Duration
	Clock, Reason                 string
	Renditions                    []Rendition
}

// Rendition is one track of a run. Equal headers are stored once.
type Rendition struct {
	Name string
	Init []byte
}

// File is one track file. Its Object names it: a file of the same object takes the place of the row before.
type File struct {
	Timeline      string
	Run           uint64
	Rendition     string
	Seq           int // of the file within its run and rendition
	Object        string
	Size          int64
	From, To      time.Time // presentation time of the first frame, end of the last
	FirstN, LastN int64
	Groups        []byte // what lies where inside; opaque here
	Held          bool   // retention must not touch it
	End           string // why the file ends
}

// Span is unbroken footage of one run.
type Span struct {
	From, To time.Time
	Run      uint64
	Bytes    int64 // of all renditions
	Files    int   // of all renditions
	Held     bool  // at least one file is held
	End      string
}

// Coverage sums up a timeline that has at least one file.
type Coverage struct {
	Timeline  string
	From, To  time.Time
	Bytes     int64
	Files     int
	HeldBytes int64
}

// Batch is what one transaction changes, in this order. The rows of Release are changed
// after it, in transactions of their own, so that millions of them stop nobody.
type Batch struct {
	Runs    []Run    // added, or replaced by timeline and ID
	Files   []File   // added, or replaced by object; their object is no garbage any more
	Remove  []File   // by object: the row becomes a garbage row; an unknown one is left alone
	Cleaned []string // garbage objects that are deleted now
	Release []string // timelines whose files are held no longer; an empty name means all
}

// Faults of this package.
var (
	ErrDamaged = fault.New(fault.Internal, "index_damaged", "The index of the recordings holds something else than was written to it.", "Restart Weir: the index is set aside and built again from the files.")
	ErrUnknown = fault.New(fault.NotFound, "index_file_unknown", "No recorded file holds this segment.", "")
	errClosed  = fault.New(fault.Unavailable, "index_closed", "The index of the recordings is closed.", "")
)

func damaged(format string, args ...any) error {
	return fault.Wrap(fmt.Errorf(format, args...), ErrDamaged.Kind, ErrDamaged.Code, ErrDamaged.Message, ErrDamaged.Remedy)
}

func invalid(format string, args ...any) error {
	return fault.Wrap(fmt.Errorf(format, args...), fault.Invalid, "index_invalid", "The index of the recordings was given a row that cannot be.", "")
}

func (b *Batch) check() error {
	for i := range b.Runs {
		if err := b.Runs[i].check(); err != nil {
			return err
		}
	}
	for i := range b.Files {
		if err := b.Files[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) check() error {
	switch {
	case r.Timeline == "" || len(r.Timeline) > maxName:
		return invalid("run %d: name of %d bytes", r.ID, len(r.Timeline))
	case r.ID == 0 || r.ID > 1<<62:
		return invalid("run %d of %s", r.ID, r.Timeline)
	case !timely(r.Start) || !r.End.IsZero() && (!timely(r.End) || r.End.Before(r.Start)):
		return invalid("run %d of %s: from %v to %v", r.ID, r.Timeline, r.Start, r.End)
	case len(r.Clock) > maxWord || len(r.Reason) > maxWord || len(r.Renditions) > maxTracks || r.Seq < 0:
		return invalid("run %d of %s is too large", r.ID, r.Timeline)
	}
	for _, t := range r.Renditions {
		if t.Name == "" || len(t.Name) > maxWord || len(t.Init) > maxInit {
			return invalid("run %d of %s: rendition %.80q with a header of %d bytes", r.ID, r.Timeline, t.Name, len(t.Init))
		}
	}
	return nil
}

func (f *File) check() error {
	switch {
	case f.Timeline == "" || len(f.Timeline) > maxName:
		return invalid("file %.80q: name of %d bytes", f.Object, len(f.Timeline))
	case f.Object == "" || len(f.Object) > maxName:
		return invalid("object key of %d bytes", len(f.Object))
	case f.Rendition == "" || len(f.Rendition) > maxWord || len(f.End) > maxWord || len(f.Groups) > maxGroups:
		return invalid("file %s is too large", f.Object)
	case f.Run == 0 || f.Run > 1<<62 || f.Seq < 0 || f.Size < 0 || f.LastN < f.FirstN:
		return invalid("file %s: run %d, seq %d, %d bytes, segments %d to %d", f.Object, f.Run, f.Seq, f.Size, f.FirstN, f.LastN)
	case !timely(f.From) || !timely(f.To) || f.To.Before(f.From) || f.To.Sub(f.From) > MaxFile:
		return invalid("file %s: from %v to %v", f.Object, f.From, f.To)
	}
	return nil
}

// timely reports whether t can be written in nanoseconds since 1970 with room to add to it.
func timely(t time.Time) bool { return t.Unix() > 0 && t.Year() < 2250 }
