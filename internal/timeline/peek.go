package timeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sort"

	"weir/internal/blob"
	"weir/internal/fault"
)

// Peeker looks into the segments of one rendition in order of time, for their heads alone: it does not compare checksums,
// which would read every byte, and asks the index once for a file, not for each segment. What is read through it must not be
// handed out. It belongs to one goroutine and must be closed.
type Peeker struct {
	store           *Store
	name, rendition string
	run             uint64

	past   *pastFile
	object blob.Object // of past
	from   *objects    // of object
	rd     *Reader     // of the live window
}

// Peek begins a look at a rendition of a run.
func (s *Store) Peek(name string, run uint64, rendition string) *Peeker {
	return &Peeker{store: s, name: name, run: run, rendition: rendition}
}

// Segment gives the bytes of a segment at random, and how many there are. They are valid until the next call.
func (p *Peeker) Segment(ctx context.Context, n int64) (io.ReaderAt, int64, error) {
	if p.past != nil {
		if i, ok := p.past.find(n); ok {
			return p.section(p.past.segs[i].Offset, p.past.segs[i].Size)
		}
	}
	p.Close()
	if v := p.store.volume(); v != nil {
		if r, size, err := p.recent(v, n); err == nil {
			return r, size, nil
		}
	}
	if t := p.store.Get(p.name); t != nil {
		rd, err := t.OpenSegment(p.run, p.rendition, n)
		if err == nil {
			p.rd = rd
			return p.content(ctx)
		}
		if !errors.Is(err, ErrGone) {
			return nil, 0, err
		}
	}
	if p.store.volume() == nil {
		return nil, 0, ErrGone
	}
	return p.indexed(ctx, p.store.volume(), n)
}

// Check compares a segment with its checksum, if that has not been done of late; the fault footage_damaged.
func (p *Peeker) Check(ctx context.Context, n int64) error {
	if p.past == nil || !p.past.has(n) {
		if _, _, err := p.Segment(ctx, n); err != nil {
			return err
		}
	}
	if p.past != nil && p.past.has(n) {
		i, _ := p.past.find(n)
		return p.past.check(p.store.volume(), p.object, i)
	}
	rd, err := p.store.OpenSegment(ctx, p.name, p.run, p.rendition, n)
	if err == nil {
		rd.Close()
	}
	return err
}

func (p *Peeker) section(at, size int64) (io.ReaderAt, int64, error) {
	return io.NewSectionReader(p.object, at, size), size, nil
}

// recent finds a segment in a file that is not in the index yet.
func (p *Peeker) recent(v *volume, n int64) (io.ReaderAt, int64, error) {
	for _, tr := range v.of(p.name) {
		if tr.r.ID != p.run || tr.r.Renditions[tr.i].Name != p.rendition {
			continue
		}
		tr.t.mu.Lock()
		for _, f := range tr.files {
			i := sort.Search(len(f.safe), func(k int) bool { return f.safe[k].N >= n })
			if i == len(f.safe) || f.safe[i].N != n {
				continue
			}
			seg := f.safe[i]
			tr.t.mu.Unlock()
			o, err := f.get()
			if err != nil {
				return nil, 0, err
			}
			p.object, p.from = o, &f.objects
			return p.section(seg.Offset, seg.Size)
		}
		tr.t.mu.Unlock()
	}
	return nil, 0, ErrGone
}

// content is what the reader of the live window has.
func (p *Peeker) content(ctx context.Context) (io.ReaderAt, int64, error) {
	if f := p.rd.File(); f != nil {
		return io.NewSectionReader(f, p.rd.Offset(), p.rd.Size()), p.rd.Size(), nil
	}
	var all []byte
	for {
		b, err := p.rd.Next(ctx)
		if errors.Is(err, io.EOF) {
			return bytes.NewReader(all), int64(len(all)), nil
		}
		if err != nil {
			return nil, 0, err
		}
		all = append(all, b...)
	}
}

// indexed finds a segment in a file that the index knows.
func (p *Peeker) indexed(ctx context.Context, v *volume, n int64) (io.ReaderAt, int64, error) {
	r, err := v.cachedRun(ctx, p.name, p.run)
	if err != nil {
		return nil, 0, err
	}
	row, err := v.db.File(ctx, p.name, p.run, p.rendition, n, near(n, r.SegmentDuration))
	if err != nil {
		v.distrust(err)
		return nil, 0, err
	}
	f, err := v.fileOf(row)
	if err != nil {
		return nil, 0, err
	}
	i, ok := f.find(n)
	if !ok {
		return nil, 0, ErrGone
	}
	o, err := f.get()
	if err != nil {
		if fault.Of(err).Kind == fault.NotFound {
			v.missing(row)
			return nil, 0, ErrGone
		}
		return nil, 0, err
	}
	p.past, p.object, p.from = f, o, &f.objects
	return p.section(f.segs[i].Offset, f.segs[i].Size)
}

// Close gives descriptors back. A Peeker may be used again after it.
func (p *Peeker) Close() {
	if p.object != nil {
		p.from.put(p.object)
	}
	if p.rd != nil {
		p.rd.Close()
	}
	p.past, p.object, p.from, p.rd = nil, nil, nil, nil
}
