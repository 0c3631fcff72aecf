package rtmp

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"weir/internal/control/session"
	"weir/internal/fan"
	"weir/internal/fault"
	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/hub"
	"weir/internal/media"
)

// playing is one player's turn, from play to closeStream.
type playing struct {
	peer    *peer
	session *session.Session
	dialect flv.Dialect
	cancel  context.CancelFunc

	mu      sync.Mutex
	lane    *hub.Lane
	viewer  *fan.Viewer
	stopped bool
}

// onPlay lets a player in and hands it to the fan, without keeping the reader of its
// commands waiting: the stream may still have to come.
func (p *peer) onPlay(ctx context.Context, c rtmpmsg.Command) error {
	if !p.begun || p.session != nil {
		return p.refuse("NetStream.Play.Failed", fault.New(fault.Invalid, "rtmp_order",
			"The player asked to play before it connected, or twice.", "Restart the player."))
	}
	a := parseAddress(p.connect.app, p.connect.tcURL, c.StringArg(0))
	r := p.request(session.Play, a)
	r.Start, r.Duration = millis(c, 1), millis(c, 2)
	if len(c.Args) > 3 {
		r.Reset, _ = c.Args[3].(bool)
	}
	if err := p.admit(ctx, r); err != nil {
		return p.refuse(playCode(err), err)
	}
	s := p.session
	ctx, cancel := context.WithCancel(s.Context())
	p.play = &playing{peer: p, session: s, dialect: p.connect.dialect(p.server.config().LegacyHEVC), cancel: cancel}
	p.server.count.players.Add(1)
	_ = p.link.conn.SetReadDeadline(time.Time{}) // players may say nothing for hours
	p.redirect()
	play := p.play
	p.plays.Go(func() {
		defer p.server.recovered(p.link.conn)
		play.run(ctx)
	})
	return nil
}

// millis reads play's start and duration; -1 and -2 mean live.
func millis(c rtmpmsg.Command, i int) int64 {
	if i < len(c.Args) {
		if n, ok := c.Args[i].(float64); ok {
			return int64(n)
		}
	}
	return 0
}

func playCode(err error) string {
	if fault.Of(err).Kind == fault.NotFound {
		return "NetStream.Play.StreamNotFound"
	}
	return "NetStream.Play.Failed"
}

// run finds the stream and starts it; for TLS it is also the writer. When the fan has
// the socket it returns, and finish is called at the end.
func (y *playing) run(ctx context.Context) {
	stop := context.AfterFunc(y.session.Context(), y.kicked)
	err := y.start(ctx)
	if err == nil {
		return
	}
	stop()
	if ctx.Err() == nil {
		y.peer.log.Info("RTMP play refused", "stream", y.session.Name(), "code", fault.Code(err), "error", err)
		y.peer.server.count.refused.Add(1)
		_ = y.peer.link.status(mediaStream, "error", playCode(err), sentence(err))
	}
	_ = y.peer.link.conn.Close()
}

func (y *playing) start(ctx context.Context) error {
	p, s := y.peer, y.peer.server
	lane, err := y.open(ctx)
	if err != nil {
		return err
	}
	if !y.hold(lane) {
		lane.Close()
		return context.Canceled
	}
	if err := p.link.send(y.greeting(lane.Stream())); err != nil {
		return err
	}
	options := fan.Options{Profile: s.config().Profile, Sent: y.session.Out}
	tcp, ok := p.link.conn.(*net.TCPConn)
	if !ok {
		return y.copy(ctx, lane, options)
	}
	options.Ended = y.ended
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	_ = tcp.SetWriteDeadline(time.Time{}) // the fan has its own rule for readers that stall
	v, err := s.fan.Attach(tcp, lane, options)
	if err != nil {
		return err
	}
	p.link.viewer = v
	y.mu.Lock()
	y.viewer = v
	stopped := y.stopped
	y.mu.Unlock()
	if stopped {
		v.Close()
	}
	return nil
}

// open finds the lane that this player can read: the stream as it is, or with its audio made into AAC.
func (y *playing) open(ctx context.Context) (*hub.Lane, error) {
	s, d, name := y.peer.server, y.dialect, y.session.Name()
	key, encoder := laneKey(d, mediaStream, false), newEncoder(d, mediaStream, false)
	lane, err := s.hub.Lane(ctx, name, key, hub.Want{Tracks: selectTracks(d), Wait: s.config().PlayWait, Patient: true}, encoder)
	if err != nil {
		return nil, err
	}
	refusal := y.readable(lane)
	if refusal == nil {
		return lane, nil
	}
	audio := media.First(lane.Tracks(), media.Audio)
	if audio == nil || y.peer.connect.check(d, []media.Track{*audio}) == nil {
		lane.Close() // it is the video, which is not converted
		return nil, refusal
	}
	key.Variant += "/aac"
	converted := lane.Stream().Lane(key, hub.Want{Tracks: withAAC(d), Need: media.AAC}, encoder)
	lane.Close()
	if !awaitTrack(ctx, converted, conversionWait, media.Audio) { // players decide by what comes first which tracks there are
		converted.Close()
		return nil, refusal
	}
	if err := y.readable(converted); err != nil {
		converted.Close()
		return nil, err
	}
	return converted, nil
}

