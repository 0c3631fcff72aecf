package lint

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const packetSize = 188

// tsPID is the state of one packet identifier.
type tsPID struct {
	lastCC, firstCC int
	t               *track
	stream          byte
	pes             []byte // the start of the first access unit, to see what it is
	tail            []byte // of sound: the newest PES packet, to see how long it lasts
	started         bool
	full            bool
	untold          bool // it has PES packets, and the PMT does not name it
	lastPTS         int64
	prev            []byte // the payload of the packet before
	repeats         int
	frames          []byte // of AAC, all of it
	want, have      int    // bytes of the PES packet, by its header and as they came
}

// tsReader reads an MPEG-TS segment (ISO/IEC 13818-1).
type tsReader struct {
	*media
	pids      map[int]*tsPID
	pmt       int
	pcr       int
	pcrs      int
	wrongCC   int
	programs  int
	havePMT   bool
	beforePMT bool
	marked    map[int]bool
}

// parseTS reads a segment of transport stream packets.
func parseTS(data []byte) *media {
	r := &tsReader{media: &media{kind: "ts", size: len(data), firstPCR: -1, lastPCR: -1}, pids: map[int]*tsPID{}, pmt: -1, pcr: -1}
	if len(data)%packetSize != 0 {
		r.complain("ts.packet", fmt.Sprintf("its length %d is no multiple of 188", len(data)))
	}
	for n := 0; (n+1)*packetSize <= len(data); n++ {
		p := data[n*packetSize : (n+1)*packetSize]
		if p[0] != 0x47 {
			r.complain("ts.packet", fmt.Sprintf("packet %d does not start with the sync byte 0x47", n))
			break
		}
		r.packet(n, p)
	}
	r.finish()
	return r.media
}

func (r *tsReader) packet(n int, p []byte) {
	pid := int(p[1]&0x1f)<<8 | int(p[2])
	if pid == 0x1fff {
		return
	}
	switch {
	case p[1]&0x80 != 0:
		r.mark(pid, "damaged (transport_error_indicator)")
	case p[3]&0xc0 != 0:
		r.mark(pid, "scrambled (transport_scrambling_control)")
	}
	control := p[3] >> 4 & 3
	payload := p[4:]
	discontinuity := false
	if control&2 != 0 {
		length := int(payload[0])
		if length > 183 {
			r.complain("ts.packet", fmt.Sprintf("packet %d has an adaptation field longer than itself", n))
			return
		}
		if length > 0 {
			discontinuity = payload[1]&0x80 != 0
			r.clock(pid, payload[1:1+length])
		}
		payload = payload[1+length:]
	}
	s := r.pids[pid]
	if s == nil {
		if len(r.pids) >= 256 {
			return
		}
		s = &tsPID{lastCC: -1, lastPTS: -1}
		r.pids[pid] = s
	}
	if control&1 == 0 {
		return
	}
	cc := int(p[3] & 15)
	if s.lastCC < 0 {
		s.firstCC = cc
	}
	if s.lastCC == cc && !discontinuity && bytes.Equal(s.prev, payload) {
		if s.repeats++; s.repeats == 2 {
			r.complain("ts.duplicate", pid)
		}
		return
	}
	if s.lastCC >= 0 && !discontinuity && cc != (s.lastCC+1)&15 {
		r.wrongCC++
		if r.wrongCC <= 3 {
			r.complain("ts.continuity", pid, s.lastCC, cc)
		}
	}
	s.lastCC, s.prev, s.repeats = cc, payload, 0
	r.payload(n, pid, s, p[1]&0x40 != 0, payload)
}

// mark complains once for each PID of packets that cannot be used as they are.
func (r *tsReader) mark(pid int, how string) {
	if r.marked == nil {
		r.marked = map[int]bool{}
	}
	if !r.marked[pid] {
		r.complain("ts.marked", pid, how)
	}
	r.marked[pid] = true
}

func (r *tsReader) payload(n, pid int, s *tsPID, start bool, payload []byte) {
	switch {
	case pid == 0:
		if start {
			r.pat(n, payload)
		}
	case pid == r.pmt:
		if start {
			r.table(payload)
		}
	case s.t == nil:
		if start && len(payload) > 3 && bytes.Equal(payload[:3], []byte{0, 0, 1}) {
			if r.havePMT && !s.untold {
				r.complain("ts.pid_untold", pid)
			}
			r.beforePMT, s.untold = r.beforePMT || !r.havePMT, true
		}
	case start:
		s.tail = s.tail[:0]
		r.pes(pid, s, payload)
	case s.started:
		s.more(payload, !s.full)
	}
}

