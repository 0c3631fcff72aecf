package webrtc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pion/rtcp"

	"weir/internal/fault"
	"weir/internal/format/rtp"
	"weir/internal/hub"
	"weir/internal/media"
)

// How many packets of a track can be sent again, a power of two: 1.8 s at 2.65 Mbit/s, 1.3 s of sound.
const (
	videoHistory = 512
	audioHistory = 64
)

const (
	reportEvery = time.Second
	eagerFor    = 5 * time.Second // for so long reports come at every tick: players line sound up with picture by them
	askEvery    = 500 * time.Millisecond
	resendShare = 256 // packets that one viewer may ask for again between two reports
)

// viewer is one WHEP session.
type viewer struct {
	gateway   *Gateway
	res       *resource
	program   program
	transport *transport
	ended     chan error
	left      chan struct{} // closed when no shard sends to it any more

	mu       sync.Mutex
	sealer   *sealer
	to       *sockaddr // nil: over TCP
	via      path
	out      [2]outTrack
	began    time.Time
	reported time.Time
	asked    time.Time
	resent   int // since reported
}

// outTrack is one of a viewer's tracks.
type outTrack struct {
	on       bool
	header   rtp.Header // of the next packet; Timestamp is the offset
	rollover uint32
	clock    uint32
	extend   []byte // header extension of every packet; may be empty
	packets  uint32
	octets   uint32
	sent     []sentPacket // ring by sequence number
}

type sentPacket struct {
	shared    []byte
	sequence  uint16
	timestamp uint32
}

func (t *outTrack) set(c *chosen, codec media.Codec, offset uint32) {
	t.on = true
	t.header = rtp.Header{PayloadType: c.codec.payload, SSRC: c.ssrc, Sequence: uint16(c.ssrc >> 17), Timestamp: offset}
	t.clock = rtp.ClockRate(codec)
	n := videoHistory
	if codec.Kind() == media.Audio {
		n = audioHistory
	}
	t.sent = make([]sentPacket, n)
}

func (v *viewer) end(err error) {
	select {
	case v.ended <- err:
	default:
	}
}

// run keeps the session until it ends.
func (v *viewer) run(ctx context.Context) (err error) {
	defer v.program.lane.Close()
	defer v.transport.close()
	s, err := v.transport.handshake(ctx)
	if err != nil {
		return err
	}
	v.mu.Lock()
	v.sealer, v.began = s, time.Now()
	v.mu.Unlock()
	closed := make(chan struct{})
	v.transport.wg.Go(func() { v.transport.over(); close(closed) })
	v.follow()
	shard := v.gateway.shardOf()
	shard.join(v)
	defer func() { shard.leave(v); <-v.left; v.bye() }()
	tick := time.NewTicker(v.gateway.config().Silence / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-v.ended:
			return err
		case <-closed:
			return errLeft()
		case now := <-tick.C:
			// RFC 7675: a browser proves its consent every few seconds by a check.
			if now.Sub(time.Unix(0, v.transport.heard.Load())) > v.gateway.config().Silence {
				return v.gateway.errSilent()
			}
		}
	}
}

// follow takes over the path that the peer has chosen.
func (v *viewer) follow() {
	p := v.transport.current()
	v.mu.Lock()
	defer v.mu.Unlock()
	if p == v.via {
		return
	}
	v.via, v.to = p, nil
	if p.tcp == nil {
		v.to = newSockaddr(p.udp, v.gateway.six)
	}
}

// notice follows a change of what the lane carries.
func (v *viewer) notice(b []byte) {
	l := readNotice(b)
	switch {
	case !v.out[laneVideo-1].on: // listens only
	case l.BFrames:
		v.end(errBFrames())
	case l.Video != v.program.video && l.Video != 0 && v.program.video != 0, l.Video == media.H264 && !sameProfile(l.Config, v.program.config):
		v.end(fault.New(fault.Unavailable, "codec_changed", fmt.Sprintf("The publisher's video changed to another form (%v).", l.Video), "Connect again."))
	}
}

// sameProfile tells whether H.264 of one configuration can go on in a decoder set up for the other's profile.
func sameProfile(a, b []byte) bool {
	return len(a) > 2 && len(b) > 2 && a[1] == b[1] && a[2] == b[2]
}

// deliver seals shared packets for this viewer and sends them. One who still catches up, through past, gets the picture alone:
// a player shows old pictures as fast as they come, but plays old sound at its pace and would stay behind by it.
func (v *viewer) deliver(b *batch, packets [][]byte, past *backlog) {
	v.mu.Lock()
	defer v.mu.Unlock()
	size := 0
	for _, shared := range packets {
		if isNotice(shared) {
			v.notice(shared)
			continue
		}
		t := &v.out[shared[11]-laneVideo]
		if !t.on || past != nil && shared[11] == laneAudio {
			continue
		}
		h := t.header
		h.Timestamp += past.stamp(rtp.Read(shared).Timestamp)
		v.seal(b, t, shared, h, t.rollover)
		t.sent[int(h.Sequence)&(len(t.sent)-1)] = sentPacket{shared, h.Sequence, h.Timestamp}
		t.packets++
		t.octets += uint32(len(shared) - rtp.HeaderSize)
		size += len(shared)
		if t.header.Sequence++; t.header.Sequence == 0 {
			t.rollover++
		}
	}
	b.flush()
	v.res.session.Out(size)
}

