package mpegts

import (
	"encoding/binary"
	"slices"

	"weir/internal/media"
)

const maxSection = 4096 // 13818-1 2.4.4.11: private sections; PAT and PMT end at 1024

// table collects the sections of a PID (13818-1 2.4.4.1).
type table struct {
	count counter
	buf   []byte
	on    bool // buf begins at a section
}

func (t *table) reset() { t.buf, t.on = t.buf[:0], false }

// add takes the payload of one packet.
func (t *table) add(d *Demuxer, pid uint16, b []byte, start bool) error {
	if start {
		pointer := int(b[0])
		if pointer >= len(b) {
			t.reset()
			return nil
		}
		if t.on {
			t.buf = append(t.buf, b[1:1+pointer]...)
			if err := t.sections(d, pid); err != nil {
				return err
			}
		}
		b = b[1+pointer:]
		t.buf, t.on = t.buf[:0], true
	}
	if !t.on {
		return nil
	}
	t.buf = append(t.buf, b...)
	return t.sections(d, pid)
}

// sections handles all whole sections collected.
func (t *table) sections(d *Demuxer, pid uint16) error {
	for len(t.buf) >= 3 && t.buf[0] != 0xFF {
		n := 3 + int(binary.BigEndian.Uint16(t.buf[1:])&0xFFF)
		if n > maxSection {
			t.reset()
			return nil
		}
		if len(t.buf) < n {
			return nil
		}
		if err := d.section(pid, t.buf[:n]); err != nil {
			return err
		}
		t.buf = t.buf[:copy(t.buf, t.buf[n:])]
	}
	if len(t.buf) > 0 && t.buf[0] == 0xFF {
		t.reset() // stuffing up to the packet's end
	}
	return nil
}

func (d *Demuxer) section(pid uint16, b []byte) error {
	if b[1]&0x80 == 0 || len(b) < 12 {
		return nil // none of ours
	}
	if crc32(b) != 0 {
		d.stats.Checksums++
		return nil
	}
	if b[5]&1 == 0 {
		return nil // not valid yet
	}
	body := b[8 : len(b)-4]
	switch {
	case pid == 0 && b[0] == 0:
		d.association(body)
	case pid == d.pmt && b[0] == 2 && binary.BigEndian.Uint16(b[3:]) == d.program:
		// Not the version tells a change, but the content: streams that were joined end to
		// end often have the same version.
		sum := binary.BigEndian.Uint32(b[len(b)-4:])
		if d.mapped && sum == d.mapSum {
			return nil
		}
		d.mapped, d.mapSum = true, sum
		return d.programMap(body)
	}
	return nil
}

// association takes the first program, and stays with it as long as it is listed.
func (d *Demuxer) association(b []byte) {
	program, pid := uint16(0), uint16(0)
	for ; len(b) >= 4; b = b[4:] {
		n, p := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])&0x1FFF
		if n != 0 && p > 1 && p < nullPID && (program == 0 || n == d.program) {
			program, pid = n, p
		}
	}
	if program == 0 || program == d.program && pid == d.pmt {
		return
	}
	if d.pmt != 0 {
		delete(d.tables, d.pmt)
	}
	d.program, d.pmt, d.mapped = program, pid, false
	d.tables[pid] = &table{}
}

// programMap follows the elementary streams of the program (13818-1 2.4.4.8). Streams that
// stay what they were go on undisturbed.
func (d *Demuxer) programMap(b []byte) error {
	if len(b) < 4 {
		return nil
	}
	skip := 4 + int(binary.BigEndian.Uint16(b[2:])&0xFFF)
	if skip > len(b) {
		return nil
	}
	old := d.streams
	d.streams, d.order, d.stats.Ignored = map[uint16]*stream{}, d.order[:0], d.stats.Ignored[:0]
	for b = b[skip:]; len(b) >= 5 && len(d.streams)+len(d.stats.Ignored) < maxPIDs; {
		typ, pid := b[0], binary.BigEndian.Uint16(b[1:])&0x1FFF
		n := 5 + int(binary.BigEndian.Uint16(b[3:])&0xFFF)
		if n > len(b) {
			break
		}
		t := trackOf(typ, pid, b[5:n])
		b = b[n:]
		if t.Codec == media.UnknownCodec {
			d.stats.Ignored = append(d.stats.Ignored, Ignored{pid, typ})
			continue
		}
		if d.streams[pid] != nil || pid == d.pmt || pid == 0 {
			continue
		}
		if was := old[pid]; was != nil && was.track.Codec == t.Codec {
			d.streams[pid] = was
		} else {
			d.streams[pid] = newStream(d, t)
		}
		d.order = append(d.order, pid)
	}
	for pid, s := range old {
		if d.streams[pid] != s {
			if err := s.end(); err != nil {
				return err
			}
			if err := s.last(); err != nil {
				return err
			}
		}
	}
	return d.tracks.changed()
}

// trackOf says what an elementary stream is, by its type and descriptors.
func trackOf(typ byte, pid uint16, descriptors []byte) media.Track {
	t := media.Track{ID: media.TrackID(pid)}
	switch typ {
	case typeH264:
		t.Codec = media.H264
	case typeHEVC:
		t.Codec = media.HEVC
	case typeADTS:
		t.Codec = media.AAC
	case typeMPEG1Audio, typeMPEG2Audio:
		t.Codec = media.MP3
	case typeAC3:
		t.Codec = media.AC3
	case typeEAC3:
		t.Codec = media.EAC3
	}
	for d := descriptors; len(d) >= 2; {
		n := 2 + int(d[1])
		if n > len(d) {
			break
		}
		describe(&t, typ, d[0], d[2:n])
		d = d[n:]
	}
	t.Kind = t.Codec.Kind()
	if t.Kind == media.Video {
		t.TimeScale = clock
	}
	return t
}

// describe reads one descriptor. Private streams (DVB's AC-3, Opus) are known by them only.
func describe(t *media.Track, typ, tag byte, body []byte) {
	private := typ == typePrivate
	switch {
	case tag == tagLanguage && len(body) >= 3:
		t.Language = string(body[:3])
		if slices.ContainsFunc(body[:3], func(c byte) bool { return c < 'a' || c > 'z' }) || t.Language == "und" {
			t.Language = ""
		}
	case private && tag == tagAC3:
		t.Codec = media.AC3
	case private && tag == tagEAC3:
		t.Codec = media.EAC3
	case private && tag == tagRegistration && len(body) >= 4:
		switch string(body[:4]) {
		case "Opus":
			t.Codec = media.Opus
		case "HEVC":
			t.Codec = media.HEVC
		case "AC-3":
			t.Codec = media.AC3
		case "EAC3":
			t.Codec = media.EAC3
		}
	case private && tag == tagExtension && len(body) >= 2 && body[0] == extOpus:
		if t.Channels = int(body[1]); t.Channels == 0 || t.Channels > 8 {
			t.Channels = 2 // 0: dual mono; above 8: mappings of their own
		}
	}
}
