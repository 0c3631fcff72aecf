package rtp

import (
	"time"

	pion "github.com/pion/rtp"

	"weir/internal/media"
)

const (
	window        = 1024                   // packets that can wait for a missing one
	defaultDelay  = 150 * time.Millisecond // how long to wait for a retransmission by default
	defaultMaxAU  = 8 << 20
	longestFuture = 8192 // a sequence number further ahead than this is a restart, not loss
)

// Config says what an Assembler reads.
type Config struct {
	Codec   media.Codec
	Delay   time.Duration // how long a missing packet is waited for, at least; 0 = 150 ms
	MaxUnit int           // bytes of the largest access unit; 0 = 8 MiB
	HasSets bool          // the parameter sets are known from elsewhere (SDP): a first key frame may come without
}

// Unit is one access unit or audio frame, in the sample form of media.Frame without parameter sets.
type Unit struct {
	Data    []byte
	Key     bool
	Time    int64 // RTP timestamp, unwrapped: it starts at the first packet's 32-bit value
	Arrival int64 // when its last packet was pushed, as Push was told
}

// Counters tells what happened to the packets of one track.
type Counters struct {
	Packets    uint64
	Duplicates uint64
	Lost       uint64 // never came, or too late
	Malformed  uint64
	Dropped    uint64 // units left out: incomplete, or waiting for a key frame
}

// Assembler makes units from packets that may come out of order, twice or not at all. After a loss in
// video it gives nothing until the next key frame. It is not safe for concurrent use.
type Assembler struct {
	cfg     Config
	payload payload
	video   bool

	slots   [window]slot
	started bool
	next    int64 // sequence number to be read next, unwrapped
	newest  int64
	waiting int
	repairs

	clock   unwrapper
	open    bool // a unit is being assembled
	stamp   uint32
	arrival int64
	broken  bool
	gapped  bool // packets went missing before the open unit
	needKey bool
	lost    bool
	count   Counters
}

type slot struct {
	full    bool
	marker  bool
	stamp   uint32
	arrival int64
	data    []byte
}

// payload is the part of a depacketiser that differs between codecs.
type payload interface {
	// add takes the payload of the next packet of the open unit; false means it does not fit.
	add(p []byte) bool
	// finish closes the unit. whole is false when the unit lacks its beginning or its end; gapped says
	// that packets went missing before it.
	finish(gapped bool) (data []byte, key, whole bool)
	// reset forgets the open unit.
	reset()
	// size is the bytes held for the open unit.
	size() int
}

// NewAssembler returns an assembler. The error is a fault "codec_not_in_rtp".
func NewAssembler(cfg Config) (*Assembler, error) {
	a := &Assembler{cfg: cfg, video: cfg.Codec.Kind() == media.Video, needKey: cfg.Codec.Kind() == media.Video, gapped: true}
	if a.cfg.Delay == 0 {
		a.cfg.Delay = defaultDelay
	}
	if a.cfg.MaxUnit == 0 {
		a.cfg.MaxUnit = defaultMaxAU
	}
	switch cfg.Codec {
	case media.H264:
		a.payload = &avcReader{sets: setStore{with: !cfg.HasSets}}
	case media.HEVC:
		a.payload = &hevcReader{sets: setStore{with: !cfg.HasSets}}
	case media.VP8:
		a.payload = &vp8Reader{}
	case media.VP9:
		a.payload = &vp9Reader{}
	case media.AV1:
		a.payload = &av1Reader{}
	case media.Opus, media.PCMA, media.PCMU:
		a.payload = &wholeReader{}
	default:
		return nil, unsupported(cfg.Codec)
	}
	return a, nil
}

// Counters gives the counts so far.
func (a *Assembler) Counters() Counters { return a.count }

// TakeLoss tells once, after each loss in video, that a key frame should be asked for.
func (a *Assembler) TakeLoss() bool {
	lost := a.lost
	a.lost = false
	return lost
}

// NeedsKey tells whether nothing can be given before the next key frame.
func (a *Assembler) NeedsKey() bool { return a.needKey }

// Sets gives the parameter sets seen so far: VPS, SPS, PPS (HEVC), SPS, PPS (H.264) or the sequence
// header OBU (AV1), and a number that changes with them. The other codecs have none.
func (a *Assembler) Sets() (sets [][]byte, version int) {
	switch r := a.payload.(type) {
	case *avcReader:
		return r.sets.list(), r.sets.version
	case *hevcReader:
		return r.sets.list(), r.sets.version
	case *av1Reader:
		return r.sets.list(), r.sets.version
	}
	return nil, 0
}

