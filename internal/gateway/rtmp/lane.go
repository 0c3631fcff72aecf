package rtmp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/hub"
	"weir/internal/media"
)

// laneEncoder writes a stream as RTMP messages that all its readers share:
// stateless chunks of one size, on one message stream, with times counted from the stream's beginning.
type laneEncoder struct {
	stream   *hub.Stream
	dialect  flv.Dialect
	streamID uint32
	publish  bool // readers are servers: metadata is @setDataFrame
	tracks   []media.Track
	bodies   *flv.Bodies
	chunks   rtmpmsg.Chunker
	head     []byte
	newest   flv.Newest
}

// laneKey names the shared form.
func laneKey(d flv.Dialect, streamID uint32, publish bool) hub.LaneKey {
	return hub.LaneKey{Format: "rtmp", Variant: fmt.Sprintf("%d/%d/%t", d, streamID, publish)}
}

func newEncoder(d flv.Dialect, streamID uint32, publish bool) func(*hub.Stream) hub.Encoder {
	return func(s *hub.Stream) hub.Encoder {
		return &laneEncoder{stream: s, dialect: d, streamID: streamID, publish: publish}
	}
}

// conversionWait is how long a reader is kept until a converter has made its first frame.
const conversionWait = 5 * time.Second

// awaitTrack waits until the lane has a track of one of the kinds, or refuses its tracks.
func awaitTrack(ctx context.Context, lane *hub.Lane, longest time.Duration, kinds ...media.Kind) bool {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	w := make(laneWatcher, 1)
	lane.Watch(w)
	defer lane.Unwatch(w)
	for lane.Err() == nil && !slices.ContainsFunc(lane.Tracks(), func(t media.Track) bool { return slices.Contains(kinds, t.Kind) }) {
		select {
		case <-w:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// laneWatcher is signalled when something is new.
type laneWatcher chan struct{}

func (w laneWatcher) LaneChanged(*hub.Lane, bool) {
	select {
	case w <- struct{}{}:
	default:
	}
}

// selectTracks takes the best track of each kind, or all published ones for readers of
// multitrack. A track made here stands in where the published one has no form in the dialect.
func selectTracks(d flv.Dialect) func([]media.Track) []media.TrackID {
	return func(tracks []media.Track) []media.TrackID {
		var ids []media.TrackID
		for _, kind := range [...]media.Kind{media.Video, media.Audio} {
			var best *media.Track
			for i := range tracks {
				t := &tracks[i]
				if t.Kind != kind {
					continue
				}
				if d == flv.Multitrack && !t.Derived {
					ids = append(ids, t.ID)
				}
				if best == nil || preferred(d, t, best) {
					best = t
				}
			}
			if d != flv.Multitrack && best != nil {
				ids = append(ids, best.ID)
			}
		}
		return ids
	}
}

// preferred reports whether t serves the dialect better than best.
func preferred(d flv.Dialect, t, best *media.Track) bool {
	if a, b := d.Accepts(t.Codec), d.Accepts(best.Codec); a != b {
		return a
	}
	if t.Derived != best.Derived {
		return best.Derived
	}
	return t.Rank < best.Rank
}

func (e *laneEncoder) Start(tracks []media.Track, _ *hub.Run) (header, inband [][]byte, err error) {
	if e.bodies, err = flv.NewBodies(e.dialect, tracks); err != nil {
		e.bodies = nil
		return nil, nil, err
	}
	e.tracks = tracks
	b := e.describe()
	return [][]byte{b}, [][]byte{b}, nil
}

// describe is the metadata and the sequence headers as messages.
func (e *laneEncoder) describe() []byte {
	var meta []byte
	if e.publish {
		meta = rtmpmsg.AppendAMF0(nil, "@setDataFrame")
	}
	meta = flv.AppendMetadata(meta, e.dialect, e.bodies.Tracks())
	// FFmpeg makes an empty subtitle track of metadata whose time is not 0.
	h := rtmpmsg.Header{CSID: rtmpmsg.CSIDData, Type: rtmpmsg.TypeDataAMF0, StreamID: e.streamID, ChunkSize: laneChunk}
	b := rtmpmsg.AppendMessage(nil, h, meta)
	e.bodies.SequenceHeaders(func(kind flv.TagType, body []byte) {
		b = rtmpmsg.AppendMessage(b, e.header(kind, e.newest.Of(kind)), body)
	})
	return b
}

func (e *laneEncoder) header(kind flv.TagType, ms uint32) rtmpmsg.Header {
	csid := uint8(rtmpmsg.CSIDVideo)
	if kind == flv.TagAudio {
		csid = rtmpmsg.CSIDAudio
	}
	return rtmpmsg.Header{CSID: csid, Type: uint8(kind), StreamID: e.streamID, Timestamp: ms, ChunkSize: laneChunk}
}

func (e *laneEncoder) Encode(dst [][]byte, f *media.Frame) [][]byte {
	t := media.Find(e.tracks, f.Track)
	if t == nil {
		return dst
	}
	return e.encodeAt(dst, f, e.stream.Millis(f.DTS, t.TimeScale))
}

// encodeAt is Encode with a given time.
func (e *laneEncoder) encodeAt(dst [][]byte, f *media.Frame, ms uint32) [][]byte {
	if e.bodies == nil {
		return dst
	}
	head, kind, ok := e.bodies.AppendHead(e.head[:0], f)
	e.head = head[:0]
	if !ok {
		return dst
	}
	e.newest.See(kind, ms)
	return e.chunks.Append(dst, e.header(kind, ms), head, f.Data)
}
