package lint

import (
	"bytes"
	"fmt"
)

// sized holds PES_packet_length, which only video may leave open, against what came.
func (r *tsReader) sized(pid int, s *tsPID) {
	if s.want > 0 && s.have != s.want && r.wrongCC == 0 {
		r.complain("ts.pes", pid, fmt.Sprintf("its length says %d bytes, %d came", s.want, s.have))
	}
}

// framed follows the ADTS frames through all PES packets of a PID.
func (r *tsReader) framed(s *tsPID) {
	b := s.frames
	for n := 1; len(b) >= 7 && r.wrongCC == 0; n++ {
		length := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
		if b[0] != 0xff || b[1]&0xf6 != 0xf0 || length < 7 {
			if n > 1 {
				r.complain("ts.adts", s.t.id, n)
			}
			return
		}
		b = b[min(length, len(b)):]
	}
}

// typeWrong holds the stream type of the PMT against how the data start (ISO/IEC 13818-1 clause 2.4.4.10).
func (r *tsReader) typeWrong(s *tsPID) {
	b, is := s.pes, ""
	if len(b) < 8 {
		return
	}
	switch s.stream {
	case 0x1b, 0x24:
		if rest := bytes.TrimLeft(b, "\x00"); len(b)-len(rest) < 2 || !bytes.HasPrefix(rest, []byte{1}) {
			is = "no NAL unit"
			break
		}
		annexB(b, func(nal []byte) bool {
			switch {
			case len(nal) < 2:
			case nal[0] == 9 || nal[0]&31 == 7 && nal[0] > 0x60 && nal[0] < 0x80:
				is = "H.264"
			case (nal[0] == 0x46 || nal[0] == 0x40) && nal[1] == 1:
				is = "HEVC"
			}
			return true
		})
	case 0x0f:
		if is = "no ADTS frame"; b[0] == 0xff && b[1]&0xf6 == 0xf0 {
			is = "AAC"
		}
	case 0x81, 0x87:
		if is = "no AC-3 frame"; b[0] == 0x0b && b[1] == 0x77 {
			return
		}
	}
	said := map[byte]string{0x1b: "H.264", 0x24: "HEVC", 0x0f: "AAC", 0x81: "AC-3", 0x87: "E-AC-3"}[s.stream]
	if is != "" && is != said {
		r.complain("ts.type_wrong", s.t.id, said, is)
	}
}
