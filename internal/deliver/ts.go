package deliver

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"weir/internal/fault"
	"weir/internal/format/cmaf"
	"weir/internal/format/mpegts"
	"weir/internal/media"
	"weir/internal/timeline"
)

// CarriesTS reports whether the MPEG-TS form holds the codec: what devices know that need it.
func CarriesTS(c media.Codec) bool {
	switch c {
	case media.H264, media.HEVC, media.AAC, media.MP3, media.AC3, media.EAC3:
		return true
	}
	return false
}

// TSRenditions are the renditions of a run that its MPEG-TS form is made of: the first video and the first audio, as
// indexes; -1 = none.
func TSRenditions(run *timeline.Run) (video, audio int) {
	video, audio = -1, -1
	for i := range run.Renditions {
		t := &run.Renditions[i].Track
		switch {
		case !CarriesTS(t.Codec):
		case video < 0 && t.Kind == media.Video:
			video = i
		case audio < 0 && t.Kind == media.Audio:
			audio = i
		}
	}
	return video, audio
}

// tsKey names a segment in its MPEG-TS form. Runs and numbers are never reused, so it stays the same for ever.
type tsKey struct {
	name string
	run  uint64
	n    int64
}

type tsSegment struct {
	once sync.Once
	data []byte
	err  error
}

// maxSegmentBytes bounds what one segment of one rendition may take in memory while it is remade.
const maxSegmentBytes = 64 << 20

var typeTS = []string{"video/mp2t"}

func (s *Server) serveTS(w http.ResponseWriter, r *http.Request, name string, a Address) (int64, error) {
	seg := s.made.get(tsKey{name, a.Run, a.N}, func() (*tsSegment, int64) { return &tsSegment{}, 1 })
	seg.once.Do(func() {
		// Others may wait for it, so it must not end with this request.
		seg.data, seg.err = s.makeTS(context.WithoutCancel(r.Context()), name, a)
		s.made.weigh(tsKey{name, a.Run, a.N}, int64(len(seg.data))+1)
	})
	if seg.err != nil {
		s.made.drop(tsKey{name, a.Run, a.N}) // it may work the next time
		return 0, seg.err
	}
	w.Header()["Content-Type"] = typeTS
	return s.serveInit(w, r, seg.data, a)
}

// makeTS makes the segment from the segments of its renditions. It is the same to the byte whenever it is made.
func (s *Server) makeTS(ctx context.Context, name string, a Address) ([]byte, error) {
	var tracks []media.Track
	var frames []media.Frame
	for _, kind := range [...]string{"v", "a"} {
		header, rendition, err := s.tsHeader(ctx, name, a.Run, kind)
		if err != nil {
			return nil, err
		}
		if header == nil {
			continue
		}
		data, err := s.segmentBytes(ctx, name, a.Run, rendition, a.N)
		// Lists tell where the first of them is damaged; where the sound beside it is, it is left out as in any gap.
		gone := errors.Is(err, timeline.ErrGone) || len(tracks) > 0 && errors.Is(err, timeline.ErrDamaged)
		if err != nil && !gone {
			return nil, err
		} else if gone {
			continue // a gap of one of them: the other goes on
		}
		track := header.Tracks[0]
		track.ID = media.TrackID(len(tracks))
		at := len(frames)
		if frames, err = header.Frames(frames, data); err != nil {
			return nil, err
		}
		for i := range frames[at:] {
			frames[at+i].Track = track.ID
		}
		tracks = append(tracks, track)
	}
	if len(frames) == 0 {
		return nil, timeline.ErrGone
	}
	slices.SortStableFunc(frames, func(x, y media.Frame) int {
		return cmp.Compare(tracks[x.Track].Duration(x.DTS), tracks[y.Track].Duration(y.DTS))
	})
	return muxTS(tracks, frames, a.N)
}

// tsHeader finds the first rendition of a kind that MPEG-TS can carry; nil if there is none. Renditions are numbered within
// their kind.
func (s *Server) tsHeader(ctx context.Context, name string, run uint64, kind string) (*cmaf.Header, string, error) {
	for i := range maxTSRenditions {
		rendition := kind + strconv.Itoa(i)
		b, err := s.past.Init(ctx, name, run, rendition)
		if fault.Of(err) != nil && fault.Of(err).Kind == fault.NotFound {
			return nil, "", nil
		}
		if err != nil {
			return nil, "", err
		}
		h, err := cmaf.ParseInit(b)
		if err != nil {
			return nil, "", err
		}
		if len(h.Tracks) == 1 && CarriesTS(h.Tracks[0].Codec) {
			return h, rendition, nil
		}
	}
	return nil, "", nil
}

const maxTSRenditions = 16

// muxTS writes the frames of one segment. PTS, DTS and clock are epoch media time modulo 2^33.
func muxTS(tracks []media.Track, frames []media.Frame, n int64) ([]byte, error) {
	m := mpegts.NewMuxer(1000) // the muxer counts from its origin, and one second ahead
	if err := m.Start(tracks); err != nil {
		return nil, err
	}
	for i := range frames {
		if tracks[frames[i].Track].Kind == media.Video {
			m.Until(&frames[i]) // the last one counts: they are in decoding order
		}
	}
	var pieces [][]byte
	size := 0
	for i := range frames {
		pieces = m.AppendFrame(pieces, &frames[i])
	}
	for _, p := range pieces {
		size += len(p)
	}
	out := make([]byte, 0, size)
	for _, p := range pieces {
		out = append(out, p...)
	}
	return alignTS(out, n), nil
}

// segmentBytes reads a finished segment whole.
func (s *Server) segmentBytes(ctx context.Context, name string, run uint64, rendition string, n int64) ([]byte, error) {
	rd, err := s.past.OpenSegment(ctx, name, run, rendition, n)
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	if rd.Size() < 0 {
		return nil, timeline.ErrGone // only finished ones are listed
	}
	if rd.Size() > maxSegmentBytes {
		return nil, fault.New(fault.TooLarge, "segment_too_large", "The segment is too large to be made into MPEG-TS.", "Play index.m3u8 without form=ts.")
	}
	out := make([]byte, 0, rd.Size())
	for {
		b, err := rd.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
}
