package rtmpmsg

import "encoding/binary"

// User control events, section 7.1.7.
const (
	EventStreamBegin      = 0
	EventStreamEOF        = 1
	EventStreamDry        = 2
	EventSetBufferLength  = 3
	EventStreamIsRecorded = 4
	EventPingRequest      = 6
	EventPingResponse     = 7
)

// PeerBandwidthDynamic is the limit type every server sends, section 5.4.5.
const PeerBandwidthDynamic = 2

// AppendControl appends a protocol control message (types 1, 3, 5) with its one number.
func AppendControl(dst []byte, kind uint8, value uint32) []byte {
	return AppendMessage(dst, Header{CSID: CSIDControl, Type: kind, ChunkSize: 128}, binary.BigEndian.AppendUint32(nil, value))
}

// AppendPeerBandwidth appends Set Peer Bandwidth.
func AppendPeerBandwidth(dst []byte, window uint32) []byte {
	p := append(binary.BigEndian.AppendUint32(nil, window), PeerBandwidthDynamic)
	return AppendMessage(dst, Header{CSID: CSIDControl, Type: TypeSetPeerBandwidth, ChunkSize: 128}, p)
}

// AppendEvent appends a user control event with its numbers.
func AppendEvent(dst []byte, event uint16, values ...uint32) []byte {
	p := binary.BigEndian.AppendUint16(nil, event)
	for _, v := range values {
		p = binary.BigEndian.AppendUint32(p, v)
	}
	return AppendMessage(dst, Header{CSID: CSIDControl, Type: TypeUserControl, ChunkSize: 128}, p)
}

// Event is a user control event with up to two numbers.
type Event struct {
	Kind          uint16
	First, Second uint32
}

// ParseEvent reads a user control event; missing numbers are zero.
func ParseEvent(p []byte) (Event, error) {
	if len(p) < 2 {
		return Event{}, ErrBadControl
	}
	e := Event{Kind: binary.BigEndian.Uint16(p)}
	if len(p) >= 6 {
		e.First = binary.BigEndian.Uint32(p[2:])
	}
	if len(p) >= 10 {
		e.Second = binary.BigEndian.Uint32(p[6:])
	}
	return e, nil
}

// ParseControl reads the number of a protocol control message.
func ParseControl(p []byte) (uint32, error) {
	if len(p) < 4 {
		return 0, ErrBadControl
	}
	return binary.BigEndian.Uint32(p), nil
}

// SplitAggregate takes the messages out of an aggregate message (section
// 7.1.6: FLV tags back to back). Their times move so that the first gets the
// aggregate's. The payloads are parts of m's.
func SplitAggregate(m Message) ([]Message, error) {
	var out []Message
	first, offset := true, uint32(0)
	for p := m.Payload; len(p) > 0; {
		if len(p) < 11 {
			return out, ErrBadChunk
		}
		size := int(uint24(p[1:]))
		at := uint24(p[4:]) | uint32(p[7])<<24
		if len(p) < 11+size {
			return out, ErrBadChunk
		}
		if first {
			first, offset = false, m.Timestamp-at
		}
		out = append(out, Message{
			Type: p[0], CSID: m.CSID, StreamID: m.StreamID, Timestamp: at + offset,
			Payload: p[11 : 11+size : 11+size],
		})
		p = p[11+size:]
		p = p[min(4, len(p)):] // the back pointer; some leave out the last one
	}
	return out, nil
}