// readable says why the player cannot read what the lane carries.
func (y *playing) readable(lane *hub.Lane) error {
	if err := lane.Err(); err != nil {
		return err
	}
	return y.peer.connect.check(y.dialect, lane.Tracks())
}

// withAAC selects as the dialect does, with AAC as the only audio.
func withAAC(d flv.Dialect) func([]media.Track) []media.TrackID {
	return func(tracks []media.Track) []media.TrackID {
		return selectTracks(min(d, flv.Enhanced))(slices.DeleteFunc(slices.Clone(tracks), func(t media.Track) bool {
			return t.Kind == media.Audio && t.Codec != media.AAC
		}))
	}
}

// hold keeps the lane for stop to close; false when that has happened already.
func (y *playing) hold(lane *hub.Lane) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if !y.stopped {
		y.lane = lane
	}
	return !y.stopped
}

// copy serves a player behind TLS until it is over.
func (y *playing) copy(ctx context.Context, lane *hub.Lane, o fan.Options) error {
	err := y.peer.server.fan.Copy(ctx, lane, o, y.peer.link.sendBuffers)
	if err == nil {
		y.farewell()
		return nil
	}
	_ = y.peer.link.conn.Close()
	return nil
}

// greeting is what players expect before media. NetStream.Data.Start is left out: FFmpeg makes an empty track of it.
func (y *playing) greeting(stream *hub.Stream) []byte {
	b := rtmpmsg.AppendEvent(nil, rtmpmsg.EventStreamBegin, mediaStream)
	name := y.session.Name()
	start := rtmpmsg.Status("status", "NetStream.Play.Start", "Started playing "+name+".")
	if y.peer.connect.relay {
		start.Args[0] = append(statusOf(start), rtmpmsg.Pair{Key: viaKey, Value: stream.Via()})
	}
	for _, s := range [...]rtmpmsg.Command{rtmpmsg.Status("status", "NetStream.Play.Reset", "Playing and resetting "+name+"."), start} {
		b = s.Append(b, rtmpmsg.CSIDStatus, mediaStream, laneChunk)
	}
	if y.peer.connect.flash() {
		h := rtmpmsg.Header{CSID: rtmpmsg.CSIDData, Type: rtmpmsg.TypeDataAMF0, StreamID: mediaStream, ChunkSize: laneChunk}
		b = rtmpmsg.AppendMessage(b, h, rtmpmsg.AppendAMF0(nil, "|RtmpSampleAccess", true, true))
	}
	return b
}

// ended is called by the fan: io.EOF when the stream is over, another error when the player is.
func (y *playing) ended(err error) {
	y.mu.Lock()
	stopped := y.stopped
	y.mu.Unlock()
	if stopped {
		return
	}
	if errors.Is(err, io.EOF) {
		y.detach()
		y.farewell()
		return
	}
	y.peer.log.Debug("RTMP player left", "error", err)
	_ = y.peer.link.conn.Close()
}

// farewell tells the player that the stream is over and ends this side. The peer's loop reads on until the player closes:
// one that is behind acknowledges what it still has to read, and a closed socket would answer with a reset that takes it away.
func (y *playing) farewell() {
	b := rtmpmsg.AppendEvent(nil, rtmpmsg.EventStreamEOF, mediaStream)
	for _, s := range [...]rtmpmsg.Command{
		rtmpmsg.Status("status", "NetStream.Play.UnpublishNotify", y.session.Name()+" is no longer published."),
		rtmpmsg.Status("status", "NetStream.Play.Stop", "Stopped playing "+y.session.Name()+"."),
	} {
		b = s.Append(b, rtmpmsg.CSIDStatus, mediaStream, laneChunk)
	}
	_ = y.peer.link.send(b)
	conn := y.peer.link.conn
	if half, ok := conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		_ = conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(farewellTimeout))
}

// kicked ends a player whose session was ended from above.
func (y *playing) kicked() {
	y.mu.Lock()
	stopped := y.stopped
	y.mu.Unlock()
	if stopped {
		return
	}
	cause := context.Cause(y.session.Context())
	_ = y.peer.link.status(mediaStream, "error", "NetStream.Play.Failed", sentence(cause))
	_ = y.peer.link.conn.Close()
}

// detach gives the socket back to the link.
func (y *playing) detach() {
	l := y.peer.link
	l.mu.Lock()
	l.viewer = nil
	l.mu.Unlock()
}

// stop ends the turn; the connection stays.
func (y *playing) stop() {
	y.mu.Lock()
	y.stopped = true
	v, lane := y.viewer, y.lane
	y.lane = nil
	y.mu.Unlock()
	y.cancel()
	if v != nil {
		v.Close()
	}
	y.detach()
	if lane != nil {
		lane.Close()
	}
	y.peer.server.count.players.Add(-1)
}
