package deliver

import (
	"context"
	"errors"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// Stream is what all viewers of a stream share: the presentation of the present
// version and the documents rendered from it.
type Stream struct {
	Name     string
	Timeline *timeline.Timeline
	server   *Server
	window   time.Duration // how much of the past playlists list

	mu            sync.Mutex
	pres          *presentation.Presentation
	segment, part time.Duration // the longest ever seen
	docs          map[string]entry
}

// View is one version of a stream.
type View struct {
	*presentation.Presentation
	// Segment and Part are the longest there have been since the stream began. They never shrink, so that a
	// playlist's targets do not change over its life (RFC 8216bis section 6.2.1) unless they have to grow.
	Segment, Part time.Duration
}

// Now is the present version.
func (st *Stream) Now() View { return st.view(st.Timeline.Snapshot()) }

func (st *Stream) view(snap *timeline.Snapshot) View {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.pres == nil || st.pres.Version < snap.Version {
		p := presentation.Live(st.Name, snap, st.window)
		segment, part := p.Longest()
		st.segment, st.part = max(st.segment, segment), max(st.part, part)
		st.pres = &p
	}
	return View{Presentation: st.pres, Segment: st.segment, Part: st.part}
}

// errTimeout ends a wait.
var errTimeout = errors.New("deliver: waited in vain")

// Wait waits until ready says yes, at most for limit; then it returns the present version and false. A stream that
// has ended is as ready as it will be. The error is that of ctx or of a closed timeline.
func (st *Stream) Wait(ctx context.Context, limit time.Duration, ready func(View) bool) (View, bool, error) {
	v := st.Now()
	if ready(v) || !v.Live {
		return v, true, nil
	}
	st.server.blocked.Add(1)
	ctx, stop := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer stop()
	for {
		snap, err := st.Timeline.Wait(ctx, v.Version)
		if errors.Is(err, errTimeout) {
			st.server.timeouts.Add(1)
			return st.Now(), false, nil
		}
		if err != nil {
			return v, false, err
		}
		v = st.view(snap)
		if ready(v) || !v.Live {
			return v, true, nil
		}
	}
}

// Described waits until the stream can be described (see presentation.Measured): the first segments are finished.
func (st *Stream) Described(ctx context.Context) (View, error) {
	v, ready, err := st.Wait(ctx, st.server.set.Load().FirstWait, func(v View) bool { return v.Described() != nil && v.Measured() })
	if err != nil {
		return v, err
	}
	if !ready && v.Described() == nil || len(v.Periods) == 0 {
		return v, ErrNotYet
	}
	return v, nil
}

// Patience is how long a request may be held for what is to come: three target durations (RFC 8216bis section 6.2.5.2).
func (v View) Patience() time.Duration { return 3 * v.Segment }

// ErrNoRendition says that there is no rendition of this name.
var ErrNoRendition = fault.New(fault.NotFound, "rendition_unknown", "The stream has no rendition of this name.",
	"Start from the stream's index.m3u8 or index.mpd.")

// Rendition waits until a rendition has a finished segment.
func (st *Stream) Rendition(ctx context.Context, name string) (View, error) {
	has := func(v View) bool {
		_, ok := v.LastComplete(name)
		return ok && v.Has(name) || v.Described() != nil && v.Measured() && !v.Has(name)
	}
	v, _, err := st.Wait(ctx, st.server.set.Load().FirstWait, has)
	if err != nil {
		return v, err
	}
	if !v.Has(name) {
		return v, ErrNoRendition
	}
	if _, ok := v.LastComplete(name); !ok {
		return v, ErrNotYet
	}
	return v, nil
}

// Window is how much of the past playlists list.
func (st *Stream) Window() time.Duration { return st.window }
