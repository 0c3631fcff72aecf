package rtmp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/hub"
)

// mediaStream is the id that createStream always gives: the chunks of a lane
// are shared, so all players must use the same one.
const mediaStream = 1

// peer is one client of the server.
type peer struct {
	server *Server
	link   *link
	half   *halfOpen
	log    *slog.Logger
	remote netip.AddrPort
	client string // its number among all clients
	secure bool

	connect connectInfo
	begun   bool // connect was answered
	session *session.Session
	unwatch func() bool // stops watching the session for a kick
	ingest  *ingest
	play    *playing
	plays   sync.WaitGroup
	counted uint64 // bytes already told to the session
	expires time.Time
}

// run reads until the peer goes, breaks the protocol, or is ended.
func (p *peer) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer p.plays.Wait()
	defer cancel()
	err := p.loop(ctx)
	p.leave(departed(err))
	if p.begun {
		p.server.door.Disconnect(p.request("", address{}))
	}
	if err == nil {
		return
	}
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		p.server.count.refused.Add(1)
		p.log.Info("RTMP session ended", "code", f.Code, "error", err)
		p.linger()
		return
	}
	if broken(err) {
		p.server.count.broken.Add(1)
		p.log.Info("RTMP session broke", "error", err)
	}
}

// linger reads what a refused peer still sends: closing on unread bytes resets the
// connection, and the peer would lose the sentence that says why.
func (p *peer) linger() {
	const longest, most = 2 * time.Second, 16 << 20
	half, ok := p.link.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = p.link.conn.SetReadDeadline(time.Now().Add(longest))
	_, _ = io.CopyN(io.Discard, p.link.conn, most)
}

// departed says in words why a connection ended that nobody here ended: most encoders and players just go.
func departed(err error) error {
	var f *fault.Error
	switch {
	case err == nil, errors.As(err, &f):
		return err
	case errors.Is(err, context.Canceled):
		return said(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Wrap(err, fault.Unavailable, "peer_silent", "Nothing was heard from the peer any more.", "Check its network.")
	case broken(err):
		return fault.Wrap(err, fault.Invalid, "rtmp_broken", "The peer sent what is no RTMP.", "Check the encoder, and what lies between it and the server.")
	}
	return fault.Wrap(err, fault.Unavailable, "peer_left", "The peer closed the connection.", "")
}

// broken tells a broken protocol from a peer that has gone.
func broken(err error) bool {
	var netErr net.Error
	return !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) &&
		!errors.Is(err, os.ErrDeadlineExceeded) && !errors.As(err, &netErr)
}

func (p *peer) loop(ctx context.Context) error {
	for {
		m, err := p.link.read()
		if err != nil {
			return p.readError(err)
		}
		if err := p.message(ctx, m); err != nil {
			return err
		}
	}
}

