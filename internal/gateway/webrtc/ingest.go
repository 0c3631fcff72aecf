package webrtc

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"time"

	pion "github.com/pion/rtp"

	"weir/internal/codec"
	"weir/internal/codec/opus"
	"weir/internal/fault"
	"weir/internal/format/rtp"
	"weir/internal/hub"
	"weir/internal/media"
)

const (
	// patience is how long a publication waits for its further tracks once it has one: a browser's second track
	// starts within a few packets, a muted one never.
	patience   = 2 * time.Second
	heldFrames = 1000
	heldBytes  = 8 << 20
	maxTracks  = 8
)

// ingest turns the packets of one publisher into a publication.
type ingest struct {
	gateway *Gateway
	res     *resource
	askKey  func()
	agent   string
	start   time.Time // zero of the arrival clock

	mu       sync.Mutex
	expected int
	tracks   []*inTrack
	first    time.Time // when the first track was known
	held     []media.Frame
	heldSize int
	pub      *hub.Publication
	ended    chan struct{}
	cause    error
	closed   bool
	sync     clockSync
}

func newIngest(g *Gateway, res *resource, askKey func(), agent string) *ingest {
	return &ingest{gateway: g, res: res, askKey: askKey, agent: agent, start: time.Now(), ended: make(chan struct{})}
}

// expect says how many tracks the offer has.
func (in *ingest) expect(n int) { in.expected = n }

// over is closed when the publication was ended by the hub.
func (in *ingest) over() <-chan struct{} { return in.ended }

func (in *ingest) err() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.cause
}

func (in *ingest) close(cause error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	in.closed = true
	if in.pub != nil {
		in.pub.Close(cause)
	}
}

// needsKey tells whether a key frame should be asked for: one is awaited, or the last is long ago, for browsers send
// none unasked. wait is the least time between two requests: an encoder that does not listen is not nagged.
func (in *ingest) needsKey(now time.Time) (wait time.Duration, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	interval := in.gateway.config().KeyInterval
	for _, t := range in.tracks {
		switch {
		case t.track.Kind != media.Video:
		case t.waiting:
			return askEvery, true
		case now.Sub(t.lastKey) > interval:
			wait, ok = interval, true
		}
	}
	return wait, ok
}

func mediaCodec(mime string) media.Codec {
	_, name, _ := strings.Cut(strings.ToUpper(mime), "/")
	return map[string]media.Codec{
		"H264": media.H264, "H265": media.HEVC, "VP8": media.VP8, "VP9": media.VP9, "AV1": media.AV1,
		"OPUS": media.Opus, "PCMA": media.PCMA, "PCMU": media.PCMU,
	}[name]
}

// open adds a track; nil when it is of no use.
func (in *ingest) open(mime string) *inTrack {
	c := mediaCodec(mime)
	assembler, err := rtp.NewAssembler(rtp.Config{Codec: c})
	if err != nil {
		return nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.tracks) >= maxTracks {
		return nil
	}
	t := &inTrack{ingest: in, assembler: assembler, waiting: c.Kind() == media.Video, sync: in.sync.track(rtp.ClockRate(c))}
	t.track = media.Track{ID: in.id(c.Kind()), Kind: c.Kind(), Codec: c, TimeScale: rtp.ClockRate(c)}
	switch c {
	case media.Opus:
		t.track.SampleRate, t.track.Channels, t.track.Config = opus.Rate, 2, opus.Build(opus.New(2))
	case media.PCMA, media.PCMU:
		t.track.SampleRate, t.track.Channels = 8000, 1
	}
	in.tracks = append(in.tracks, t)
	return t
}

// id numbers video 0, 2, 4, … and audio 1, 3, 5, …, whichever comes first, so that a publisher that returns
// continues its tracks; mu is held.
func (in *ingest) id(kind media.Kind) media.TrackID {
	var id media.TrackID
	if kind == media.Audio {
		id = 1
	}
	for _, t := range in.tracks {
		if t.track.Kind == kind {
			id += 2
		}
	}
	return id
}

// inTrack is one track of a publisher.
type inTrack struct {
	ingest    *ingest
	assembler *rtp.Assembler
	counted   rtp.Counters
	version   int                    // of the parameter sets that track was described from
	repair    func(missing []uint16) // asks for lost packets; nil where the publisher keeps none
	missing   []uint16

	// under ingest.mu
	track   media.Track
	known   bool
	waiting bool // for a key frame
	lastKey time.Time
	sync    *trackSync
}

// packet takes one packet; an error ends the session.
func (t *inTrack) packet(p *pion.Packet) error {
	now := time.Now()
	arrival := now.Sub(t.ingest.start)
	t.ingest.res.session.In(p.MarshalSize())
	t.assembler.Push(int64(arrival), p)
	for {
		u, ok := t.assembler.Pop(int64(arrival))
		if !ok {
			break
		}
		if err := t.unit(now, arrival, u); err != nil {
			return err
		}
	}
	t.count()
	if t.repair != nil {
		if t.missing = t.assembler.Missing(int64(arrival), t.missing[:0]); len(t.missing) > 0 {
			t.repair(t.missing)
		}
	}
	if t.assembler.TakeLoss() && t.assembler.NeedsKey() { // none is needed where one came right behind the loss
		t.ingest.mu.Lock()
		t.waiting = true
		t.ingest.mu.Unlock()
		t.ingest.askKey()
	}
	return nil
}

