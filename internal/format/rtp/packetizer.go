package rtp

import (
	"weir/internal/media"
)

// Packetizer makes the shared RTP packets of one track. The packets of a frame lie in
// one buffer; nothing in them depends on a viewer. It is not safe for concurrent use.
type Packetizer struct {
	track    media.Track
	clock    uint32
	header   Header
	sets     [][]byte // H.264 and HEVC parameter sets, or the AV1 sequence header, sent before each key frame
	split    func(*builder, *media.Frame)
	minSize  int // bytes a packet needs beside its share of the frame, for sizing the buffer
	nalUnits [][]byte
	builder  builder
}

// NewPacketizer returns a packetizer for the track. ssrc and payloadType are placeholders by which
// a reader of the shared packets tells tracks apart; each viewer's own replace them.
// The error is a fault "codec_not_in_rtp".
func NewPacketizer(t media.Track, payloadType uint8, ssrc uint32) (*Packetizer, error) {
	p := &Packetizer{track: t, clock: ClockRate(t.Codec), header: Header{PayloadType: payloadType, SSRC: ssrc}, minSize: HeaderSize + 3}
	switch t.Codec {
	case media.H264:
		p.sets, p.split = avcSets(t.Config), p.splitH264
	case media.HEVC:
		p.sets, p.split = hevcSets(t.Config), p.splitHEVC
	case media.VP8:
		p.split = splitVP8
	case media.VP9:
		p.split = splitVP9
	case media.AV1:
		p.sets, p.split = av1Sets(t.Config), p.splitAV1
	case media.Opus:
		p.split = splitWhole
	case media.PCMA, media.PCMU:
		p.split = splitSamples
	default:
		return nil, unsupported(t.Codec)
	}
	return p, nil
}

// Clock is the RTP clock rate of the packets.
func (p *Packetizer) Clock() uint32 { return p.clock }

// Timestamp is the RTP timestamp of the media time pts: the low 32 bits of the epoch media time on the RTP clock.
func (p *Packetizer) Timestamp(pts int64) uint32 {
	return uint32(media.Rescale(pts, p.track.TimeScale, p.clock))
}

// Append adds the packets of f to dst, each a complete RTP packet with a placeholder header
// (HeaderSize bytes, sequence numbers counting up by one). A frame that cannot be
// parsed gives no packet.
func (p *Packetizer) Append(dst [][]byte, f *media.Frame) [][]byte {
	size := len(f.Data)
	if f.Key {
		for _, s := range p.sets {
			size += len(s) + 2
		}
	}
	packets := size/(MaxPayload-3) + 2
	b := &p.builder
	*b = builder{dst: dst, header: p.header, buf: make([]byte, 0, size+packets*p.minSize+8)}
	b.header.Timestamp = p.Timestamp(f.PTS)
	p.split(b, f)
	p.header.Sequence = b.header.Sequence
	out := b.dst
	*b = builder{}
	if p.track.Kind == media.Video && len(out) > len(dst) {
		out[len(out)-1][1] |= 0x80
	}
	return out
}

// builder lays packets one after another into one buffer. When the buffer grows, packets
// already cut keep the old one: they are complete.
type builder struct {
	dst    [][]byte
	buf    []byte
	start  int
	header Header
}

func (b *builder) open() {
	b.start = len(b.buf)
	b.buf = append(b.buf, make([]byte, HeaderSize)...)
	b.header.Put(b.buf[b.start:])
}

func (b *builder) close() {
	b.dst = append(b.dst, b.buf[b.start:len(b.buf):len(b.buf)])
	b.header.Sequence++
}

// room is how many payload bytes still fit into the open packet.
func (b *builder) room() int { return MaxPayload - (len(b.buf) - b.start - HeaderSize) }

func splitWhole(b *builder, f *media.Frame) {
	if len(f.Data) == 0 || len(f.Data) > MaxPayload {
		return // RFC 7587 section 4.2: an Opus packet is never fragmented
	}
	b.open()
	b.buf = append(b.buf, f.Data...)
	b.close()
}

// splitSamples cuts G.711 (RFC 3551 section 4.5.14) where the payload is full; each byte is one clock tick.
func splitSamples(b *builder, f *media.Frame) {
	for data := f.Data; len(data) > 0; {
		n := min(len(data), MaxPayload)
		b.open()
		b.buf = append(b.buf, data[:n]...)
		b.close()
		b.header.Timestamp += uint32(n)
		data = data[n:]
	}
}
