package mpegts

import (
	"bytes"

	"weir/internal/fault"
	"weir/internal/media"
)

const (
	maxPending = 48 << 20 // of all frames that are not whole yet
	maxKept    = 1 << 20  // a buffer that is longer is not used again
	maxHunt    = 1 << 20  // bytes looked through for packets before giving up
	maxPES     = 16 << 20 // of one frame
	maxPIDs    = 64       // elementary streams and tables followed
	maxHeld    = 8 << 20  // bytes of frames kept until the tracks are known
	maxFrames  = 4096     // the same, in frames
	waitTicks  = 3 * clock
)

// Handler takes what a Demuxer finds. An error ends the Write that led to it.
type Handler struct {
	// Tracks tells the tracks, before the first frame and at each change. A track's ID is
	// its PID; audio has its sample rate as time scale, video 90000.
	Tracks func([]media.Track) error
	// Frame hands over a frame. Its Data is its own.
	Frame func(media.Frame) error
}

// Stats counts what was wrong with a transport stream.
type Stats struct {
	Packets, SyncLosses, Continuity, Checksums, Scrambled, Damaged int64
	Ignored                                                        []Ignored // streams that Weir does not know
}

// Ignored is an elementary stream that is passed over.
type Ignored struct {
	PID  uint16
	Type byte // stream_type
}

// Demuxer reads a transport stream piece by piece: 188-byte packets, or 192 and 204 with
// what some put around them. It gets over lost, doubled and damaged packets; times are
// unwrapped, jumps are left to the reader.
type Demuxer struct {
	h       Handler
	buf     []byte // what is not a whole packet yet
	size    int    // distance of packets; 0 while hunting
	hunted  int
	stats   Stats
	tables  map[uint16]*table
	streams map[uint16]*stream
	order   []uint16 // PIDs of streams in the order of the program map
	program uint16   // the program followed, 0 = none yet
	pmt     uint16
	mapped  bool   // a program map has been read
	mapSum  uint32 // its checksum
	last    int64
	timed   bool // last is valid
	tracks  announcer
	pending int // bytes of frames that are not whole yet
}

// NewDemuxer returns a demuxer that calls h from within Write and Flush.
func NewDemuxer(h Handler) *Demuxer {
	d := &Demuxer{h: h, tables: map[uint16]*table{0: {}}, streams: map[uint16]*stream{}}
	d.tracks.d = d
	return d
}

// Stats returns the counters.
func (d *Demuxer) Stats() Stats {
	st := d.stats
	st.Ignored = append([]Ignored(nil), st.Ignored...)
	return st
}

// Write reads the next bytes of the stream. Errors are the handler's, and ts_no_sync when a
// megabyte holds no transport stream.
func (d *Demuxer) Write(b []byte) (int, error) {
	n := len(b)
	if len(d.buf) > 0 {
		d.buf = append(d.buf, b...)
		b = d.buf
	}
	rest, err := d.packets(b, false)
	d.buf = append(d.buf[:0], rest...)
	return n, err
}

// Flush hands over what waits for more: the stream is over.
func (d *Demuxer) Flush() error {
	if _, err := d.packets(d.buf, true); err != nil {
		return err
	}
	d.buf = d.buf[:0]
	for _, pid := range d.order {
		if s := d.streams[pid]; s != nil {
			if err := s.end(); err != nil {
				return err
			}
			if err := s.last(); err != nil {
				return err
			}
		}
	}
	return d.tracks.announce()
}

// packets handles all whole packets of b and returns the rest.
func (d *Demuxer) packets(b []byte, end bool) ([]byte, error) {
	for {
		if d.size == 0 {
			at, size := hunt(b, end)
			d.hunted += at
			b = b[at:]
			if size == 0 {
				if d.hunted > maxHunt {
					return nil, fault.New(fault.Invalid, "ts_no_sync", "This is no MPEG transport stream.", "Check what the sender sends.")
				}
				return b, nil
			}
			d.size, d.hunted = size, 0
		}
		if len(b) < packetSize || !end && len(b) < d.size {
			return b, nil
		}
		if b[0] != syncByte {
			d.size = 0
			d.stats.SyncLosses++
			b = b[1:]
			continue
		}
		if err := d.packet(b[:packetSize]); err != nil {
			return nil, err
		}
		b = b[min(d.size, len(b)):]
	}
}

// hunt finds where packets begin and their distance: three sync bytes in a row, or at the
// end of the stream as many as there is room for. Without, it says how much can be dropped.
func hunt(b []byte, end bool) (at, size int) {
	for at < len(b) {
		k := bytes.IndexByte(b[at:], syncByte)
		if k < 0 {
			return len(b), 0
		}
		at += k
		open := false
		for _, size := range [...]int{188, 204, 192} {
			switch {
			case at+2*size < len(b):
				if b[at+size] == syncByte && b[at+2*size] == syncByte {
					return at, size
				}
			case end && at+packetSize <= len(b) && (at+size >= len(b) || b[at+size] == syncByte):
				return at, size
			default:
				open = open || at+size >= len(b) || b[at+size] == syncByte
			}
		}
		if open && !end {
			return at, 0
		}
		at++
	}
	return at, 0
}

// packet handles one transport packet (13818-1 2.4.3.2).
func (d *Demuxer) packet(p []byte) error {
	d.stats.Packets++
	pid := uint16(p[1]&0x1F)<<8 | uint16(p[2])
	if p[1]&0x80 != 0 {
		d.stats.Damaged++ // the receiver says so
		return nil
	}
	t, s := d.tables[pid], d.streams[pid]
	if t == nil && s == nil {
		return nil
	}
	payload := p[4:]
	jump := false
	if p[3]&0x20 != 0 {
		n := int(p[4])
		if n > packetSize-5 {
			d.stats.Damaged++
			return nil
		}
		jump = n > 0 && p[5]&0x80 != 0
		payload = p[5+n:]
	}
	if p[3]&0x10 == 0 || len(payload) == 0 {
		return nil
	}
	if p[3]&0xC0 != 0 {
		d.stats.Scrambled++
		return nil
	}
	start := p[1]&0x40 != 0
	cc := p[3] & 15
	if t != nil {
		switch t.count.check(cc, jump, payload) {
		case doubled:
			return nil
		case lost:
			d.stats.Continuity++
			t.reset()
		}
		return t.add(d, pid, payload, start)
	}
	switch s.count.check(cc, jump, payload) {
	case doubled:
		return nil
	case lost:
		d.stats.Continuity++
		s.lose()
	}
	return s.add(payload, start)
}

// counter follows a PID's continuity counter.
type counter struct {
	known bool
	last  byte
	tail  [8]byte // end of the last payload, to tell a doubled packet
}

type verdict byte

const (
	inOrder verdict = iota
	doubled
	lost
)

func (c *counter) check(cc byte, jump bool, payload []byte) verdict {
	var tail [8]byte
	copy(tail[:], payload[max(0, len(payload)-8):])
	v := inOrder
	switch {
	case !c.known || jump || cc == (c.last+1)&15:
	case cc == c.last && tail == c.tail:
		v = doubled
	default:
		v = lost
	}
	c.known, c.last, c.tail = true, cc, tail
	return v
}

// unwrap gives a 33-bit time the upper bits that bring it nearest to the last one.
func (d *Demuxer) unwrap(v int64) int64 {
	if !d.timed {
		return v
	}
	off := (v - d.last) & (wrap - 1)
	if off >= wrap/2 {
		off -= wrap
	}
	return d.last + off
}
