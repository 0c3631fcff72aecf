package rtmpmsg

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Limits bounds what a peer may make this side hold.
type Limits struct {
	Message      int // the largest message
	ChunkSize    int // a larger Set Chunk Size is cut to this
	ChunkStreams int
	Pending      int // bytes of unfinished messages, over all chunk streams
}

// StrangerLimits hold before a peer was let in.
func StrangerLimits() Limits {
	return Limits{Message: 64 << 10, ChunkSize: 1 << 20, ChunkStreams: 16, Pending: 128 << 10}
}

// PeerLimits hold once a peer may publish or play.
func PeerLimits() Limits {
	return Limits{Message: 16 << 20, ChunkSize: 1 << 20, ChunkStreams: 64, Pending: 32 << 20}
}

const (
	extendedMark = 0xFFFFFF
	// firstAllocation is what a message's buffer starts with, whatever length it claims.
	firstAllocation = 64 << 10
	// longestRepeat: a type 3 chunk that starts a message after a type 0 repeats its timestamp as
	// a delta (FMLE: 26, then 52). Above this nobody means that, the message has the same time.
	longestRepeat = 60_000
	// nearby: an extended timestamp this far ahead of the last one is one, not payload.
	nearby = 10_000
)

// chunkStream is the header state of one chunk stream id and its unfinished message.
type chunkStream struct {
	field    uint32 // what stood in the timestamp field (extended if so) of the last full header
	delta    uint32
	time     uint32
	length   int
	kind     uint8
	streamID uint32
	extended bool
	payload  []byte // nil between messages
}

// Reader reads messages out of a chunk stream. It obeys Set Chunk Size and
// Abort itself, between chunks and not between messages (Wirecast changes the
// size in the middle of one).
type Reader struct {
	r         *bufio.Reader
	limits    Limits
	chunkSize int
	streams   map[uint32]*chunkStream
	pending   int
	received  uint64
	header    [16]byte // scratch, so that reading a header allocates nothing
	repeats   bool     // this peer repeats extended timestamps in type 3 chunks
	omits     bool     // this peer was seen leaving them out
}

// NewReader reads from r with an own buffer of the given size.
func NewReader(r io.Reader, buffer int, l Limits) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, buffer), limits: l, chunkSize: 128, streams: make(map[uint32]*chunkStream, 4)}
}

// Admit lifts the limits and enlarges the buffer once the peer was let in.
func (r *Reader) Admit(l Limits, buffer int) {
	r.limits = l
	if buffer > r.r.Size() {
		r.r = bufio.NewReaderSize(r.r, buffer)
	}
}

// Received counts the bytes read so far, which acknowledgements report.
func (r *Reader) Received() uint64 { return r.received }

// ChunkSize is the size in force for the peer's chunks.
func (r *Reader) ChunkSize() int { return r.chunkSize }

// Read returns the next message that is not about the chunk stream itself.
func (r *Reader) Read() (Message, error) {
	for {
		m, done, err := r.chunk()
		if err != nil {
			return Message{}, err
		}
		if !done {
			continue
		}
		switch m.Type {
		case TypeSetChunkSize:
			err = r.setChunkSize(m.Payload)
		case TypeAbort:
			err = r.abort(m.Payload)
		default:
			return m, nil
		}
		if err != nil {
			return Message{}, err
		}
	}
}

func (r *Reader) setChunkSize(p []byte) error {
	if len(p) < 4 {
		return ErrBadControl
	}
	// Section 5.4.1: the first bit is zero. Senders that set it mean the other 31.
	size := int(binary.BigEndian.Uint32(p) & 0x7FFFFFFF)
	if size == 0 {
		return ErrBadControl
	}
	r.chunkSize = min(size, r.limits.ChunkSize)
	return nil
}

func (r *Reader) abort(p []byte) error {
	if len(p) < 4 {
		return ErrBadControl
	}
	if s := r.streams[binary.BigEndian.Uint32(p)]; s != nil && s.payload != nil {
		r.pending -= cap(s.payload)
		s.payload = nil
	}
	return nil
}

// chunk reads one chunk; done says that it finished m.
func (r *Reader) chunk() (m Message, done bool, err error) {
	format, csid, err := r.basicHeader()
	if err != nil {
		return m, false, err
	}
	s := r.streams[csid]
	if s == nil {
		if len(r.streams) >= r.limits.ChunkStreams {
			return m, false, ErrTooManyStreams
		}
		// A fresh chunk stream should start with type 0; librtmp's ping starts with 1
		// and DJI's cameras with 2. What they leave out is zero.
		s = &chunkStream{}
		r.streams[csid] = s
	}
	if err := r.messageHeader(s, format); err != nil {
		return m, false, err
	}
	if err := r.body(s); err != nil {
		return m, false, err
	}
	if len(s.payload) < s.length {
		return m, false, nil
	}
	m = Message{Type: s.kind, CSID: csid, StreamID: s.streamID, Timestamp: s.time, Payload: s.payload}
	r.pending -= cap(s.payload)
	s.payload = nil
	return m, true, nil
}

