package rtmpmsg

import "encoding/binary"

// headerSize is the most bytes one chunk's header takes: a one-byte basic
// header, a type 0 message header, an extended timestamp.
const headerSize = 1 + 11 + 4

// Header is what stands before a message's payload.
type Header struct {
	CSID      uint8 // 2 to 63
	Type      uint8
	StreamID  uint32
	Timestamp uint32
	ChunkSize int
}

// AppendMessage appends a whole message, payload included, to dst.
func AppendMessage(dst []byte, h Header, payload []byte) []byte {
	dst = h.appendStart(dst, len(payload))
	for len(payload) > h.ChunkSize {
		dst = append(dst, payload[:h.ChunkSize]...)
		payload = payload[h.ChunkSize:]
		dst = h.appendContinuation(dst)
	}
	return append(dst, payload...)
}

// Chunker cuts media messages into chunks that every reader of a stream can
// share: each message starts with a type 0 header, so that none depends on what
// went before, and the frame's bytes are referred to, not copied. The small
// pieces are carved out of blocks; a block lives as long as a piece of it.
type Chunker struct {
	block []byte
}

const blockSize = 4096

// Append appends the wire form of a message whose payload is head followed by
// data. head is copied (it may be reused), data is not.
func (c *Chunker) Append(dst [][]byte, h Header, head, data []byte) [][]byte {
	rest := len(head) + len(data)
	c.reserve(headerSize + len(head))
	piece := h.appendStart(c.block[len(c.block):], rest)
	piece = append(piece, head[:min(len(head), h.ChunkSize)]...)
	if len(head) > h.ChunkSize { // only sequence headers are that long; nobody shares those
		whole := append(append(make([]byte, 0, rest), head...), data...)
		return append(dst, AppendMessage(nil, h, whole))
	}
	dst = append(dst, c.take(piece))
	room := h.ChunkSize - len(head)
	for len(data) > room {
		if room > 0 {
			dst = append(dst, data[:room])
		}
		data = data[room:]
		c.reserve(headerSize)
		dst = append(dst, c.take(h.appendContinuation(c.block[len(c.block):])))
		room = h.ChunkSize
	}
	if len(data) > 0 {
		dst = append(dst, data)
	}
	return dst
}

// reserve makes room for n more bytes in the block; pieces already taken keep theirs.
func (c *Chunker) reserve(n int) {
	if cap(c.block)-len(c.block) < n {
		c.block = make([]byte, 0, max(blockSize, n))
	}
}

// take cuts off the piece that was written at the end of the block.
func (c *Chunker) take(piece []byte) []byte {
	start := len(c.block)
	c.block = c.block[:start+len(piece)]
	return c.block[start:len(c.block):len(c.block)]
}

func (h *Header) appendStart(dst []byte, length int) []byte {
	dst = append(dst, h.CSID&0x3F)
	dst = appendUint24(dst, min(h.Timestamp, extendedMark))
	dst = appendUint24(dst, uint32(length))
	dst = append(dst, h.Type)
	dst = binary.LittleEndian.AppendUint32(dst, h.StreamID)
	return h.appendExtended(dst)
}

// appendContinuation writes a type 3 header. The extended timestamp is always
// repeated, as Adobe's players and librtmp expect (section 5.3.1.3).
func (h *Header) appendContinuation(dst []byte) []byte {
	return h.appendExtended(append(dst, 3<<6|h.CSID&0x3F))
}

func (h *Header) appendExtended(dst []byte) []byte {
	if h.Timestamp < extendedMark {
		return dst
	}
	return binary.BigEndian.AppendUint32(dst, h.Timestamp)
}

func appendUint24(dst []byte, v uint32) []byte {
	return append(dst, byte(v>>16), byte(v>>8), byte(v))
}
