package rtmp

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fan"
	"weir/internal/format/rtmpmsg"
)

const (
	// laneChunk is the size of outgoing chunks. Larger chunks mean fewer headers
	// and fewer buffers per write; this one is FFmpeg's and SRS's own, so every
	// player in use has met it.
	laneChunk    = 60000
	ackWindow    = 2_500_000
	writeTimeout = 10 * time.Second
	// farewellTimeout is how long a player may take to read what was sent before the end of its stream.
	farewellTimeout = 30 * time.Second
	smallBuffer     = 4 << 10  // of connections that send little
	mediaBuffer     = 16 << 10 // of publishers
)

// link is one RTMP connection after its handshake, in either direction: it
// reads messages, sends acknowledgements and answers pings by itself.
type link struct {
	conn   net.Conn
	inlet  *inlet
	reader *rtmpmsg.Reader
	queue  []rtmpmsg.Message // the rest of an aggregate message
	window uint64            // the peer wants an acknowledgement for each so many bytes
	acked  uint64
	total  atomic.Uint64

	mu     sync.Mutex // held while writing
	viewer *fan.Viewer
	chunk  int
}

func newLink(conn net.Conn, buffer int, limits rtmpmsg.Limits) *link {
	in := &inlet{conn: conn}
	return &link{conn: conn, inlet: in, reader: rtmpmsg.NewReader(in, buffer, limits), window: ackWindow, chunk: 128}
}

// read returns the next message that is not about the connection itself.
func (l *link) read() (rtmpmsg.Message, error) {
	for {
		if len(l.queue) > 0 {
			m := l.queue[0]
			l.queue = l.queue[1:]
			return m, nil
		}
		m, err := l.reader.Read()
		if err != nil {
			return m, err
		}
		if err := l.acknowledge(); err != nil {
			return m, err
		}
		switch m.Type {
		case rtmpmsg.TypeAggregate:
			if l.queue, err = rtmpmsg.SplitAggregate(m); err != nil && len(l.queue) == 0 {
				return m, err
			}
		case rtmpmsg.TypeAcknowledgement:
		case rtmpmsg.TypeWindowAckSize, rtmpmsg.TypeSetPeerBandwidth:
			if v, err := rtmpmsg.ParseControl(m.Payload); err == nil && m.Type == rtmpmsg.TypeWindowAckSize {
				l.window = uint64(max(v, 4096))
			}
		case rtmpmsg.TypeUserControl:
			if err := l.event(m.Payload); err != nil {
				return m, err
			}
		default:
			return m, nil
		}
	}
}

// acknowledge reports received bytes twice per window, so that a peer that
// stops at the window's end (FMLE, DJI) never gets there.
func (l *link) acknowledge() error {
	received := l.reader.Received()
	l.total.Store(received)
	if received-l.acked < l.window/2 {
		return nil
	}
	l.acked = received
	return l.send(rtmpmsg.AppendControl(nil, rtmpmsg.TypeAcknowledgement, uint32(received)))
}

func (l *link) event(p []byte) error {
	e, err := rtmpmsg.ParseEvent(p)
	if err != nil || e.Kind != rtmpmsg.EventPingRequest {
		return nil
	}
	return l.send(rtmpmsg.AppendEvent(nil, rtmpmsg.EventPingResponse, e.First))
}

// send writes b between two messages, through the viewer if a shard has the socket.
func (l *link) send(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.viewer != nil {
		return l.viewer.Inject(b)
	}
	return l.write(b)
}

// write sends b; l.mu is held.
func (l *link) write(b []byte) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := l.conn.Write(b)
	return err
}

// sendBuffers writes the buffers of one flush.
func (l *link) sendBuffers(bufs [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	own := append(net.Buffers(nil), bufs...) // WriteTo eats its slice, and this one is shared
	_, err := own.WriteTo(l.conn)
	return err
}

// command sends a command.
func (l *link) command(c rtmpmsg.Command, csid uint8, stream uint32) error {
	return l.send(c.Append(nil, csid, stream, l.chunk))
}

// status sends an onStatus.
func (l *link) status(stream uint32, level, code, description string) error {
	return l.command(rtmpmsg.Status(level, code, description), rtmpmsg.CSIDStatus, stream)
}