// basicHeader reads section 5.3.1.1's one, two or three bytes.
func (r *Reader) basicHeader() (format uint8, csid uint32, err error) {
	b, err := r.byte()
	if err != nil {
		return 0, 0, err
	}
	format, csid = b>>6, uint32(b&0x3F)
	if csid > 1 {
		return format, csid, nil
	}
	low, err := r.byte()
	if err != nil {
		return 0, 0, noEOF(err)
	}
	if csid == 0 {
		return format, 64 + uint32(low), nil
	}
	high, err := r.byte()
	return format, 64 + uint32(low) + 256*uint32(high), noEOF(err)
}

// messageHeader reads section 5.3.1.2's header and works out the message's time.
func (r *Reader) messageHeader(s *chunkStream, format uint8) error {
	starting := s.payload == nil
	if !starting && format == 0 {
		return ErrBadChunk
	}
	if format == 3 {
		return r.typeThree(s, starting)
	}
	b := r.header[:[3]int{11, 7, 3}[format]]
	if err := r.full(b); err != nil {
		return err
	}
	field := uint24(b)
	if format <= 1 {
		length := int(uint24(b[3:]))
		if !starting && length != s.length {
			return ErrBadChunk
		}
		if length > r.limits.Message {
			return ErrMessageTooLarge
		}
		s.length, s.kind = length, b[6]
	}
	if format == 0 {
		s.streamID = binary.LittleEndian.Uint32(b[7:]) // the one little-endian field of RTMP
	}
	s.extended = field == extendedMark
	if s.extended {
		e := r.header[12:16]
		if err := r.full(e); err != nil {
			return err
		}
		field = binary.BigEndian.Uint32(e)
	}
	if !starting {
		return nil // a repeated header inside a message changes nothing
	}
	s.field = field
	if format == 0 {
		s.time, s.delta = field, field
		if field > longestRepeat {
			s.delta = 0
		}
	} else {
		s.time, s.delta = s.time+field, field // the field is a delta, the extended one too
	}
	return nil
}

// typeThree continues a message or starts one with the previous header. After a
// header with an extended timestamp Adobe's software repeats those 4 bytes in
// every type 3 chunk and others do not: they are looked at and taken only if
// they are the timestamp.
func (r *Reader) typeThree(s *chunkStream, starting bool) error {
	if starting {
		s.time += s.delta
	}
	if !s.extended {
		return nil
	}
	if r.omits && !r.repeats && s.length-len(s.payload) < 4 {
		return nil // waiting for 4 bytes could wait for the next message
	}
	b, err := r.r.Peek(4)
	if len(b) < 4 {
		if err == io.EOF && s.length-len(s.payload) <= len(b) {
			return nil
		}
		return noEOF(err)
	}
	const mask = 0x7FFFFFFF // FLV's timestamps have 31 bits, and some writers cut them to that
	v := binary.BigEndian.Uint32(b)
	same := v&mask == s.field&mask || v&mask == s.time&mask
	later := starting && v-(s.time-s.delta) < nearby
	if !same && !later {
		r.omits = true
		return nil
	}
	if starting && !same {
		s.time, s.delta = v, 0
	}
	r.repeats = true
	_, err = r.r.Discard(4)
	r.received += 4
	return err
}

// body reads this chunk's part of the payload. The buffer grows with what has
// arrived, not with what the header claims.
func (r *Reader) body(s *chunkStream) error {
	if s.payload == nil {
		first := min(s.length, firstAllocation)
		if r.pending+first > r.limits.Pending {
			return ErrTooMuchPending
		}
		s.payload = make([]byte, 0, first)
		r.pending += cap(s.payload)
	}
	for n := min(r.chunkSize, s.length-len(s.payload)); n > 0; {
		if len(s.payload) == cap(s.payload) {
			if err := r.grow(s); err != nil {
				return err
			}
		}
		have := len(s.payload)
		step := min(n, cap(s.payload)-have)
		if err := r.full(s.payload[have : have+step]); err != nil {
			return err
		}
		s.payload = s.payload[:have+step]
		n -= step
	}
	return nil
}

func (r *Reader) grow(s *chunkStream) error {
	bigger := min(s.length, 4*cap(s.payload))
	if r.pending+bigger-cap(s.payload) > r.limits.Pending {
		return ErrTooMuchPending
	}
	r.pending += bigger - cap(s.payload)
	next := make([]byte, len(s.payload), bigger)
	copy(next, s.payload)
	s.payload = next
	return nil
}

func (r *Reader) byte() (byte, error) {
	b, err := r.r.ReadByte()
	if err == nil {
		r.received++
	}
	return b, err
}

func (r *Reader) full(b []byte) error {
	n, err := io.ReadFull(r.r, b)
	r.received += uint64(n)
	return noEOF(err)
}

// noEOF: io.EOF is only right between two messages.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
