package mpegts

import (
	"encoding/binary"

	"weir/internal/media"
)

// adaptation says what the adaptation field of a PES packet's first packet carries.
type adaptation struct {
	key bool
	pcr int64 // base in 90 kHz, -1 = none
}

// appendPackets cuts a PES packet into transport packets (13818-1 2.4.3.2). The last one
// is filled up by its adaptation field.
func (m *Muxer) appendPackets(out []byte, pid uint16, pes []byte, head adaptation) []byte {
	start := byte(0x40)
	for len(pes) > 0 {
		at := len(out)
		cc := m.counts[pid]
		m.counts[pid] = (cc + 1) & 15
		out = append(out, syncByte, start|byte(pid>>8), byte(pid), 0x10|cc)
		if start != 0 {
			out = head.append(out)
		}
		start = 0
		room := packetSize - (len(out) - at)
		if len(pes) < room {
			out = stuff(out, at, room-len(pes))
			room = len(pes)
		}
		if len(out) > at+4 {
			out[at+3] |= 0x20
		}
		out = append(out, pes[:room]...)
		pes = pes[room:]
	}
	return out
}

// append writes the adaptation field, if there is anything to say.
func (a adaptation) append(out []byte) []byte {
	if !a.key && a.pcr < 0 {
		return out
	}
	flags := byte(0)
	if a.key {
		flags |= 0x40 // random_access_indicator
	}
	if a.pcr < 0 {
		return append(out, 1, flags)
	}
	out = append(out, 7, flags|0x10)
	return appendPCR(out, a.pcr)
}

func appendPCR(out []byte, base int64) []byte {
	base &= wrap - 1
	return append(out, byte(base>>25), byte(base>>17), byte(base>>9), byte(base>>1), byte(base<<7)|0x7E, 0)
}

// stuff makes the adaptation field of the packet at out[at:] n bytes longer.
func stuff(out []byte, at, n int) []byte {
	if len(out) == at+4 {
		out = append(out, byte(n-1))
		if n == 1 {
			return out
		}
		out = append(out, 0)
		n -= 2
	} else {
		out[at+4] += byte(n)
	}
	for range n {
		out = append(out, 0xFF)
	}
	return out
}

// appendClock writes a packet that has nothing but the program clock. It does not count:
// the continuity counter is that of the last packet with a payload.
func appendClock(out []byte, pid uint16, next byte, base int64) []byte {
	at := len(out)
	out = append(out, syncByte, byte(pid>>8), byte(pid), 0x20|(next-1)&15, packetSize-5, 0x10)
	out = appendPCR(out, base)
	for len(out) < at+packetSize {
		out = append(out, 0xFF)
	}
	return out
}

// appendTables writes the program association table and the program map table. Apart
// from the regular ones they do not count, and say that the counter jumps.
func (m *Muxer) appendTables(out []byte, apart bool) []byte {
	out = m.appendSection(out, 0, apart, func(b []byte) []byte {
		b = append(b, 0x00, 0xB0, 0, 0, 1, 0xC1, 0, 0)      // transport stream 1, version 0
		return append(b, 0, 1, 0xE0|pmtPID>>8, pmtPID&0xFF) // program 1
	})
	return m.appendSection(out, pmtPID, apart, m.programMap)
}

// appendSection writes one table section into one packet. Weir's tables fit: 16 tracks of
// at most 24 bytes would not, and are cut by programMap.
func (m *Muxer) appendSection(out []byte, pid uint16, apart bool, write func([]byte) []byte) []byte {
	at := len(out)
	cc := m.counts[pid]
	out = append(out, syncByte, 0x40|byte(pid>>8), byte(pid), 0x10|cc)
	if apart {
		out[at+3] |= 0x20
		out = append(out, 1, 0x80) // discontinuity_indicator
	} else {
		m.counts[pid] = (cc + 1) & 15
	}
	out = append(out, 0) // pointer_field
	from := len(out)
	out = write(out)
	n := len(out) - from - 3 + 4
	out[from+1] |= byte(n >> 8)
	out[from+2] = byte(n)
	out = binary.BigEndian.AppendUint32(out, crc32(out[from:]))
	for len(out) < at+packetSize {
		out = append(out, 0xFF)
	}
	return out
}

// programMap writes the PMT section without its CRC (13818-1 2.4.4.8).
func (m *Muxer) programMap(b []byte) []byte {
	pcr := uint16(nullPID)
	if m.pcr < len(m.tracks) {
		pcr = m.tracks[m.pcr].pid
	}
	from := len(b)
	b = append(b, 0x02, 0xB0, 0, 0, 1, 0xC1|m.version<<1, 0, 0, 0xE0|byte(pcr>>8), byte(pcr), 0xF0, 0)
	for i := range m.tracks {
		t := &m.tracks[i]
		at := len(b)
		b = append(b, t.stream, 0xE0|byte(t.pid>>8), byte(t.pid), 0xF0, 0)
		b = t.appendDescriptors(b)
		b[at+4] = byte(len(b) - at - 5)
		if len(b)-from > packetSize-5-2-4 {
			return b[:at] // more than a packet holds
		}
	}
	return b
}

func (t *muxTrack) appendDescriptors(b []byte) []byte {
	if t.register != "" {
		b = append(append(b, tagRegistration, 4), t.register...)
	}
	if t.Codec == media.Opus {
		b = append(b, tagExtension, 2, extOpus, byte(min(max(t.Channels, 1), 8)))
	}
	if len(t.Language) == 3 {
		b = append(append(b, tagLanguage, 4), t.Language...)
		b = append(b, 0)
	}
	return b
}