// more keeps what a PES packet holds, if it is of the first one or of sound.
func (s *tsPID) more(payload []byte, first bool) {
	s.have += len(payload)
	if s.stream == 0x0f && len(s.frames) < 1<<22 {
		s.frames = append(s.frames, payload...)
	}
	if first && len(s.pes) < 1<<16 {
		s.pes = append(s.pes, payload...)
	}
	if s.t.kind == "audio" && len(s.tail) < 1<<16 {
		s.tail = append(s.tail, payload...)
	}
}

// crcWrong says whether a whole section does not end with its CRC (ISO/IEC 13818-1 annex A): with it, the register ends at zero.
func crcWrong(section []byte) bool {
	c := uint32(0xffffffff)
	for _, v := range section {
		c ^= uint32(v) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
	}
	return c != 0
}

// section strips the pointer field and the CRC of a table section.
func (r *tsReader) section(payload []byte, name string) []byte {
	if len(payload) < 1 || int(payload[0])+1 > len(payload) {
		return nil
	}
	b := payload[1+payload[0]:]
	if len(b) < 12 {
		return nil
	}
	if length := 3 + int(b[1]&15)<<8 + int(b[2]); length <= len(b) && length >= 12 {
		if crcWrong(b[:length]) {
			r.complain("ts.crc", name)
		}
		return b[:length-4]
	}
	return nil
}

func (r *tsReader) pat(n int, payload []byte) {
	b := r.section(payload, "PAT")
	if b == nil || b[0] != 0 {
		r.complain("ts.table", "PAT")
		return
	}
	if r.pmt < 0 && n > 1 {
		r.complain("ts.tables_late", n)
	}
	programs := 0
	for b = b[8:]; len(b) >= 4; b = b[4:] {
		if binary.BigEndian.Uint16(b) != 0 {
			programs++
			r.pmt = int(b[2]&0x1f)<<8 | int(b[3])
		}
	}
	if programs != 1 && r.programs == 0 {
		r.complain("ts.programs", programs)
	}
	r.programs = max(programs, 1)
}

func (r *tsReader) table(payload []byte) {
	b := r.section(payload, "PMT")
	if b == nil || b[0] != 2 {
		r.complain("ts.table", "PMT")
		return
	}
	if r.havePMT {
		return
	}
	r.havePMT = true
	r.pcr = int(b[8]&0x1f)<<8 | int(b[9])
	skip := 12 + int(b[10]&15)<<8 + int(b[11])
	if skip > len(b) {
		return
	}
	for b = b[skip:]; len(b) >= 5 && len(r.tracks) < 64; {
		pid, length := int(b[1]&0x1f)<<8|int(b[2]), int(b[3]&15)<<8|int(b[4])
		t := &track{id: uint32(pid), timescale: 90000, kind: "other"} //nolint:gosec // 13 bits
		switch b[0] {
		case 0x1b, 0x24, 0x01, 0x02:
			t.kind = "video"
		case 0x0f, 0x11, 0x03, 0x04, 0x81, 0x87:
			t.kind = "audio"
		}
		s := r.pids[pid]
		if s == nil {
			s = &tsPID{lastCC: -1, lastPTS: -1}
			r.pids[pid] = s
		}
		s.t, s.stream = t, b[0]
		r.tracks = append(r.tracks, t)
		if 5+length > len(b) {
			return
		}
		b = b[5+length:]
	}
}

func (r *tsReader) clock(pid int, field []byte) {
	if len(field) < 7 || field[0]&0x10 == 0 {
		return
	}
	if r.pcr >= 0 && pid != r.pcr {
		return
	}
	v := int64(binary.BigEndian.Uint32(field[1:]))<<1 | int64(field[5]>>7)
	if r.lastPCR >= 0 && field[0]&0x80 == 0 {
		switch d := wrap33(v - r.lastPCR); {
		case d < 0:
			r.complain("ts.pcr_back", pid)
		case d > 90*200:
			r.complain("ts.pcr_rare", seconds(float64(d)/90000))
		}
	}
	if r.firstPCR < 0 {
		r.firstPCR, r.reset = v, field[0]&0x80 != 0
	}
	r.lastPCR = v
	r.pcrs++
}

// wrap33 is a difference of 33-bit clocks, nearest zero.
func wrap33(d int64) int64 {
	d &= 1<<33 - 1
	if d >= 1<<32 {
		d -= 1 << 33
	}
	return d
}

func stamp(b []byte) int64 {
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
}

func (r *tsReader) pes(pid int, s *tsPID, payload []byte) {
	if len(payload) < 9 || !bytes.Equal(payload[:3], []byte{0, 0, 1}) {
		r.complain("ts.pes", pid, "no start code")
		return
	}
	flags, length := payload[7]>>6, int(payload[8])
	if 9+length > len(payload) {
		r.complain("ts.pes", pid, "its header is cut off")
		return
	}
	r.sized(pid, s)
	if s.want = int(payload[4])<<8 | int(payload[5]); s.want > 0 {
		s.want -= 3 + length
	}
	s.have = 0
	s.full = s.started
	s.started = true
	s.more(payload[9+length:], !s.full)
	if flags&2 == 0 || length < 5 {
		if s.lastPTS < 0 {
			r.complain("ts.pts_missing", pid)
		}
		return
	}
	pts := stamp(payload[9:])
	dts := pts
	if flags == 3 && length >= 10 {
		dts = stamp(payload[14:])
	}
	if wrap33(pts-dts) < 0 {
		r.complain("ts.pts_before_dts", pid)
	}
	r.times(pid, s, pts, dts)
}