// readError explains why reading stopped, if somebody else stopped it.
func (p *peer) readError(err error) error {
	if p.session != nil {
		if cause := context.Cause(p.session.Context()); cause != nil {
			p.refusePublish(said(cause))
			return cause
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// said is what a peer is told of the end of its session. Where nobody ended this one, all of them end.
func said(cause error) error {
	if errors.Is(cause, context.Canceled) {
		return fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Try again in a moment.")
	}
	return cause
}

func (p *peer) message(ctx context.Context, m rtmpmsg.Message) error {
	p.server.count.messagesIn.Add(1)
	p.countBytes()
	switch m.Type {
	case rtmpmsg.TypeAudio, rtmpmsg.TypeVideo:
		return p.media(m)
	case rtmpmsg.TypeDataAMF0, rtmpmsg.TypeDataAMF3:
		if p.ingest != nil {
			p.ingest.data(m)
		}
		return nil
	case rtmpmsg.TypeCommandAMF0, rtmpmsg.TypeCommandAMF3:
		c, err := rtmpmsg.ParseCommand(m)
		if errors.Is(err, rtmpmsg.ErrNoCommand) || errors.Is(err, rtmpmsg.ErrAMFTruncated) || errors.Is(err, rtmpmsg.ErrAMFMarker) {
			return nil
		}
		if err != nil {
			return err
		}
		return p.command(ctx, c)
	}
	return nil // shared objects and what nobody uses
}

// countBytes tells the session and the totals how much came in.
func (p *peer) countBytes() {
	n := p.link.reader.Received()
	p.server.count.bytesIn.Add(n - p.counted)
	if p.session != nil && p.ingest != nil {
		p.session.In(int(n - p.counted))
	}
	p.counted = n
}

func (p *peer) media(m rtmpmsg.Message) error {
	if p.ingest == nil {
		return nil // before publish, or after FCUnpublish: FMLE sends some
	}
	if now := time.Now(); now.After(p.expires) {
		p.expires = now.Add(time.Second)
		p.session.Stamp(m.Timestamp)
		if err := p.link.conn.SetReadDeadline(now.Add(p.server.config().Idle)); err != nil {
			return err
		}
		p.server.count.damaged.Add(uint64(p.ingest.lost()))
	}
	if err := p.ingest.media(flv.TagType(m.Type), m.Timestamp, m.Payload); err != nil {
		p.refusePublish(err)
		return err
	}
	return nil
}

// command answers one call. Encoders differ in order and in what they call;
// only connect must come before publish and play.
func (p *peer) command(ctx context.Context, c rtmpmsg.Command) error {
	l := p.link
	switch c.Name {
	case "connect":
		return p.onConnect(ctx, c)
	case "createStream":
		return l.command(result(c, nil, float64(mediaStream)), rtmpmsg.CSIDCommand, 0)
	case "publish":
		return p.onPublish(ctx, c)
	case "play":
		return p.onPlay(ctx, c)
	case "FCPublish", "FCUnpublish", "FCSubscribe":
		return p.onFC(c)
	case "closeStream", "deleteStream":
		if p.ingest != nil {
			_ = l.status(mediaStream, "status", "NetStream.Unpublish.Success", "Stopped publishing.") // many have left by now
		}
		p.leave(nil)
		return nil
	case "getStreamLength":
		return l.command(result(c, nil, float64(0)), rtmpmsg.CSIDCommand, 0)
	case "_checkbw", "checkBandwidth", "releaseStream":
		return l.command(result(c, nil, nil), rtmpmsg.CSIDCommand, 0)
	case "pause", "pauseRaw", "seek", "receiveAudio", "receiveVideo", "setDataFrame", "_result", "_error", "onStatus", "onBWDone", "setPeerInfo":
		return nil
	}
	if c.Transaction == 0 {
		return nil // wants no answer
	}
	return l.command(rtmpmsg.Command{Name: "_error", Transaction: c.Transaction, Args: []any{rtmpmsg.Object{
		{Key: "level", Value: "error"}, {Key: "code", Value: "NetConnection.Call.Failed"}, {Key: "description", Value: "There is no method " + c.Name + "."},
	}}}, rtmpmsg.CSIDCommand, 0)
}

// result answers a call.
func result(c rtmpmsg.Command, object any, args ...any) rtmpmsg.Command {
	return rtmpmsg.Command{Name: "_result", Transaction: c.Transaction, Object: object, Args: args}
}

// onFC answers the calls of Flash Media Live Encoder's family, which wait for both the result and the event.
func (p *peer) onFC(c rtmpmsg.Command) error {
	if err := p.link.command(result(c, nil, nil), rtmpmsg.CSIDCommand, 0); err != nil {
		return err
	}
	code := map[string]string{
		"FCPublish": "NetStream.Publish.Start", "FCUnpublish": "NetStream.Unpublish.Success", "FCSubscribe": "NetStream.Play.Start",
	}[c.Name]
	return p.link.command(rtmpmsg.Command{Name: "on" + c.Name, Args: []any{rtmpmsg.Object{
		{Key: "code", Value: code}, {Key: "description", Value: c.StringArg(0)},
	}}}, rtmpmsg.CSIDCommand, 0)
}

// request is what the door is asked.
func (p *peer) request(action session.Action, a address) session.Request {
	c := &p.connect
	return session.Request{
		Action: action, Protocol: "rtmp", Name: a.name, Remote: p.remote, Secure: p.secure, Key: a.key, Query: a.query, Args: a.args,
		App: c.app, TcURL: c.tcURL, PageURL: c.pageURL, SwfURL: c.swfURL, Flashver: c.flashver, UserAgent: c.flashver,
		ClientID: p.client,
	}
}

// admit opens the session and lifts the limits for strangers.
func (p *peer) admit(ctx context.Context, r session.Request) error {
	s, err := p.server.door.Open(ctx, r)
	if err != nil {
		return err
	}
	p.session = s
	p.server.pending.remove(p.half)
	p.counted = p.link.reader.Received()
	return nil
}

// onPublish lets a publisher in. The last argument, "live" or "record", may be missing.
func (p *peer) onPublish(ctx context.Context, c rtmpmsg.Command) error {
	if !p.begun || p.session != nil {
		return p.refuse("NetStream.Publish.BadName", fault.New(fault.Invalid, "rtmp_order",
			"The encoder asked to publish before it connected, or twice.", "Restart the encoder."))
	}
	a := parseAddress(p.connect.app, p.connect.tcURL, c.StringArg(0))
	r := p.request(session.Publish, a)
	r.Type = c.StringArg(1)
	if err := p.admit(ctx, r); err != nil {
		return p.refuse(publishCode(err), err)
	}
	s := p.session
	s.SetDetail("address_form", a.form)
	p.unwatch = context.AfterFunc(s.Context(), func() { _ = p.link.conn.SetReadDeadline(time.Unix(1, 0)) })
	_ = p.link.conn.SetReadDeadline(time.Now().Add(p.server.config().Idle)) // GoPro cameras start slowly
	p.link.reader.Admit(rtmpmsg.PeerLimits(), mediaBuffer)
	p.ingest = &ingest{hub: p.server.hub, log: p.log, offer: hub.Offer{
		Name: s.Name(), TakeOver: p.server.config().TakeOver,
		Origin: hub.Origin{Protocol: "rtmp", Remote: p.remote.String(), Software: p.connect.flashver, Session: s.ID(), Via: p.connect.via},
	}}
	p.server.count.publishers.Add(1)
	p.link.inlet.publishing(p.server)
	p.redirect()
	p.log.Info("publishing over RTMP", "stream", s.Name(), "session", s.ID(), "software", p.connect.flashver)
	if err := p.link.send(rtmpmsg.AppendEvent(nil, rtmpmsg.EventStreamBegin, mediaStream)); err != nil {
		return err
	}
	return p.link.status(mediaStream, "status", "NetStream.Publish.Start", "Publishing "+s.Name()+".")
}

// redirect passes the stream on to where a hook wants it, as nginx-rtmp does.
func (p *peer) redirect() {
	s, to, action := p.session, p.session.Redirect(), session.Play
	if p.ingest != nil {
		action = session.Publish
	}
	if to == "" || p.server.config().Redirect == nil {
		return
	}
	p.plays.Go(func() {
		defer p.server.recovered(p.link.conn)
		p.server.config().Redirect(s.Context(), action, s.Name(), to)
	})
}

// publishCode is Adobe's name for a refusal; encoders show the sentence beside it.
func publishCode(err error) string {
	switch fault.Of(err).Kind {
	case fault.Unauthorized, fault.Forbidden:
		return "NetStream.Publish.Unauthorized"
	case fault.Conflict, fault.Invalid, fault.NotFound:
		return "NetStream.Publish.BadName"
	}
	return "NetStream.Publish.Rejected"
}

// refuse tells why, then ends the connection with that error.
func (p *peer) refuse(code string, err error) error {
	if e := p.link.status(mediaStream, "error", code, sentence(err)); e != nil {
		return e
	}
	return err
}

func (p *peer) refusePublish(err error) {
	if p.ingest == nil {
		return
	}
	code := publishCode(err)
	if fault.Code(err) == "closed" {
		code = "NetStream.Unpublish.Success"
	}
	_ = p.link.status(mediaStream, "error", code, sentence(err)) // the connection ends anyway
}

// leave ends what the peer publishes or plays; the connection may go on to something else.
func (p *peer) leave(cause error) {
	if in := p.ingest; in != nil {
		p.server.count.damaged.Add(uint64(in.lost()))
		in.close(cause)
		p.ingest = nil
		p.link.inlet.gone()
		p.server.count.publishers.Add(-1)
	}
	if p.play != nil {
		p.play.stop()
		p.plays.Wait()
		p.play = nil
	}
	if p.session != nil {
		if p.unwatch != nil {
			p.unwatch()
			p.unwatch = nil
		}
		p.session.Close(cause)
		p.session = nil
	}
}
