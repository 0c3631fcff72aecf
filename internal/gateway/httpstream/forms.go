package httpstream

import (
	"net/http"
	"net/netip"
	"net/url"

	"weir/internal/format/cmaf"
	"weir/internal/format/flv"
	"weir/internal/format/mpegts"
	"weir/internal/hub"
	"weir/internal/media"
)

// form is a container that a stream can be played in.
type form struct {
	mime, protocol string
	variant        func(url.Values) variant
}

// variant is the shared form that a request asks for. Requests with equal keys share a lane.
type variant struct {
	key     string
	tracks  func([]media.Track) []media.TrackID
	encoder func(*hub.Stream) hub.Encoder
}

var forms = map[string]form{
	"flv": {"video/x-flv", "http-flv", flvVariant},
	"ts":  {"video/mp2t", "http-ts", tsVariant},
	"mp4": {"video/mp4", "http-fmp4", mp4Variant},
}

// client is who asks, looked at through the proxies that the configuration trusts.
func (s *Server) client(r *http.Request) netip.AddrPort {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{} // no TCP peer (a test's recorder): no rule can match it
	}
	return s.door.Client(peer, r.Header.Values("X-Forwarded-For"))
}

// flvVariant: Enhanced FLV unless the player asks for HEVC the way Chinese players read it (?hevc=12).
func flvVariant(q url.Values) variant {
	d := flv.Enhanced
	key := "enhanced"
	if q.Get("hevc") == "12" {
		d, key = flv.LegacyHEVC, "hevc12"
	}
	return variant{
		key:    key,
		tracks: best(func(t *media.Track) bool { return d.Accepts(t.Codec) }),
		encoder: func(s *hub.Stream) hub.Encoder {
			return &flvEncoder{stream: s, mux: flv.NewMuxer(d)}
		},
	}
}

func tsVariant(url.Values) variant {
	return variant{
		tracks:  best(func(t *media.Track) bool { return mpegts.Supports(t) == nil }),
		encoder: func(s *hub.Stream) hub.Encoder { return &tsEncoder{mux: mpegts.NewMuxer(s.Origin())} },
	}
}

func mp4Variant(url.Values) variant {
	return variant{
		tracks:  best(func(t *media.Track) bool { return cmaf.Supports(t) == nil }),
		encoder: func(s *hub.Stream) hub.Encoder { return &mp4Encoder{mux: cmaf.NewStreamMuxer(s.Origin())} },
	}
}

// best selects the first-ranked track of each kind, preferring what the container accepts and what was published over
// what was made here. A kind with nothing acceptable is left in, so that its encoder can refuse it by name.
func best(accepts func(*media.Track) bool) func([]media.Track) []media.TrackID {
	better := func(t, than *media.Track) bool {
		if a, b := accepts(t), accepts(than); a != b {
			return a
		}
		if t.Derived != than.Derived {
			return than.Derived
		}
		return t.Rank < than.Rank
	}
	return func(tracks []media.Track) []media.TrackID {
		var ids []media.TrackID
		for _, kind := range [...]media.Kind{media.Video, media.Audio} {
			var pick *media.Track
			for i := range tracks {
				if t := &tracks[i]; t.Kind == kind && (pick == nil || better(t, pick)) {
					pick = t
				}
			}
			if pick != nil {
				ids = append(ids, pick.ID)
			}
		}
		return ids
	}
}

type flvEncoder struct {
	stream *hub.Stream
	mux    *flv.Muxer
	tracks []media.Track
}

func (e *flvEncoder) Start(tracks []media.Track, _ *hub.Run) (header, inband [][]byte, err error) {
	e.tracks = tracks
	return e.mux.Start(tracks)
}

func (e *flvEncoder) Encode(dst [][]byte, f *media.Frame) [][]byte {
	return e.mux.AppendTag(dst, f, e.stream.Millis(f.DTS, media.Find(e.tracks, f.Track).TimeScale))
}

type mp4Encoder struct {
	mux *cmaf.StreamMuxer
}

// Start gives readers that are already there a new header in the middle of the file: MSE players take it as a new
// initialization segment.
func (e *mp4Encoder) Start(tracks []media.Track, _ *hub.Run) (header, inband [][]byte, err error) {
	h, err := e.mux.Header(tracks)
	if err != nil {
		return nil, nil, err
	}
	return [][]byte{h}, [][]byte{h}, nil
}

func (e *mp4Encoder) Encode(dst [][]byte, f *media.Frame) [][]byte {
	return e.mux.AppendFragment(dst, f)
}

type tsEncoder struct{ mux *mpegts.Muxer }

// Start changes the program in band: the tables come again before the next frame.
func (e *tsEncoder) Start(tracks []media.Track, _ *hub.Run) (header, inband [][]byte, err error) {
	if err := e.mux.Start(tracks); err != nil {
		return nil, nil, err
	}
	return [][]byte{e.mux.Header()}, nil, nil
}

func (e *tsEncoder) Encode(dst [][]byte, f *media.Frame) [][]byte {
	return e.mux.AppendFrame(dst, f)
}
