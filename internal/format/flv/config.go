package flv

import (
	"bytes"
	"math/bits"

	"weir/internal/codec/hevc"
	"weir/internal/codec/opus"
	"weir/internal/media"
)

const (
	streamInfoSize = 34 // RFC 9639 section 8.2
	vpccSize       = 12 // from the version byte on
)

// readConfig turns the body of a sequence header into a track's Config and the
// size of NAL unit lengths. ok is false for headers that say nothing: empty
// ones, and those of codecs that describe themselves in their frames.
func readConfig(c media.Codec, b []byte) (config []byte, lengthSize int, ok bool) {
	lengthSize = 4
	switch c {
	case media.H264:
		if len(b) < 7 {
			return nil, 4, false
		}
		config = bytes.Clone(b)
		lengthSize = int(b[4]&3) + 1
		config[4] |= 3 // frames are handed on with 4-byte lengths
	case media.HEVC:
		if len(b) < 23 {
			return nil, 4, false
		}
		config = bytes.Clone(b)
		lengthSize = int(b[21]&3) + 1
		config[21] |= 3
	case media.AAC:
		if len(b) < 2 {
			return nil, 4, false
		}
		config = bytes.Clone(b)
	case media.AV1:
		if len(b) < 4 || b[0] != 0x81 {
			return nil, 4, false
		}
		config = bytes.Clone(b)
	case media.VP9:
		config = readVPCC(b)
	case media.Opus:
		config = readOpus(b)
	case media.FLAC:
		config = readFLAC(b)
	}
	return config, lengthSize, len(config) > 0
}

// readVPCC: some senders (FFmpeg) leave out the version and flags of the box.
func readVPCC(b []byte) []byte {
	switch {
	case len(b) >= vpccSize && b[0] == 1 && b[1]|b[2]|b[3] == 0:
		return bytes.Clone(b)
	case len(b) >= vpccSize-4:
		return append([]byte{1, 0, 0, 0}, b...)
	}
	return nil
}

// maxOpusInput is the highest rate of original sound that is believed, Hz.
const maxOpusInput = 768_000

// readOpus takes RFC 7845's OpusHead, or the dOps record of ISO BMFF.
func readOpus(b []byte) []byte {
	if c, err := opus.ParseHead(b); err == nil {
		if in := uint32(c.InputRate); in > maxOpusInput && bits.ReverseBytes32(in) <= maxOpusInput {
			// Publishers made of mediacommon (MediaMTX) write the header in the order of dOps.
			c.InputRate, c.PreSkip = int(bits.ReverseBytes32(in)), int(bits.ReverseBytes16(uint16(c.PreSkip)))
			c.Gain = int(int16(bits.ReverseBytes16(uint16(c.Gain))))
		}
		return opus.Build(c)
	}
	if c, err := opus.Parse(b); err == nil {
		return opus.Build(c)
	}
	return nil
}

// readFLAC takes the bare STREAMINFO block (FFmpeg), or a native stream's start: the marker,
// the block's header and the block.
func readFLAC(b []byte) []byte {
	b = bytes.TrimPrefix(b, []byte("fLaC"))
	if len(b) >= 4+streamInfoSize && b[0]&0x7F == 0 && b[1] == 0 && b[2] == 0 && b[3] == streamInfoSize {
		b = b[4:]
	}
	if len(b) < streamInfoSize {
		return nil
	}
	return bytes.Clone(b[:streamInfoSize])
}

// looksHEVC tells HEVC that is sent under AVC's codec id: its configuration
// record, or a frame whose first NAL unit is a video parameter set.
func looksHEVC(p *packet) bool {
	if p.kind == packetStart {
		if len(p.data) > 8 && p.data[8]&0x1F == 7 && p.data[5]&0x1F == 1 { // an SPS where avcC has it
			return false
		}
		c, err := hevc.ParseConfig(p.data)
		return err == nil && len(c.SPS) > 0
	}
	// 0x40 0x01 begins a VPS of layer 0 (H.265 7.3.1.2); in H.264 it would be a NAL unit of type 0.
	return len(p.data) > 6 && p.data[4] == 0x40 && p.data[5] == 0x01
}

// writeConfig is the body of a track's sequence header, nil for codecs that have none.
func writeConfig(t *media.Track) []byte {
	switch t.Codec {
	case media.Opus:
		c, err := opus.Parse(t.Config)
		if err != nil {
			c = opus.New(max(t.Channels, 1))
		}
		return opus.BuildHead(c)
	case media.H264, media.HEVC, media.AV1, media.VP9, media.AAC, media.FLAC:
		return t.Config
	}
	return nil
}
