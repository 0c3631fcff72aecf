package file

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sort"
	"time"

	"weir/internal/fault"
	"weir/internal/format/mp4"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// plan is a clip as a virtual file: its head, and where the bytes behind it lie. It is immutable and shared by all who
// download the clip.
type plan struct {
	name   string
	etag   string
	movie  *mp4.Movie
	parts  []part
	places []byte // the extents of all parts: pairs of varints, what is skipped and what is taken
	from   []origin
	begin  time.Time // of its first picture
	video  bool
	faults int // segments that are left out because they are damaged
}

// origin is a rendition of a run.
type origin struct {
	run       uint64
	rendition string
}

// part is what the file takes of one segment.
type part struct {
	out  int64 // where it stands behind the head
	n    int64
	at   uint32 // where its extents begin in places
	from uint16
}

func (p *plan) size() int64 { return p.movie.Size() }

// memory is about what the plan holds.
func (p *plan) memory() int { return p.movie.Memory() + len(p.parts)*24 + cap(p.places) }

// find is the part that holds byte at of what is behind the head.
func (p *plan) find(at int64) int {
	return sort.Search(len(p.parts), func(i int) bool { return p.parts[i].out > at }) - 1
}

// end is where part i ends.
func (p *plan) end(i int) int64 {
	if i+1 < len(p.parts) {
		return p.parts[i+1].out
	}
	return p.movie.Payload()
}

// extents calls visit with the stretches of the segment that part i takes.
func (p *plan) extents(i int, visit func(at, n int64) error) error {
	b := p.places[p.parts[i].at:]
	at, left := int64(0), p.end(i)-p.parts[i].out
	for left > 0 {
		skip, k := binary.Uvarint(b)
		take, m := binary.Uvarint(b[k:])
		if k <= 0 || m <= 0 || take == 0 {
			return errSegment
		}
		b = b[k+m:]
		at += int64(skip)
		if err := visit(at, int64(take)); err != nil {
			return err
		}
		at, left = at+int64(take), left-int64(take)
	}
	return nil
}

const (
	mostEntries = 250 // codec configurations of one track
	mostPlaces  = 1<<31 - 1
)

var errChanges = fault.New(fault.Unsupported, "clip_changes", "The codec configuration changes too often in this range for one file.", "Ask for a shorter range.")

// builder makes a plan.
type builder struct {
	plan   *plan
	key    bool
	tables map[string]*table
	from   map[origin]uint16
}

// table is one track of the file.
type table struct {
	*mp4.Table
	first, zero int64 // PTS of its first sample; what is media time 0: ticks of the table on the clip's clock
	length      int64 // duration of its last sample
	end         int64 // where its presentation ends
}

// build walks over the range and makes the plan, and compares checksums until then. read is how many bytes of footage that took.
func build(ctx context.Context, footage Footage, a *ask, snap *timeline.Snapshot, until time.Time) (p *plan, read int64, err error) {
	name, want, key := a.name, a.want, a.key
	b := &builder{plan: &plan{name: name}, key: key, tables: make(map[string]*table), from: make(map[origin]uint16)}
	w := &walk{footage: footage, name: name, want: want, key: key, take: b.take, checked: checked{until: until}}
	b.plan.movie = &mp4.Movie{}
	if err := w.advance(ctx, snap); err != nil {
		return nil, w.scan.Read, err
	}
	if w.checked.again {
		return nil, w.scan.Read, errAgain
	}
	if !w.any {
		return nil, w.scan.Read, errNoFootage
	}
	b.plan.faults = faults(snap, want)
	b.plan.begin = w.begin
	start := int64(0)
	if !key && want.From.After(w.begin) {
		start = min(media.FromDuration(want.From.Sub(w.begin), mp4.MovieScale), w.end)
		b.plan.begin = want.From
	}
	stop := w.end
	if !key && !want.To.IsZero() {
		// The piece that was walked last is the one that the end of the range cuts.
		stop = min(stop, w.at+media.FromDuration(want.To.Sub(w.zero), mp4.MovieScale))
		stop = max(stop, start+1)
	}
	for _, t := range b.tables {
		t.End(t.length)
		t.Edits = t.edits(start, stop, key)
	}
	b.plan.movie.SetCreated(b.plan.begin)
	b.plan.movie.Finish()
	return b.plan, w.scan.Read, nil
}

// faults counts the segments of a range that are left out of a file because they are damaged.
func faults(snap *timeline.Snapshot, want timeline.Range) (n int) {
	for i := range snap.Runs {
		run := &snap.Runs[i]
		for _, k := range choose(run) {
			scale := run.Run.Renditions[k].Track.TimeScale
			for j := range run.Renditions[k].Segments {
				s := &run.Renditions[k].Segments[j]
				if s.Damaged && segEnd(s, scale).After(want.From) && (want.To.IsZero() || presentation.At(s.Start, scale).Before(want.To)) {
					n++
				}
			}
		}
	}
	return n
}

