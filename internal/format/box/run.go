package box

import "math/bits"

// Flags of track fragments (8.8.7), of runs (8.8.8) and of samples (8.8.3).
const (
	TfhdBaseOffset  = 0x000001
	TfhdDescription = 0x000002
	TfhdDuration    = 0x000008
	TfhdSize        = 0x000010
	TfhdFlags       = 0x000020
	TfhdBaseMoof    = 0x020000

	TrunOffset   = 0x000001
	TrunFirst    = 0x000004
	TrunDuration = 0x000100
	TrunSize     = 0x000200
	TrunFlags    = 0x000400
	TrunCTS      = 0x000800

	NonSync = 0x10000 // sample_is_non_sync_sample

	perSample = TrunDuration | TrunSize | TrunFlags | TrunCTS
)

// Defaults are what is so of all samples of which a run says nothing else.
type Defaults struct {
	Duration, Size, Flags uint32
}

// Override reads what a tfhd with these flags says behind the number of its track. A base offset is passed over: writers that use it give the position of
// the moof in the file, which is what offsets are counted from without it.
func (d *Defaults) Override(f *Fields, flags uint32) {
	if flags&TfhdBaseOffset != 0 {
		f.U64()
	}
	if flags&TfhdDescription != 0 {
		f.U32()
	}
	if flags&TfhdDuration != 0 {
		d.Duration = f.U32()
	}
	if flags&TfhdSize != 0 {
		d.Size = f.U32()
	}
	if flags&TfhdFlags != 0 {
		d.Flags = f.U32()
	}
}

// Run is what a trun says of its samples before it lists them.
type Run struct {
	Count  uint32
	Placed bool  // it says where the first one lies
	Offset int64 // from the first byte of the moof

	flags    uint32
	next     uint32 // the flags of the next sample that has none of its own
	defaults Defaults
}

// Sample is one entry of a run.
type Sample struct {
	Duration, Size, Flags uint32
	CTS                   int32 // presentation minus decode time
}

// Run reads a trun with these flags up to its list, of which Next reads one after the other.
func (d *Defaults) Run(f *Fields, flags uint32) Run {
	r := Run{Count: f.U32(), Placed: flags&TrunOffset != 0, flags: flags, next: d.Flags, defaults: *d}
	if r.Placed {
		r.Offset = int64(int32(f.U32()))
	}
	if flags&TrunFirst != 0 {
		r.next = f.U32()
	}
	return r
}

// EntrySize is how many bytes each sample takes in the list.
func (r *Run) EntrySize() int { return 4 * bits.OnesCount32(r.flags&perSample) }

// Next reads an entry of the list.
func (r *Run) Next(f *Fields) Sample {
	s := Sample{Duration: r.defaults.Duration, Size: r.defaults.Size, Flags: r.next}
	r.next = r.defaults.Flags
	if r.flags&TrunDuration != 0 {
		s.Duration = f.U32()
	}
	if r.flags&TrunSize != 0 {
		s.Size = f.U32()
	}
	if r.flags&TrunFlags != 0 {
		s.Flags = f.U32()
	}
	if r.flags&TrunCTS != 0 {
		s.CTS = int32(f.U32()) // version 0 says unsigned, yet writers put negative offsets there too, and none needs the upper half
	}
	return s
}
