package mpegts

import (
	"weir/internal/bits"
	"weir/internal/codec"
	"weir/internal/codec/aac"
	"weir/internal/media"
)

const (
	pmtPID    = 0x1000
	firstPID  = 0x100
	maxTracks = 16

	// Decoding is this far behind the program clock: how late a frame of another track
	// may come in the multiplex (13818-1 2.4.2.6 allows a second).
	pcrLead = clock * 3 / 10
	// Tables and clock references are due after this; at most 500 ms (DVB) and 100 ms
	// (13818-1 2.7.2) may lie between them, and a frame may come late.
	tableEvery = clock * 4 / 10
	pcrEvery   = clock * 6 / 100
)

// Muxer writes a transport stream with one program, one PES packet per frame, in arrival
// order. Times count from origin, one second ahead, so that they are the same for all who
// read a stream. It belongs to one goroutine; what it returns is shared and never changed.
type Muxer struct {
	origin  int64 // epoch ms
	tracks  []muxTrack
	pcr     int // index of the track whose PID carries the clock
	version byte
	counts  map[uint16]byte // continuity counters
	begun   bool
	tables  int64 // when the tables were last written
	clocked int64 // when the clock was last written
	until   int64 // the clock stays before it; 0: no end is known
	pes     []byte
}

type muxTrack struct {
	media.Track
	kind
	pid  uint16
	aac  *aac.Config
	sets [][]byte // parameter sets
}

// NewMuxer returns a muxer whose times count from origin, epoch milliseconds.
func NewMuxer(origin int64) *Muxer {
	return &Muxer{origin: origin, counts: make(map[uint16]byte)}
}

// Start sets the tracks, at first and at each change. Tracks that cannot be carried are an
// error; ask Supports first.
func (m *Muxer) Start(tracks []media.Track) error {
	list := make([]muxTrack, 0, len(tracks))
	pcr := -1
	for i := range tracks[:min(len(tracks), maxTracks)] {
		t := tracks[i]
		if err := Supports(&t); err != nil {
			return err
		}
		k, _ := kindOf(&t)
		mt := muxTrack{Track: t, kind: k, pid: firstPID + uint16(i), sets: codec.ParameterSets(&t)}
		if t.Codec == media.AAC {
			c, err := aac.Parse(t.Config)
			if err != nil {
				return err
			}
			mt.aac = c
		}
		if pcr < 0 && t.Kind == media.Video {
			pcr = i
		}
		list = append(list, mt)
	}
	if m.tracks != nil {
		m.version = (m.version + 1) & 31
	}
	m.tracks, m.pcr, m.begun = list, max(pcr, 0), false
	return nil
}

// Until keeps the clock before the end of f, where what is made apart from this goes on: frames of other tracks may be
// later than that, as sound is where pictures are decoded ahead of their time.
func (m *Muxer) Until(f *media.Frame) {
	for i := range m.tracks {
		if t := &m.tracks[i]; t.ID == f.Track {
			m.until = m.ticks(t, f.DTS+f.Duration)
		}
	}
}

// Header is the program tables for a reader who joins between two of their regular
// places, as with audio alone: before every key frame of video they come by themselves.
func (m *Muxer) Header() []byte { return m.appendTables(nil, true) }