// edits says what of the track is shown when, if that is not all of it from the beginning. start and stop are those of
// the presentation on the clip's clock, MovieScale.
func (t *table) edits(start, stop int64, key bool) []mp4.Edit {
	scale := t.Scale()
	from := media.Rescale(start, mp4.MovieScale, scale)
	to := media.Rescale(stop, mp4.MovieScale, scale)
	late := t.first - from
	if key && late <= int64(scale)/40 && t.zero == t.first {
		return nil // a track that begins within 25 ms of the others needs no list
	}
	if !key && late == 0 && t.zero == t.first && t.end <= to {
		return nil
	}
	var list []mp4.Edit
	if late > 0 {
		list = append(list, mp4.Edit{Duration: media.Rescale(late, scale, mp4.MovieScale), Media: -1})
	}
	shown := max(from, t.first)
	return append(list, mp4.Edit{Duration: max(media.Rescale(min(to, t.end)-shown, scale, mp4.MovieScale), 1), Media: shown - t.zero})
}

// take adds a portion of a segment to the file.
func (b *builder) take(_ context.Context, p *portion) error {
	l := p.lane
	t, err := b.table(l, &p.samples[0])
	if err != nil {
		return err
	}
	entry := t.Entry(l.head)
	if entry > mostEntries {
		return errChanges
	}
	t.Chunk(entry)
	if err := b.place(p); err != nil {
		return err
	}
	scale, own := l.head.Scale, t.Scale()
	for i := range p.samples {
		s := &p.samples[i]
		dts, pts := s.dts, s.pts
		if scale != own {
			dts, pts = media.Rescale(dts, scale, own), media.Rescale(pts, scale, own)
		}
		if err := t.Add(dts, pts, s.Size, s.Key); err != nil {
			return err
		}
		t.length = media.Rescale(int64(s.Duration), scale, own)
		t.end = max(t.end, pts+t.length)
	}
	return nil
}

// table finds the track of a lane. A rendition that changes to another codec goes on in a track of its own, since few
// players change decoders within a track.
func (b *builder) table(l *lane, first *placed) (*table, error) {
	key := l.name + " " + l.head.Codec
	if t := b.tables[key]; t != nil {
		return t, nil
	}
	if len(b.tables) >= mostEntries {
		return nil, errChanges
	}
	t := &table{Table: b.plan.movie.Track(l.head), first: first.pts, zero: first.dts}
	if b.key {
		// Media time 0 is the first picture, so that nothing needs an edit list; composition offsets of B-frames
		// are negative then.
		t.zero = first.pts
	}
	t.Begin(first.dts, t.zero)
	b.tables[key] = t
	b.plan.video = b.plan.video || l.head.Kind == "vide"
	return t, nil
}

// place notes where the bytes of a portion are.
func (b *builder) place(p *portion) error {
	o := origin{p.run, p.lane.name}
	from, ok := b.from[o]
	if !ok {
		if len(b.plan.from) >= 1<<16-1 {
			return errChanges
		}
		from = uint16(len(b.plan.from))
		b.from[o], b.plan.from = from, append(b.plan.from, o)
	}
	if len(b.plan.places) >= mostPlaces {
		return errChanges
	}
	x := part{n: p.n, from: from, at: uint32(len(b.plan.places)), out: b.plan.movie.Payload()}
	at, n, was := p.samples[0].At, int64(0), int64(0)
	flush := func() {
		if n > 0 {
			b.plan.places = binary.AppendUvarint(b.plan.places, uint64(at-was))
			b.plan.places = binary.AppendUvarint(b.plan.places, uint64(n))
			was = at + n
		}
	}
	total := int64(0)
	for i := range p.samples {
		s := &p.samples[i]
		if s.At != at+n {
			flush()
			if s.At < was {
				return errSegment
			}
			at, n = s.At, 0
		}
		n += int64(s.Size)
		total += int64(s.Size)
	}
	flush()
	if total > 0 {
		b.plan.parts = append(b.plan.parts, x)
	}
	return nil
}

// tag names what a clip consists of: the same segments, cut in the same way, are the same bytes.
func tag(name string, snap *timeline.Snapshot, want timeline.Range, key bool) string {
	h := sha256.New()
	b := append([]byte("clip 1\x00"), name...)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(want.From.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(want.To.UnixNano()))
	if key {
		b = append(b, 'k')
	}
	for i := range snap.Runs {
		run := &snap.Runs[i]
		b = binary.BigEndian.AppendUint64(append(b, 'r'), run.ID)
		for _, k := range choose(run) {
			b = append(append(b, 't'), run.Run.Renditions[k].Name...)
			for j := range run.Renditions[k].Segments {
				if s := &run.Renditions[k].Segments[j]; s.Complete && !s.Gap {
					b = binary.BigEndian.AppendUint64(append(b, 's'), uint64(s.N))
					b = binary.BigEndian.AppendUint64(b, uint64(s.DTS))
					b = binary.BigEndian.AppendUint64(b, uint64(s.Size))
				}
			}
			_, _ = h.Write(b)
			b = b[:0]
		}
	}
	_, _ = h.Write(b)
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16]) + `"`
}
