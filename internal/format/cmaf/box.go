// Package cmaf turns tracks and frames into CMAF (ISO/IEC 23000-19) and back: the
// header (ftyp and moov), chunks (styp, prft, moof, mdat), and a live fragmented
// stream of several tracks. What belongs here: bytes of ISO BMFF boxes (ISO/IEC
// 14496-12). What does not: when to cut a segment, names, files, progressive MP4.
package cmaf

import "encoding/binary"

// writer appends boxes to b. It is used by value on the stack so that building a
// chunk allocates nothing but the chunk.
type writer struct{ b []byte }

// open begins a box and returns what close needs.
func (w *writer) open(kind string) int {
	at := len(w.b)
	w.b = append(w.b, 0, 0, 0, 0, kind[0], kind[1], kind[2], kind[3])
	return at
}

// openFull begins a full box (ISO/IEC 14496-12 4.2).
func (w *writer) openFull(kind string, version byte, flags uint32) int {
	at := w.open(kind)
	w.u32(uint32(version)<<24 | flags)
	return at
}

func (w *writer) close(at int) {
	binary.BigEndian.PutUint32(w.b[at:], uint32(len(w.b)-at))
}

func (w *writer) u8(v ...byte)           { w.b = append(w.b, v...) }
func (w *writer) u16(v uint16)           { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32)           { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *writer) u64(v uint64)           { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *writer) raw(v []byte)           { w.b = append(w.b, v...) }
func (w *writer) str(v string)           { w.b = append(w.b, v...) }
func (w *writer) put32(at int, v uint32) { binary.BigEndian.PutUint32(w.b[at:], v) }

func (w *writer) zero(n int) {
	for range n {
		w.b = append(w.b, 0)
	}
}

// box writes a whole box with a payload that exists already.
func (w *writer) box(kind string, payload []byte) {
	at := w.open(kind)
	w.raw(payload)
	w.close(at)
}

// matrix is the unity matrix of mvhd and tkhd.
func (w *writer) matrix() {
	for _, v := range [...]uint32{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000} {
		w.u32(v)
	}
}
