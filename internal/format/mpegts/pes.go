package mpegts

import (
	"encoding/binary"

	"weir/internal/media"
)

// stream collects the PES packets of an elementary stream (13818-1 2.4.3.6).
type stream struct {
	d     *Demuxer
	track media.Track
	count counter
	buf   []byte // the PES packet so far
	on    bool   // buf begins at a PES packet
	need  int    // length of the PES packet, 0 = until the next one
	split splitter
	known bool // the track's configuration is complete

	first, latest int64 // DTS in 90 kHz
	begun         bool
}

func newStream(d *Demuxer, t media.Track) *stream {
	return &stream{d: d, track: t, split: splitter{codec: t.Codec}}
}

// lose drops the PES packet that misses something.
func (s *stream) lose() {
	if s.on && len(s.buf) > 0 {
		s.d.stats.Damaged++
	}
	s.clear()
	s.split.lose(s)
}

// clear forgets the PES packet collected.
func (s *stream) clear() {
	s.buf, s.on = s.d.release(s.buf), false
}

// release empties a buffer. A large one is not kept: many streams could have had one.
func (d *Demuxer) release(b []byte) []byte {
	d.pending -= len(b)
	if cap(b) > maxKept {
		return nil
	}
	return b[:0]
}

func (s *stream) add(b []byte, start bool) error {
	if start {
		if err := s.end(); err != nil {
			return err
		}
		s.on, s.need = true, 0
	}
	if !s.on {
		return nil
	}
	if len(s.buf)+len(b) > maxPES || s.d.pending+len(b) > maxPending {
		s.lose()
		return nil
	}
	s.buf = append(s.buf, b...)
	s.d.pending += len(b)
	if s.need == 0 && len(s.buf) >= 6 {
		if n := int(binary.BigEndian.Uint16(s.buf[4:])); n > 0 {
			s.need = 6 + n
		}
	}
	if s.need > 0 && len(s.buf) >= s.need {
		s.d.pending -= len(s.buf) - s.need
		s.buf = s.buf[:s.need]
		return s.end()
	}
	return nil
}

// end handles the PES packet collected.
func (s *stream) end() error {
	if !s.on || len(s.buf) == 0 {
		s.on = false
		return nil
	}
	b := s.buf
	whole := len(b) >= s.need
	defer s.clear()
	if len(b) < 9 || b[0] != 0 || b[1] != 0 || b[2] != 1 || b[6]&0xC0 != 0x80 || !whole || 9+int(b[8]) > len(b) {
		if len(b) < 4 || b[3] != 0xBE { // not just padding
			s.d.stats.Damaged++
			s.split.lose(s)
		}
		return nil
	}
	if b[6]&0x30 != 0 {
		s.d.stats.Scrambled++
		return nil
	}
	pts, dts, timed := s.times(b)
	return s.payload(b[9+int(b[8]):], pts, dts, timed)
}

// times reads PTS and DTS. Either of them may be on the other side of a wrap.
func (s *stream) times(b []byte) (pts, dts int64, ok bool) {
	head := b[9 : 9+int(b[8])]
	switch flags := b[7] >> 6; {
	case flags == 2 && len(head) >= 5:
		pts = s.d.unwrap(readTime(head))
		dts = pts
	case flags == 3 && len(head) >= 10:
		dts = s.d.unwrap(readTime(head[5:]))
		off := (readTime(head) - dts) & (wrap - 1)
		if off >= wrap/2 {
			off -= wrap
		}
		pts = dts + off
	default:
		return 0, 0, false
	}
	s.d.last, s.d.timed = dts, true
	return pts, dts, true
}

func readTime(b []byte) int64 {
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
}

func (s *stream) payload(b []byte, pts, dts int64, timed bool) error {
	if timed {
		if !s.begun {
			s.first, s.begun = dts, true
		}
		s.latest = dts
	}
	return s.split.add(s, b, pts, dts, timed)
}

// last hands over what the splitter keeps: nothing follows.
func (s *stream) last() error { return s.split.flush(s) }