func (t *inTrack) count() {
	c := t.assembler.Counters()
	g := t.ingest.gateway
	g.count.packetsIn.Add(c.Packets - t.counted.Packets)
	g.count.lostIn.Add(c.Lost - t.counted.Lost)
	t.counted = c
}

// report takes a sender report.
func (t *inTrack) report(ntp uint64, stamp uint32) {
	t.ingest.mu.Lock()
	defer t.ingest.mu.Unlock()
	t.ingest.sync.report(t.sync, ntp, stamp)
}

// unit hands one access unit on.
func (t *inTrack) unit(now time.Time, arrival time.Duration, u rtp.Unit) error {
	in := t.ingest
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil
	}
	at := t.sync.place(u.Time, arrival)
	if u.Key {
		t.lastKey, t.waiting = now, false
	}
	if err := t.describe(u); err != nil {
		return err
	}
	if !t.known {
		return nil
	}
	f := media.Frame{Track: t.track.ID, Key: u.Key, DTS: at, PTS: at, Wall: now.UnixNano(), Data: u.Data}
	if t.track.Kind == media.Audio {
		f.Duration = int64(codec.SampleDuration(&t.track, u.Data))
	}
	if in.pub != nil {
		return in.pub.Write(f)
	}
	return in.hold(now, f)
}

// describe keeps the track's description true to what the stream says; in.mu is held.
func (t *inTrack) describe(u rtp.Unit) error {
	described := t.track
	if t.track.Kind == media.Video {
		sets, version := t.assembler.Sets()
		if !u.Key || t.known && version > 0 && version == t.version {
			return nil
		}
		t.version = version
		described = media.Track{ID: t.track.ID, Codec: t.track.Codec, TimeScale: t.track.TimeScale}
		if err := codec.Describe(&described, sample(t.track.Codec, sets, u.Data)); err != nil {
			t.waiting = true // the parameter sets may come with the next key frame
			return nil       //nolint:nilerr // an undecodable start is waited out, not an end
		}
	}
	if t.known && described.SameFormat(&t.track) {
		return nil
	}
	t.track, t.known = described, true
	if t.ingest.pub == nil {
		return nil
	}
	return t.ingest.pub.Update(t.ingest.known())
}

// sample puts parameter sets before a unit, as codec.Describe wants them.
func sample(c media.Codec, sets [][]byte, data []byte) []byte {
	if c != media.H264 && c != media.HEVC {
		return data
	}
	var s []byte
	for _, set := range sets {
		s = append(binary.BigEndian.AppendUint32(s, uint32(len(set))), set...)
	}
	return append(s, data...)
}

// known lists the tracks that are described; mu is held.
func (in *ingest) known() (tracks []media.Track) {
	for _, t := range in.tracks {
		if t.known {
			tracks = append(tracks, t.track)
		}
	}
	slices.SortFunc(tracks, func(a, b media.Track) int { return int(a.ID) - int(b.ID) })
	return tracks
}

// hold keeps frames back until the tracks are known, then publishes; mu is held.
func (in *ingest) hold(now time.Time, f media.Frame) error {
	if in.first.IsZero() {
		in.first = now
	}
	if len(in.held) < heldFrames && in.heldSize+len(f.Data) <= heldBytes {
		in.held = append(in.held, f)
		in.heldSize += len(f.Data)
	}
	tracks := in.known()
	if len(tracks) < in.expected && now.Sub(in.first) < patience {
		return nil
	}
	pub, err := in.gateway.hub.Publish(hub.Offer{
		Name: in.res.session.Name(), Tracks: tracks, TakeOver: in.gateway.config().TakeOver, Feedback: in.feedback,
		Origin: hub.Origin{Protocol: "whip", Remote: in.res.remote.String(), Software: in.agent, Session: in.res.session.ID()},
	})
	if err != nil {
		return err
	}
	in.pub = pub
	in.gateway.wg.Go(func() {
		<-pub.Done()
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.cause = pub.Err(); in.cause == nil {
			in.cause = errLeft()
		}
		close(in.ended)
	})
	held := in.held
	in.held = nil
	for i := range held {
		if err := pub.Write(held[i]); err != nil {
			return err
		}
	}
	return nil
}

// published tells whether the stream is on the air.
func (in *ingest) published() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.pub != nil
}

// feedback passes viewers' wishes to the publisher.
func (in *ingest) feedback(f hub.Feedback) {
	if f.KeyFrame {
		in.askKey()
	}
}

func errNoMedia() error {
	return fault.New(fault.Invalid, "no_media", "The publisher connected and sent nothing.", "Check the encoder's source.")
}