// AppendFrame appends the packets of a frame to dst, after program tables and clock where
// they are due. Frames of tracks that Start was not given are left out.
func (m *Muxer) AppendFrame(dst [][]byte, f *media.Frame) [][]byte {
	var t *muxTrack
	index := 0
	for i := range m.tracks {
		if m.tracks[i].ID == f.Track {
			t, index = &m.tracks[i], i
		}
	}
	if t == nil {
		return dst
	}
	dts := m.ticks(t, f.DTS)
	pts := dts + media.Rescale(f.PTS-f.DTS, t.TimeScale, clock)
	m.pes = t.appendPES(m.pes[:0], f, pts, dts)

	tables := !m.begun || f.Key && t.Kind == media.Video || dts-m.tables >= tableEvery
	out := make([]byte, 0, (len(m.pes)/(packetSize-18)+6)*packetSize)
	if tables {
		out = m.appendTables(out, false)
		m.tables, m.begun = dts, true
		m.clocked = dts - pcrEvery
	}
	head := adaptation{key: f.Key, pcr: -1}
	switch due := dts-m.clocked >= pcrEvery; {
	case index == m.pcr && (due || t.Kind == media.Video && dts > m.clocked):
		head.pcr = dts - pcrLead
		m.clocked = dts
	case due && index != m.pcr && (m.until == 0 || m.clocked+pcrEvery < m.until):
		// The track that carries the clock has less than 16 frames a second, or is behind.
		m.clocked += pcrEvery
		if dts-m.clocked > clock && (m.until == 0 || dts < m.until) {
			m.clocked = dts
		}
		clocked := &m.tracks[m.pcr]
		out = appendClock(out, clocked.pid, m.counts[clocked.pid], m.clocked-pcrLead)
	}
	out = m.appendPackets(out, t.pid, m.pes, head)
	return append(dst, out)
}

func (m *Muxer) ticks(t *muxTrack, at int64) int64 {
	return media.Rescale(at, t.TimeScale, clock) - m.origin*(clock/1000) + clock
}

// appendPES writes the PES packet of a frame (13818-1 2.4.3.6).
func (t *muxTrack) appendPES(b []byte, f *media.Frame, pts, dts int64) []byte {
	b = append(b, 0, 0, 1, t.id, 0, 0, 0x84, 0x80, 5) // data_alignment_indicator
	if pts != dts {
		b[7], b[8] = 0xC0, 10
		b = appendTime(b, 3, pts)
		b = appendTime(b, 1, dts)
	} else {
		b = appendTime(b, 2, pts)
	}
	b = t.appendPayload(b, f)
	if n := len(b) - 6; n <= 0xFFFF {
		b[4], b[5] = byte(n>>8), byte(n)
	}
	return b
}

func appendTime(b []byte, prefix byte, v int64) []byte {
	v &= wrap - 1
	return append(b, prefix<<4|byte(v>>29)&0xE|1, byte(v>>22), byte(v>>14)|1, byte(v>>7), byte(v<<1)|1)
}

func (t *muxTrack) appendPayload(b []byte, f *media.Frame) []byte {
	switch t.Codec {
	case media.H264:
		b = append(b, 0, 0, 0, 1, 9, 0xF0) // access unit delimiter: every TS access unit has one
		return t.appendVideo(b, f, 7, 0x1F, 0)
	case media.HEVC:
		b = append(b, 0, 0, 0, 1, 35<<1, 1, 0x50)
		return t.appendVideo(b, f, 33, 0x3F, 1)
	case media.AAC:
		// Frames that ADTS cannot frame (over 8 KB) cannot be sent.
		with, err := aac.AppendADTS(b, t.aac, len(f.Data))
		if err != nil {
			return b
		}
		b = with
	case media.Opus:
		// Control header of one access unit: prefix, no trims, no extension, its size.
		b = append(b, 0x7F, 0xE0)
		n := len(f.Data)
		for ; n >= 0xFF; n -= 0xFF {
			b = append(b, 0xFF)
		}
		b = append(b, byte(n))
	}
	return append(b, f.Data...)
}

// appendVideo writes a sample as an Annex B byte stream, on key frames with the parameter
// sets in front unless they are in it. set is the NAL unit type of an SPS.
func (t *muxTrack) appendVideo(b []byte, f *media.Frame, set, mask byte, shift uint) []byte {
	if f.Key {
		inside := false
		for nal := range bits.Units(f.Data) {
			inside = inside || nal[0]>>shift&mask == set
		}
		for i := 0; i < len(t.sets) && !inside; i++ {
			b = append(b, 0, 0, 0, 1)
			b = append(b, t.sets[i]...)
		}
	}
	return bits.AppendAnnexB(b, f.Data)
}
