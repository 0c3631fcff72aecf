package lint

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// find returns the place of the nth box of a kind, wherever it stands.
func findBox(t testing.TB, data []byte, kind string, nth int) int {
	t.Helper()
	at := 0
	for range nth + 1 {
		i := bytes.Index(data[at:], []byte(kind))
		if i < 0 {
			t.Fatalf("there is no %s", kind)
		}
		at += i + 4
	}
	return at - 8
}

func add32(b []byte, at int, by int32) {
	binary.BigEndian.PutUint32(b[at:], uint32(int32(binary.BigEndian.Uint32(b[at:]))+by)) //nolint:gosec // a test's arithmetic
}

// patch is a fault planted into a copy of bytes.
type patch struct {
	rule string
	do   func(b []byte) []byte
	also []string
}

func rename(t *testing.T, from, to string) func([]byte) []byte {
	return func(b []byte) []byte {
		copy(b[findBox(t, b, from, 0)+4:], to)
		return b
	}
}

func rules(list []problem) (ids []string) {
	for _, p := range list {
		ids = append(ids, p.rule)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func TestInitSegmentFaults(t *testing.T) {
	init := hlsFMP4(t)["/init.mp4"]
	if got := rules(parseInit(init).problems); len(got) > 0 {
		t.Fatalf("the good init segment has %v", got)
	}
	for _, p := range []patch{
		{"mp4.box_broken", func(b []byte) []byte { return b[:len(b)-10] }, []string{"mp4.trex_missing", "mp4.mvex_missing"}},
		{"mp4.init_order", rename(t, "ftyp", "styp"), nil},
		{"mp4.moov_missing", rename(t, "moov", "free"), nil},
		{"mp4.tracks_missing", func(b []byte) []byte { return rename(t, "trak", "free")(rename(t, "trak", "free")(b)) }, nil},
		{"mp4.track_id", func(b []byte) []byte { binary.BigEndian.PutUint32(b[findBox(t, b, "tkhd", 1)+20:], 1); return b }, nil},
		{"mp4.timescale_zero", func(b []byte) []byte { binary.BigEndian.PutUint32(b[findBox(t, b, "mdhd", 0)+20:], 0); return b }, nil},
		{"mp4.parameter_sets", func(b []byte) []byte { b[findBox(t, b, "avcC", 0)+8+5] &^= 31; return b }, nil},
		{"mp4.entry_wrong", func(b []byte) []byte { add32(b, findBox(t, b, "avc1", 0)+8+24, 2); return b }, nil},
		{"mp4.entry_wrong", func(b []byte) []byte {
			binary.BigEndian.PutUint16(b[findBox(t, b, "mp4a", 0)+8+24:], 44100)
			return b
		}, nil},
		{"mp4.init_samples", func(b []byte) []byte { binary.BigEndian.PutUint32(b[findBox(t, b, "stts", 0)+12:], 1); return b }, nil},
		{"mp4.mvex_missing", rename(t, "mvex", "free"), nil},
		{"mp4.trex_missing", rename(t, "trex", "free"), nil},
	} {
		t.Run(p.rule, func(t *testing.T) {
			exactly(t, rules(parseInit(p.do(slices.Clone(init))).problems), nil, p.rule, p.also...)
		})
	}
}

func TestFragmentFaults(t *testing.T) {
	s := hlsFMP4(t)
	init, seg := parseInit(s["/init.mp4"]), s["/v1.m4s"]
	if got := rules(parseFragments(seg, init).problems); len(got) > 0 {
		t.Fatalf("the good segment has %v", got)
	}
	tfhd := func(b []byte) int { return findBox(t, b, "tfhd", 0) }
	trun := func(b []byte) int { return findBox(t, b, "trun", 0) }
	for _, p := range []patch{
		{"mp4.box_broken", func(b []byte) []byte { return b[:len(b)-100] }, []string{"mp4.sample_range", "mp4.data_offset", "mp4.nal_broken"}},
		{"mp4.order", func(b []byte) []byte {
			return append(append([]byte{0, 0, 0, 9}, "mdat\x00"...), b...)
		}, nil},
		{"mp4.order", rename(t, "mfhd", "free"), nil},
		{"mp4.moof_missing", rename(t, "moof", "free"), []string{"mp4.order"}},
		{"mp4.mdat_missing", rename(t, "mdat", "free"), []string{"mp4.moof_missing"}},
		{"mp4.traf_missing", func(b []byte) []byte { return rename(t, "traf", "free")(rename(t, "traf", "free")(b)) }, nil},
		{"mp4.track_unknown", func(b []byte) []byte { binary.BigEndian.PutUint32(b[tfhd(b)+12:], 9); return b }, nil},
		{"mp4.track_twice", func(b []byte) []byte {
			second := findBox(t, b, "tfhd", 1)
			copy(b[second+12:second+16], b[tfhd(b)+12:tfhd(b)+16])
			return b
		}, []string{"mp4.chunk_gap", "mp4.nal_broken", "mp4.pts_twice", "mp4.sync_flag"}},
		{"mp4.base_offset", func(b []byte) []byte { b[tfhd(b)+11] |= 1; return b }, []string{"mp4.data_offset", "mp4.box_broken", "mp4.nal_broken", "mp4.duration_zero", "mp4.sync_flag", "mp4.base_is_moof"}},
		{"mp4.base_is_moof", func(b []byte) []byte { b[tfhd(b)+9] &^= 2; return b }, nil},
		{"mp4.tfdt_missing", rename(t, "tfdt", "free"), nil},
		{"mp4.data_offset", func(b []byte) []byte { add32(b, trun(b)+16, -500); return b }, nil},
		{"mp4.sample_range", func(b []byte) []byte {
			at := findBox(t, b, "trun", 1)
			add32(b, at+20+4*(fieldsBefore(b, at)), 1<<20)
			return b
		}, nil},
		{"mp4.mdat_unused", func(b []byte) []byte {
			add32(b, findBox(t, b, "mdat", 0), 5)
			return append(b, 1, 2, 3, 4, 5)
		}, nil},
		{"mp4.nal_broken", func(b []byte) []byte { b[findBox(t, b, "mdat", 0)+8] = 0x7f; return b }, nil},
		{"mp4.sync_flag", func(b []byte) []byte { breakKey(t, b); return b }, nil},
		{"mp4.sequence", func(b []byte) []byte { return append(slices.Clone(b), b...) }, []string{"mp4.chunk_gap", "mp4.pts_twice", "mp4.order"}},
		{"mp4.chunk_gap", func(b []byte) []byte {
			two := append(slices.Clone(b), b...)
			add32(two, findBox(t, two, "mfhd", 1)+12, 1)
			add32(two, findBox(t, two, "tfdt", 2)+16, 1<<20)
			return two
		}, []string{"mp4.pts_twice"}},
		{"mp4.pts_twice", func(b []byte) []byte { return append(slices.Clone(b), b...) }, []string{"mp4.chunk_gap", "mp4.sequence"}},
		{"mp4.duration_zero", func(b []byte) []byte { binary.BigEndian.PutUint32(b[tfhd(b)+16:], 0); return b }, nil},
		{"mp4.audio_sync", func(b []byte) []byte { b[findBox(t, b, "tfhd", 1)+8+4+4+4+4+1] |= 1; return b }, nil},
	} {
		t.Run(p.rule, func(t *testing.T) {
			exactly(t, rules(parseFragments(p.do(slices.Clone(seg)), init).problems), nil, p.rule, p.also...)
		})
	}
}

// fieldsBefore is how many fields of a trun entry stand before the size.
func fieldsBefore(b []byte, trun int) int {
	if binary.BigEndian.Uint32(b[trun+8:])&0x100 != 0 {
		return 1
	}
	return 0
}

// breakKey makes the first picture of a segment one that decoding cannot start at.
func breakKey(t *testing.T, b []byte) {
	t.Helper()
	at := findBox(t, b, "mdat", 0) + 8
	for at+5 < len(b) {
		n := int(binary.BigEndian.Uint32(b[at:]))
		if b[at+4]&31 == 5 {
			b[at+4] = b[at+4]&^31 | 1
			return
		}
		at += 4 + n
	}
	t.Fatal("there is no IDR picture")
}

func TestTransportStreamFaults(t *testing.T) {
	seg := hlsTS(t)["/v1.ts"]
	if got := rules(parseTS(seg).problems); len(got) > 0 {
		t.Fatalf("the good segment has %v", got)
	}
	for _, p := range tsPatches(t) {
		t.Run(p.rule, func(t *testing.T) {
			exactly(t, rules(parseTS(p.do(slices.Clone(seg))).problems), nil, p.rule, p.also...)
		})
	}
}

// packets calls f for the packets of a PID.
func packets(b []byte, pid int, f func(p []byte) (more bool)) {
	for ; len(b) >= 188; b = b[188:] {
		if int(b[1]&31)<<8|int(b[2]) == pid && !f(b[:188]) {
			return
		}
	}
}

// pesStart is the PES header in a packet that starts one.
func pesStart(p []byte) []byte {
	if p[1]&0x40 == 0 {
		return nil
	}
	b := p[4:]
	if p[3]&0x20 != 0 {
		b = b[1+b[0]:]
	}
	return b
}

func nthPES(b []byte, pid, n int, f func(pes []byte)) {
	packets(b, pid, func(p []byte) bool {
		if h := pesStart(p); h != nil {
			if n == 0 {
				f(h)
				return false
			}
			n--
		}
		return true
	})
}

func tsPatches(t *testing.T) []patch {
	const video, audio = 256, 257
	without := func(pid int) func([]byte) []byte {
		return func(b []byte) (out []byte) {
			for ; len(b) >= 188; b = b[188:] {
				if int(b[1]&31)<<8|int(b[2]) != pid {
					out = append(out, b[:188]...)
				}
			}
			return out
		}
	}
	return []patch{
		{"ts.packet", func(b []byte) []byte { return b[:len(b)-7] }, nil},
		{"ts.packet", func(b []byte) []byte { b[188*20] = 0; return b }, []string{"ts.stream_empty"}},
		{"ts.table_missing", without(0), nil},
		{"ts.table_missing", without(4096), nil},
		{"ts.tables_late", func(b []byte) []byte {
			return slices.Concat(b[188*3:188*8], b[:188*3], b[188*8:])
		}, []string{"ts.continuity", "ts.stream_empty", "ts.pcr_late", "ts.pcr_missing", "ts.pcr_back"}},
		{"ts.table", func(b []byte) []byte { packets(b, 0, func(p []byte) bool { p[5] = 7; return true }); return b }, []string{"ts.table_missing", "ts.crc"}},
		{"ts.crc", func(b []byte) []byte {
			packets(b, 4096, func(p []byte) bool { p[8+int(p[7])-1] ^= 1; return true })
			return b
		}, nil},
		{"ts.programs", func(b []byte) []byte {
			packets(b, 0, func(p []byte) bool { p[13], p[14] = 0, 0; return true })
			return b
		}, []string{"ts.table_missing", "ts.crc"}},
		{"ts.continuity", func(b []byte) []byte { return slices.Concat(b[:188*12], b[188*13:]) }, []string{"ts.pes"}},
		{"ts.pcr_missing", func(b []byte) []byte {
			packets(b, video, func(p []byte) bool {
				if p[3]&0x20 != 0 && p[4] > 0 {
					p[5] &^= 0x10
				}
				return true
			})
			return b
		}, nil},
		{"ts.pcr_rare", func(b []byte) []byte {
			n := 0
			packets(b, video, func(p []byte) bool {
				if p[3]&0x20 != 0 && p[4] > 0 && p[5]&0x10 != 0 {
					if n++; n > 1 && n < 9 {
						p[5] &^= 0x10
					}
				}
				return true
			})
			return b
		}, nil},
		{"ts.pcr_back", func(b []byte) []byte {
			n := 0
			packets(b, video, func(p []byte) bool {
				if p[3]&0x20 != 0 && p[4] > 0 && p[5]&0x10 != 0 {
					if n++; n == 5 {
						add32(p, 6, -90000)
					}
				}
				return true
			})
			return b
		}, []string{"ts.pcr_rare"}},
		{"ts.pcr_late", func(b []byte) []byte {
			packets(b, video, func(p []byte) bool {
				if p[3]&0x20 != 0 && p[4] > 0 && p[5]&0x10 != 0 {
					add32(p, 6, 90000*5)
				}
				return true
			})
			return b
		}, nil},
		{"ts.pes", func(b []byte) []byte { nthPES(b, video, 3, func(p []byte) { p[2] = 9 }); return b }, nil},
		{"ts.pts_missing", func(b []byte) []byte { nthPES(b, video, 0, func(p []byte) { p[7] &^= 0xc0 }); return b }, nil},
		{"ts.pts_before_dts", func(b []byte) []byte {
			nthPES(b, video, 4, func(p []byte) { // a DTS in the room of what stuffing there is
				p[7] |= 0xc0
				p[8] = 10
				copy(p[14:], p[9:14])
				p[17] += 4
			})
			return b
		}, []string{"ts.dts_back"}},
		{"ts.dts_back", func(b []byte) []byte {
			nthPES(b, audio, 2, func(p []byte) { p[10], p[11], p[12] = 0, 1, 0 })
			return b
		}, nil},
		{"ts.stream_empty", without(audio), nil},
	}
}
