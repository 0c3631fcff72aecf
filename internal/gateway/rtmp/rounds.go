package rtmp

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"weir/internal/fan"
)

const (
	// crowd is how many publishers are read one by one, each message when it comes. With more of them, waking a
	// thread for every message would be most of what the server does.
	crowd = 32
	// throng is how many are read in rounds that are three times as far apart: a read costs as much as all that is done with one message.
	throng = 100
	// roundEvery is how far apart the rounds are in which a crowd is read: 30 pictures and 43 audio frames a second
	// come to one or two messages a round.
	roundEvery = 20 * time.Millisecond
	// lowWater is how much must have come before the kernel wakes anybody between two rounds.
	lowWater = 64 << 10
)

// rounds lets many readers wait for the same moment, so that one wake-up serves all. A round begins with the first who
// waits for it: a server without a crowd has no timer.
type rounds struct {
	mu   sync.Mutex
	next chan struct{}
}

// wait returns at the next round, which is so long after its first caller as that one says.
func (r *rounds) wait(every time.Duration) {
	r.mu.Lock()
	if r.next == nil {
		r.next = make(chan struct{})
		time.AfterFunc(every, r.begin)
	}
	next := r.next
	r.mu.Unlock()
	<-next
}

func (r *rounds) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.next)
	r.next = nil
}

// crowded says that publishers are read in rounds. Where every message is wanted at once they are not.
func (s *Server) crowded() bool {
	return s.count.publishers.Load() > crowd && s.config().Profile != fan.Realtime
}

// betweenRounds is how far apart the rounds are with so many publishers.
func (s *Server) betweenRounds() time.Duration {
	if s.count.publishers.Load() > throng {
		return 3 * roundEvery
	}
	return roundEvery
}

// inlet reads a connection: at once, or, for a publisher in a crowd, in rounds.
type inlet struct {
	conn   net.Conn
	server *Server         // of a publisher over plain TCP, else nil
	raw    syscall.RawConn // likewise
	calm   bool            // the kernel wakes nobody below lowWater
	more   bool            // the last read filled its buffer
}

// publishing lets the inlet be read in rounds from now on, gone ends that.
func (in *inlet) publishing(server *Server) {
	tcp, ok := in.conn.(*net.TCPConn) // the socket below TLS is not ours to read
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		in.server, in.raw = server, raw
	}
}

func (in *inlet) gone() {
	in.setCalm(false)
	in.server = nil
}

// setCalm changes what the kernel wakes us for. Where that cannot be changed, every message wakes us.
func (in *inlet) setCalm(calm bool) {
	if in.calm == calm {
		return
	}
	water := 1
	if calm {
		water = lowWater
	}
	if err := setLowWater(in.raw, water); err != nil {
		in.server = nil
		return
	}
	in.calm = calm
}

func (in *inlet) Read(b []byte) (int, error) {
	if in.server != nil {
		in.setCalm(in.server.crowded())
	}
	if in.calm {
		return in.readRound(b)
	}
	return in.conn.Read(b)
}

// readRound waits for the next round in which something is there. A socket that had more than fits is read on at once,
// so nobody who sends much is slowed down.
func (in *inlet) readRound(b []byte) (int, error) {
	for {
		if !in.more {
			in.server.rounds.wait(in.server.betweenRounds())
		}
		n, err := readNow(in.raw, b)
		in.more = n == len(b)
		switch {
		case errors.Is(err, syscall.EAGAIN):
		case err == nil && n == 0:
			return 0, io.EOF
		default:
			return max(n, 0), err
		}
	}
}