func (r *tsReader) times(pid int, s *tsPID, pts, dts int64) {
	run := r.run(s.t)
	if run.samples == 0 {
		run.first, run.end, run.minPTS, run.maxPTS = dts, dts, pts, pts
		if r.firstPCR >= 0 && wrap33(dts-r.firstPCR) < 0 {
			r.complain("ts.pcr_late", pid)
		}
	} else {
		// unrolled over the wrap by the nearest difference
		d := wrap33(dts - run.end)
		if d <= 0 {
			r.complain("ts.dts_back", pid, seconds(float64(-d)/90000))
		}
		run.end += d
		at := run.end + wrap33(pts-dts)
		run.minPTS, run.maxPTS = min(run.minPTS, at), max(run.maxPTS, at)
	}
	run.samples++
	s.lastPTS = pts
}

func (r *tsReader) finish() {
	switch {
	case r.pmt < 0:
		r.complain("ts.table_missing", "PAT")
	case !r.havePMT:
		r.complain("ts.table_missing", "PMT")
	case r.beforePMT:
		r.complain("ts.tables_late", 2)
	}
	if r.havePMT && r.pcrs == 0 {
		r.complain("ts.pcr_missing")
	}
	for pid, s := range r.pids {
		if s.t == nil {
			continue
		}
		run := r.run(s.t)
		run.firstCC, run.lastCC = s.firstCC, s.lastCC
		r.framed(s)
		if run.samples == 0 {
			r.complain("ts.stream_empty", pid)
		}
		r.look(s, run)
		if n := adtsFrames(s.tail); s.stream == 0x0f && n > 0 && s.t.rate > 0 {
			d := int64(n) * 1024 * 90000 / int64(s.t.rate)
			run.end, run.maxPTS = run.end+d, run.maxPTS+d
		} else if run.samples > 1 { // the last one lasts as long as the others
			d := (run.end - run.first) / int64(run.samples-1)
			run.end, run.maxPTS, run.rough = run.end+d, run.maxPTS+d, s.t.kind == "audio"
		}
	}
}

// look reads what the first access unit is.
func (r *tsReader) look(s *tsPID, run *run) {
	r.typeWrong(s)
	switch s.stream {
	case 0x1b, 0x24:
		hevc, delimited := s.stream == 0x24, false
		annexB(s.pes, func(nal []byte) bool {
			if len(nal) == 0 {
				return false
			}
			if !hevc && nal[0]&31 == 7 && len(nal) > 4 {
				s.t.codec = fmt.Sprintf("avc1.%02X%02X%02X", nal[1], nal[2], nal[3])
				s.t.picture(avcSPS(nal))
			} else if hevc && nal[0]>>1&63 == 33 {
				s.t.codec = "hvc1"
				s.t.picture(hevcSPS(nal))
			}
			delimited = delimited || !hevc && nal[0]&31 == 9 || hevc && nal[0]>>1&63 == 35
			random, slice := sliceKind(nal[0], hevc)
			if slice {
				run.random, run.known = random, true
			}
			if slice && random && s.t.codec == "" {
				r.complain("ts.parameter_sets", s.t.id)
			}
			if slice && !delimited {
				r.complain("ts.delimiter_missing", s.t.id)
			}
			return slice
		})
	case 0x0f:
		s.t.adts(s.pes)
	case 0x81:
		s.t.codec = "ac-3"
	case 0x87:
		s.t.codec = "ec-3"
	case 0x03, 0x04:
		s.t.codec = "mp4a.40.34"
	}
}

// adts reads the header of an AAC frame (ISO/IEC 14496-3 clause 1.A.2.2).
func (t *track) adts(b []byte) {
	if len(b) < 7 || b[0] != 0xff || b[1]&0xf6 != 0xf0 {
		return
	}
	rates := []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350, 0, 0, 0}
	t.codec = fmt.Sprintf("mp4a.40.%d", b[2]>>6+1)
	t.rate = rates[b[2]>>2&15]
	t.channels = int(b[2]&1)<<2 | int(b[3]>>6)
}

// adtsFrames counts whole frames.
func adtsFrames(b []byte) (n int) {
	for len(b) >= 7 && b[0] == 0xff && b[1]&0xf6 == 0xf0 {
		length := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
		if length < 7 || length > len(b) {
			return n
		}
		n++
		b = b[length:]
	}
	return n
}