// seal protects one packet and puts it on its way; mu is held.
func (v *viewer) seal(b *batch, t *outTrack, shared []byte, h rtp.Header, rollover uint32) {
	if v.to == nil {
		sealed := v.sealer.seal(nil, shared, h, t.extend, rollover)
		v.gateway.count.packetsOut.Add(1)
		v.gateway.count.bytesOut.Add(uint64(len(sealed)))
		if !v.via.tcp.send(sealed) {
			v.gateway.count.sendDropped.Add(1)
		}
		return
	}
	b.room(len(shared)+len(t.extend)+tagSize, v.to)
	before := len(b.buf)
	b.buf = v.sealer.seal(b.buf, shared, h, t.extend, rollover)
	b.added(len(b.buf) - before)
}

// report sends sender reports (RFC 3550 section 6.4.1). Shared timestamps are epoch media time, so the same moment is
// known on each track's clock, and players keep sound and picture together.
func (v *viewer) report(now time.Time) {
	v.follow()
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Sub(v.reported) < reportEvery && now.Sub(v.began) > eagerFor {
		return
	}
	v.reported, v.resent = now, 0
	for i := range v.out {
		t := &v.out[i]
		if !t.on || t.packets == 0 {
			continue
		}
		v.control(&rtcp.SenderReport{
			SSRC: t.header.SSRC, NTPTime: ntp(now), PacketCount: t.packets, OctetCount: t.octets,
			RTPTime: t.header.Timestamp + uint32(media.FromDuration(time.Duration(now.UnixNano()), t.clock)),
		}, &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
			Source: t.header.SSRC, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: cname}},
		}}})
	}
}

// ntp writes a time as NTP does: seconds since 1900 in 32.32 bits.
func ntp(t time.Time) uint64 {
	const epoch = 2208988800
	return uint64(t.Unix()+epoch)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// bye tells the peer that its tracks have ended.
func (v *viewer) bye() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.out {
		if v.out[i].on {
			v.control(&rtcp.Goodbye{Sources: []uint32{v.out[i].header.SSRC}})
		}
	}
}

// control sends RTCP; mu is held.
func (v *viewer) control(packets ...rtcp.Packet) {
	raw, err := rtcp.Marshal(packets)
	if err != nil {
		return
	}
	if sealed, err := v.sealer.out.EncryptRTCP(nil, raw, nil); err == nil {
		v.transport.write(sealed, v.via)
	}
}

// reports takes SRTCP from the peer. It is called from the port's reader.
func (v *viewer) reports(b []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sealer == nil {
		return
	}
	raw, err := v.sealer.in.DecryptRTCP(nil, b, nil)
	if err != nil {
		return
	}
	v.transport.heard.Store(time.Now().UnixNano())
	packets, err := rtcp.Unmarshal(raw)
	if err != nil {
		return
	}
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.TransportLayerNack:
			v.again(p)
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			v.askKey()
		}
	}
}

// askKey passes the wish for a key frame up to the publisher; mu is held.
func (v *viewer) askKey() {
	now := time.Now()
	if now.Sub(v.asked) < askEvery {
		return
	}
	v.asked = now
	v.program.lane.Stream().Ask(hub.Feedback{KeyFrame: true})
}

// again sends what the peer missed (RFC 4585 section 6.2.1), within its share; mu is held.
func (v *viewer) again(n *rtcp.TransportLayerNack) {
	g := v.gateway
	if v.to != nil {
		g.resend.Lock()
		defer g.resend.Unlock()
		defer g.resender.flush()
	}
	for i := range v.out {
		t := &v.out[i]
		if !t.on || t.header.SSRC != n.MediaSSRC {
			continue
		}
		for _, pair := range n.Nacks {
			pair.Range(func(sequence uint16) bool {
				return v.sendAgain(t, sequence)
			})
		}
	}
}

// sendAgain is false when the viewer's share is used up.
func (v *viewer) sendAgain(t *outTrack, sequence uint16) bool {
	if v.resent >= resendShare {
		return false
	}
	slot := &t.sent[int(sequence)&(len(t.sent)-1)]
	if slot.shared == nil || slot.sequence != sequence {
		return true
	}
	v.resent++
	v.gateway.count.resent.Add(1)
	h := t.header
	h.Sequence, h.Timestamp = sequence, slot.timestamp
	v.seal(v.gateway.resender, t, slot.shared, h, t.rolloverOf(sequence))
	return true
}

// rolloverOf is the rollover counter that a packet of the recent past had.
func (t *outTrack) rolloverOf(sequence uint16) uint32 {
	if sequence >= t.header.Sequence && t.rollover > 0 {
		return t.rollover - 1
	}
	return t.rollover
}
