// Package flac reads what describes a FLAC stream: STREAMINFO and the frame header
// (RFC 9639 8.2, 9.1). What belongs here: facts read from bytes. What does not:
// decoding audio, other metadata, and any container.
package flac

import (
	"errors"

	"weir/internal/bits"
	"weir/internal/fault"
)

// CodecString is the CODECS parameter: the registered sample entry code, which Chromium's Media Source takes too.
const CodecString = "fLaC"

// StreamInfoSize is the size of a STREAMINFO block without its header.
const StreamInfoSize = 34

// StreamInfo is what STREAMINFO says.
type StreamInfo struct {
	MinBlock, MaxBlock int // samples
	MinFrame, MaxFrame int // bytes, 0 = unknown
	SampleRate         int
	Channels           int
	BitDepth           int
	Samples            uint64 // of the whole stream, 0 = unknown
	MD5                [16]byte
}

func bad(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "flac_bad",
		"The FLAC stream description cannot be read.", "Restart the encoder; if it stays, the encoder or the file is broken.")
}

// Parse reads a STREAMINFO block without its header.
func Parse(b []byte) (*StreamInfo, error) {
	if len(b) < StreamInfoSize {
		return nil, bad("cut short")
	}
	r := bits.NewReader(b)
	s := &StreamInfo{
		MinBlock: int(r.U(16)), MaxBlock: int(r.U(16)), MinFrame: int(r.U(24)), MaxFrame: int(r.U(24)),
		SampleRate: int(r.U(20)), Channels: int(r.U(3)) + 1, BitDepth: int(r.U(5)) + 1, Samples: r.U64(36),
		MD5: [16]byte(b[18:]),
	}
	if s.SampleRate == 0 || s.MaxBlock < 16 || s.MinBlock > s.MaxBlock || s.BitDepth < 4 {
		return nil, bad("a value out of range")
	}
	return s, nil
}

// Build writes a STREAMINFO block without its header.
func Build(s *StreamInfo) []byte {
	var w bits.Writer
	w.U(16, uint32(s.MinBlock))
	w.U(16, uint32(s.MaxBlock))
	w.U(24, uint32(s.MinFrame))
	w.U(24, uint32(s.MaxFrame))
	w.U(20, uint32(s.SampleRate))
	w.U(3, uint32(s.Channels-1))
	w.U(5, uint32(s.BitDepth-1))
	w.U(4, uint32(s.Samples>>32))
	w.U(32, uint32(s.Samples))
	w.Append(s.MD5[:]...)
	return w.Bytes()
}

// Frame is a frame header. A rate or depth of 0 means that STREAMINFO has it.
type Frame struct {
	Block      int // samples
	SampleRate int
	Channels   int
	BitDepth   int
}

// ParseFrame reads the header of a frame.
func ParseFrame(b []byte) (Frame, error) {
	r := bits.NewReader(b)
	if r.U(15) != 0x7FFC { // sync code and the reserved 0
		return Frame{}, bad("no sync code")
	}
	r.Flag() // variable block size
	block, rate, channels, depth := r.U(4), r.U(4), r.U(4), r.U(3)
	if block == 0 || rate == 15 || channels > 10 || r.Flag() {
		return Frame{}, bad("reserved value")
	}
	f := Frame{Channels: int(channels) + 1, BitDepth: [...]int{0, 8, 12, 0, 16, 20, 24, 32}[depth]}
	if channels > 7 {
		f.Channels = 2 // left-side, right-side, mid-side
	}
	if !skipNumber(&r) {
		return Frame{}, bad("broken frame number")
	}
	f.Block = blockSize(&r, block)
	f.SampleRate = sampleRate(&r, rate)
	if !r.OK() {
		return Frame{}, bad("cut short")
	}
	return f, nil
}

// skipNumber passes over the coded frame or sample number (9.1.5), 1 to 7 bytes.
func skipNumber(r *bits.Reader) bool {
	first := r.U(8)
	if first < 0x80 {
		return true
	}
	if first < 0xC0 || first == 0xFF {
		return false
	}
	for mask := uint32(0x40); first&mask != 0; mask >>= 1 {
		if r.U(8)&0xC0 != 0x80 {
			return false
		}
	}
	return true
}

// blockSize is table 14 of RFC 9639.
func blockSize(r *bits.Reader, code uint32) int {
	switch {
	case code == 1:
		return 192
	case code <= 5:
		return 144 << code
	case code == 6:
		return int(r.U(8)) + 1
	case code == 7:
		return int(r.U(16)) + 1
	default:
		return 1 << code
	}
}

// sampleRate is table 15 of RFC 9639.
func sampleRate(r *bits.Reader, code uint32) int {
	switch code {
	case 12:
		return int(r.U(8)) * 1000
	case 13:
		return int(r.U(16))
	case 14:
		return int(r.U(16)) * 10
	}
	return [...]int{0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}[code]
}

// FromFrame describes a stream by its first frame, nil when the header leaves rate or depth open or
// its block has a size that STREAMINFO cannot hold.
func FromFrame(f Frame) *StreamInfo {
	if f.SampleRate == 0 || f.BitDepth == 0 || f.Block < 16 || f.Block > 65535 {
		return nil
	}
	return &StreamInfo{MinBlock: f.Block, MaxBlock: f.Block, SampleRate: f.SampleRate, Channels: f.Channels, BitDepth: f.BitDepth}
}

// Update gives the STREAMINFO that a frame asks for, nil when the given one fits it or the frame does not tell enough.
func Update(config, sample []byte) []byte {
	f, err := ParseFrame(sample)
	if err != nil {
		return nil
	}
	s := FromFrame(f)
	if s == nil {
		return nil
	}
	if old, err := Parse(config); err == nil && old.SampleRate == s.SampleRate && old.Channels == s.Channels &&
		old.BitDepth == s.BitDepth && s.MaxBlock <= old.MaxBlock {
		return nil
	}
	return Build(s)
}

// Silent reports digital silence: a frame has room for nothing but headers and constant subframes (RFC 9639 9.2.3).
func Silent(frame []byte, channels int) bool { return len(frame) <= 9+5*max(channels, 1) }
