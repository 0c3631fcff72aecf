// Package rtmpmsg turns RTMP bytes into messages and back: the handshake, the
// chunk stream, AMF0 and AMF3 values, commands and user control events.
//
// What belongs here: the wire of Adobe's RTMP specification 1.0 and of
// Enhanced RTMP's NetConnection, as pure code with limits on everything a
// stranger can make grow. What does not: sockets, deadlines, the order of a
// session's commands (gateway/rtmp) and the bodies of audio and video messages
// (format/flv).
package rtmpmsg

import "errors"

// Message types, RTMP specification sections 5.4, 6.2 and 7.1.
const (
	TypeSetChunkSize     = 1
	TypeAbort            = 2
	TypeAcknowledgement  = 3
	TypeUserControl      = 4
	TypeWindowAckSize    = 5
	TypeSetPeerBandwidth = 6
	TypeAudio            = 8
	TypeVideo            = 9
	TypeDataAMF3         = 15
	TypeSharedObjectAMF3 = 16
	TypeCommandAMF3      = 17
	TypeDataAMF0         = 18
	TypeSharedObjectAMF0 = 19
	TypeCommandAMF0      = 20
	TypeAggregate        = 22
)

// Chunk stream ids this side writes on. A peer may use any other.
const (
	CSIDControl = 2
	CSIDCommand = 3
	CSIDAudio   = 4
	CSIDStatus  = 5
	CSIDVideo   = 6
	CSIDData    = 8
)

// Message is one RTMP message. Payload belongs to whoever received it.
type Message struct {
	Type      uint8
	CSID      uint32
	StreamID  uint32
	Timestamp uint32 // ms, absolute, modulo 2^32
	Payload   []byte
}

// What a peer can do wrong. The gateway wraps them in a fault.
var (
	ErrMessageTooLarge = errors.New("rtmp: the message is larger than allowed")
	ErrTooManyStreams  = errors.New("rtmp: too many chunk streams")
	ErrTooMuchPending  = errors.New("rtmp: too many bytes in unfinished messages")
	ErrBadChunk        = errors.New("rtmp: the chunk does not fit the message in progress")
	ErrBadControl      = errors.New("rtmp: malformed control message")
	ErrBadHandshake    = errors.New("rtmp: not an RTMP handshake")
	ErrAMFTooDeep      = errors.New("amf: nested too deep")
	ErrAMFTooMany      = errors.New("amf: too many items")
	ErrAMFTooLarge     = errors.New("amf: too large")
	ErrAMFTruncated    = errors.New("amf: truncated")
	ErrAMFMarker       = errors.New("amf: unknown marker or reference")
	ErrNoCommand       = errors.New("rtmp: the message is no command")
)
