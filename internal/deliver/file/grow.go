package file

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/format/mp4"
	"weir/internal/media"
	"weir/internal/timeline"
)

const (
	// A range whose end has passed is waited for so long; then the stream has not come so far.
	afterEnd = 15 * time.Second
	poll     = touchEvery
)

// grower streams a range that is still growing, as fragmented MP4: one fragment per segment and rendition.
type grower struct {
	server *Server
	d      *download
	ask    *ask
	r      *http.Request
	w      http.ResponseWriter

	walk   walk
	tracks []media.Track
	names  []string
	base   int64 // MovieScale: what is added to all times, so that none is below 0
	seq    uint32
	frames []media.Frame
	chunk  []byte
	begun  bool
	faults int // segments that were known to be damaged when it began
	tries  int // to go on behind damage
}

// serveGrowing answers with a stream that ends when the range does. It has no length, so there are no byte ranges. It begins at
// the key frame that shows the first picture, and ends early where the codec configuration changes, as a fragmented
// file has one for all.
func (s *Server) serveGrowing(w http.ResponseWriter, r *http.Request, a *ask, d *download) error {
	s.growing.Add(1)
	g := &grower{server: s, d: d, ask: a, r: r, w: w}
	g.walk = walk{footage: s.footage, name: a.name, want: a.want, key: true, growing: true, take: g.take, fits: g.fits}
	d.begin(w)
	defer d.end()
	err := g.run(r.Context())
	s.scanned.Add(g.walk.scan.Read)
	switch {
	case err == nil && !g.begun:
		return errNoFootage
	case err == nil, errors.Is(err, errGone), errors.Is(err, errHead):
		return nil
	case g.begun:
		return &sendError{err}
	}
	return err
}

// errHead ends the answer to HEAD once the header could be described.
var errHead = errors.New("file: only the head was asked for")

func (g *grower) run(ctx context.Context) error {
	for {
		live := g.server.cfg.Live(g.ask.name)
		var now *timeline.Snapshot
		if live != nil {
			now = live.Snapshot()
		}
		if err := g.advance(ctx); err != nil {
			return err
		}
		over := !g.ask.want.To.IsZero() && g.server.deliver.Wall(time.Now()).Sub(g.ask.want.To) > afterEnd
		if g.walk.reached || g.walk.stopped || over || now == nil || now.Ended {
			return nil
		}
		if err := g.d.goOn(0); err != nil {
			return err
		}
		wait, stop := context.WithTimeout(ctx, poll)
		_, err := live.Wait(wait, now.Version)
		stop()
		if err != nil && ctx.Err() != nil {
			return errGone
		}
		if errors.Is(err, timeline.ErrClosed) {
			return g.advance(ctx)
		}
	}
}

// advance takes the footage that is new.
func (g *grower) advance(ctx context.Context) error {
	r := timeline.Range{From: g.ask.want.From, To: g.ask.want.To}
	if g.walk.any {
		r.From = g.walk.zero.Add(media.ToDuration(g.walk.end-g.walk.at, mp4.MovieScale))
	}
	r.From = r.From.Add(-lead)
	for {
		snap, err := g.server.footage.Past(ctx, g.ask.name, r)
		if errors.Is(err, errNoFootage) || errors.Is(err, timeline.ErrDamaged) {
			return nil
		}
		if err != nil {
			return err
		}
		if !g.begun {
			g.faults = faults(snap, g.ask.want)
		}
		n := g.walk.lastN
		if err = g.walk.advance(ctx, snap); !errors.Is(err, errAgain) {
			return err
		}
		if g.tries++; g.walk.lastN != n {
			g.tries = 0
		}
		const tries = 100
		if g.tries > tries {
			return errSegment
		}
	}
}

// fits says whether a further run can go on in the tracks that were declared.
func (g *grower) fits(run *timeline.RunView, chosen choice) bool {
	for _, k := range chosen {
		rd := &run.Run.Renditions[k]
		i := g.track(rd.Name)
		if i < 0 || !g.tracks[i].SameFormat(&rd.Track) {
			return false
		}
	}
	return true
}

func (g *grower) track(name string) int {
	for i := range g.names {
		if g.names[i] == name {
			return i
		}
	}
	return -1
}

// begin sends the header.
func (g *grower) begin(p *portion) error {
	video := false
	for _, l := range g.walk.lanes {
		g.names, g.tracks = append(g.names, l.name), append(g.tracks, l.track)
		video = video || l.track.Kind == media.Video
	}
	header, err := cmaf.Init(g.tracks...)
	if err != nil {
		return err
	}
	first := &p.samples[0]
	g.base = max(media.Rescale(first.pts-first.dts, p.lane.head.Scale, mp4.MovieScale), 0)
	g.server.describe(g.w.Header(), g.ask, g.walk.begin, video, g.faults)
	g.w.WriteHeader(http.StatusOK)
	g.begun = true
	if g.r.Method == http.MethodHead {
		return errHead
	}
	return g.d.write(header)
}

// take sends what the clip takes of one segment.
func (g *grower) take(ctx context.Context, p *portion) error {
	if !g.begun {
		if err := g.begin(p); err != nil {
			return err
		}
	}
	i := g.track(p.lane.name)
	if i < 0 {
		return nil
	}
	data, from, err := g.read(ctx, p)
	if err != nil {
		return err
	}
	base := media.Rescale(g.base, mp4.MovieScale, p.lane.head.Scale)
	g.frames = g.frames[:0]
	for k := range p.samples {
		s := &p.samples[k]
		dts := max(s.dts+base, 0)
		g.frames = append(g.frames, media.Frame{Key: s.Key, DTS: dts, PTS: max(s.pts+base, 0), Duration: int64(s.Duration), Data: data[s.At-from:][:s.Size]})
	}
	g.seq++
	g.chunk = cmaf.AppendChunk(g.chunk[:0], &cmaf.Chunk{TrackID: uint32(i + 1), Sequence: g.seq, Frames: g.frames})
	if err := g.d.write(g.chunk); err != nil {
		return err
	}
	if err := g.d.rc.Flush(); err != nil {
		return errGone
	}
	return nil
}

// read gives the bytes of a portion's samples; from is where they begin in the segment.
func (g *grower) read(ctx context.Context, p *portion) (data []byte, from int64, err error) {
	rd, err := g.server.footage.OpenSegment(ctx, g.ask.name, p.run, p.lane.name, p.n)
	if err != nil {
		return nil, 0, err
	}
	defer rd.Close()
	last := &p.samples[len(p.samples)-1]
	from, to := p.samples[0].At, last.At+int64(last.Size)
	if rd.File() == nil {
		all, err := collect(ctx, rd)
		if err != nil {
			return nil, 0, err
		}
		if to > int64(len(all)) {
			return nil, 0, errSegment
		}
		return all, 0, nil
	}
	if to-from > mostInMem || from > to {
		return nil, 0, errSegment
	}
	b := g.d.buffer(int(to - from))
	if _, err := rd.File().ReadAt(b, rd.Offset()+from); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	return b, from, nil
}