// Push hands over a packet that came at now (nanoseconds of any steady clock). The payload is kept.
func (a *Assembler) Push(now int64, p *pion.Packet) {
	a.count.Packets++
	if !a.started {
		a.started = true
		a.begin(p.SequenceNumber)
	}
	sequence := a.next + int64(int16(p.SequenceNumber-uint16(a.next)))
	switch {
	case sequence < a.next-longestFuture, sequence >= a.next+longestFuture:
		a.begin(p.SequenceNumber)
		a.gap()
		sequence = a.next
	case sequence < a.next:
		a.came(sequence, now)
		a.count.Duplicates++ // or too late: it was counted as lost
		return
	}
	for sequence >= a.next+window {
		a.skip()
	}
	s := &a.slots[sequence%window]
	if s.full {
		a.count.Duplicates++
		return
	}
	a.came(sequence, now)
	*s = slot{full: true, marker: p.Marker, stamp: p.Timestamp, arrival: now, data: p.Payload}
	a.waiting++
	a.newest = max(a.newest, sequence)
}

// begin starts at a sequence number that has nothing to do with the last one. The offset keeps
// unwrapped numbers positive.
func (a *Assembler) begin(sequence uint16) {
	clear(a.slots[:])
	clear(a.asked)
	a.next = 1<<32 | int64(sequence)
	a.waiting, a.newest = 0, a.next-1
}

// Pop gives the next whole unit, if there is one at now.
func (a *Assembler) Pop(now int64) (Unit, bool) {
	for a.waiting > 0 {
		s := &a.slots[a.next%window]
		if !s.full {
			if !a.overdue(now) {
				return Unit{}, false
			}
			a.skip()
			continue
		}
		if a.open && s.stamp != a.stamp {
			// The unit ended without a marker: some senders set none.
			if u, ok := a.finish(); ok {
				return u, true
			}
		}
		taken := *s
		*s = slot{}
		a.waiting--
		a.advance()
		if u, ok := a.take(&taken); ok {
			return u, true
		}
	}
	return Unit{}, false
}

// overdue tells whether the packet that is missing has been waited for long enough.
func (a *Assembler) overdue(now int64) bool {
	if a.waiting > window/2 {
		return true
	}
	for i := a.next + 1; i <= a.newest; i++ {
		if s := &a.slots[i%window]; s.full {
			return now-s.arrival >= a.patience()
		}
	}
	return false
}

// skip gives up the packet that is to be read next, full or not.
func (a *Assembler) skip() {
	s := &a.slots[a.next%window]
	if s.full {
		*s = slot{}
		a.waiting--
	}
	a.count.Lost++
	a.advance()
	a.newest = max(a.newest, a.next-1)
	a.gap()
}

func (a *Assembler) advance() {
	a.forget(a.next - window)
	a.next++
}

func (a *Assembler) gap() {
	if a.open {
		a.drop()
	}
	a.gapped = true
	if a.video {
		a.needKey, a.lost = true, true
	}
}

func (a *Assembler) drop() {
	a.payload.reset()
	a.open, a.broken = false, false
	a.count.Dropped++
}

// take reads one packet into the open unit.
func (a *Assembler) take(s *slot) (Unit, bool) {
	if len(s.data) == 0 {
		return Unit{}, false // padding to probe bandwidth
	}
	if !a.open {
		a.open, a.stamp = true, s.stamp
	}
	a.arrival = s.arrival
	if !a.broken && (!a.payload.add(s.data) || a.payload.size() > a.cfg.MaxUnit) {
		a.count.Malformed++
		a.broken = true
		a.payload.reset()
	}
	if s.marker || !a.video {
		return a.finish()
	}
	return Unit{}, false
}

// finish closes the open unit and gives it when it can be decoded.
func (a *Assembler) finish() (Unit, bool) {
	data, key, whole := a.payload.finish(a.gapped)
	broken := a.broken || (!whole && len(data) > 0)
	a.open, a.broken, a.gapped = false, false, false
	a.payload.reset()
	if broken || (a.needKey && !key) {
		a.count.Dropped++
		if broken && a.video && !a.needKey {
			a.needKey, a.lost = true, true
		}
		return Unit{}, false
	}
	if len(data) == 0 {
		return Unit{}, false // parameter sets alone
	}
	a.needKey = false
	return Unit{Data: data, Key: key, Time: a.clock.unwrap(a.stamp), Arrival: a.arrival}, true
}

// unwrapper extends 32-bit timestamps to 64 bits.
type unwrapper struct {
	started bool
	last    int64
}

func (u *unwrapper) unwrap(stamp uint32) int64 {
	if !u.started {
		u.started, u.last = true, int64(stamp)
		return u.last
	}
	u.last += int64(int32(stamp - uint32(u.last)))
	return u.last
}

// wholeReader takes packets that are frames by themselves: Opus (RFC 7587) and G.711 (RFC 3551).
type wholeReader struct{ data []byte }

func (r *wholeReader) add(p []byte) bool { r.data = p; return true }
func (r *wholeReader) finish(bool) ([]byte, bool, bool) {
	return r.data, true, true
}
func (r *wholeReader) reset()    { r.data = nil }
func (r *wholeReader) size() int { return len(r.data) }
