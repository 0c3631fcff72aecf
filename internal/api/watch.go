package api

import (
	"context"
	"net/http"
	"time"

	"weir/internal/app/live"
	"weir/internal/control/access"
	"weir/internal/media"
	"weir/internal/streamname"
)

// Watch is what a player must know before it plays.
type Watch struct {
	Name    string            `json:"name"`
	State   string            `json:"state" enum:"live,away,idle"`
	Tracks  []Track           `json:"tracks" nullable:"false"`
	Video   *WatchCodec       `json:"video,omitempty"`
	Audio   *WatchCodec       `json:"audio,omitempty"`
	Outputs map[string]Output `json:"outputs" doc:"whep, flv, hls, dash: whether this stream can be had that way"`
	IsOwner bool              `json:"is_owner"`
	Pass    string            `json:"pass,omitempty" doc:"Of an owner who has no key at hand, for a stream that is played by key: goes where the key goes, for a day"`

	DVRS     float64    `json:"dvr_s,omitempty" doc:"How far back one can rewind"`
	PastFrom *time.Time `json:"past_from,omitempty" doc:"The oldest footage"`
	PastTo   *time.Time `json:"past_to,omitempty" doc:"The newest footage"`
}

// WatchCodec names a codec for people and for programs.
type WatchCodec struct {
	Codec  string `json:"codec"`
	Codecs string `json:"codecs"`
}

// Output says whether a stream can be played one way, and if not, why.
type Output struct {
	OK      bool   `json:"ok"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

type (
	watchInput struct {
		NameInput
		Key string `query:"key" maxLength:"200" doc:"A key, for streams that are played by key"`
	}
	watchOutput struct {
		Origin string `header:"Access-Control-Allow-Origin"`
		Body   Watch
	}
)

// Public is a stream as strangers see it in the list.
type Public struct {
	Name      string     `json:"name"`
	State     string     `json:"state" enum:"live,away"`
	Since     *time.Time `json:"since,omitempty"`
	Viewers   int        `json:"viewers"`
	Thumbnail string     `json:"thumbnail"`
}

func (a *API) watchRoutes() {
	add(a, op{id: "list-watch", method: http.MethodGet, path: "/watch", summary: "The streams that anybody may watch", tag: "watch", right: public}, a.listWatch)
	add(a, op{id: "watch", method: http.MethodGet, path: "/watch/{name}", summary: "What a player must know of a stream", tag: "watch", right: public}, a.watch)
}

// listWatch lists what needs no key.
func (a *API) listWatch(ctx context.Context, in *PageInput) (*pageOutput[Public], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	var list []Public
	for len(list) <= in.Limit {
		batch := a.deps.Streams.List(after, in.Limit+1, nil)
		for _, s := range batch {
			after = s.Name
			if a.deps.MayWatch == nil || a.deps.MayWatch(ctx, s.Name, "", callerOf(ctx).remote.Addr()) == nil {
				stream := streamOf(s)
				list = append(list, Public{Name: s.Name, State: stream.State, Since: stream.Since, Viewers: stream.Viewers, Thumbnail: stream.Thumbnail})
			}
		}
		if len(batch) <= in.Limit {
			break
		}
	}
	list = list[:min(len(list), in.Limit+1)]
	return paged(list, in.Limit, func(p Public) string { return p.Name }), nil
}

func (a *API) watch(ctx context.Context, in *watchInput) (*watchOutput, error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	owner := c.known && c.identity.Allows(access.ScopeStreamsWrite)
	out := &watchOutput{Origin: "*", Body: Watch{Name: name, State: "idle", Tracks: []Track{}, Outputs: map[string]Output{}, IsOwner: owner}}
	if a.deps.MayWatch != nil {
		if err := a.deps.MayWatch(ctx, name, in.Key, c.remote.Addr()); err != nil && !owner {
			return nil, err
		} else if err != nil {
			out.Body.Pass = a.deps.Access.Pass(name, passLife)
		}
	}
	w := &out.Body
	if err := a.past(ctx, w); err != nil {
		return nil, err
	}
	s, ok := a.deps.Streams.Get(name)
	if !ok {
		return out, nil
	}
	stream := streamOf(s)
	w.State, w.Tracks = stream.State, stream.Tracks
	for i := range s.Tracks {
		named := &WatchCodec{Codec: stream.Tracks[i].Codec, Codecs: stream.Tracks[i].Codecs}
		switch t := &s.Tracks[i]; {
		case t.Kind == media.Video && w.Video == nil:
			w.Video = named
		case t.Kind == media.Audio && w.Audio == nil:
			w.Audio = named
		}
	}
	w.Outputs = outputs(s.Tracks, a.deps.System.FFmpeg().Available, a.deps.System.Ports().WebRTC != 0)
	return out, nil
}

// passLife is how long an owner's pass lasts.
const passLife = 24 * time.Hour

// past says how far back a stream can be watched.
func (a *API) past(ctx context.Context, w *Watch) error {
	if a.deps.Footage == nil {
		return nil
	}
	rows, err := a.deps.Footage.Coverage(ctx, w.Name, "", 1) // in the order of names, so an exact one comes first
	if err != nil || len(rows) == 0 || rows[0].Timeline != w.Name {
		return err
	}
	w.DVRS = a.deps.Recordings.Policy().Keep(w.Name).For.Seconds()
	w.PastFrom, w.PastTo = moment(rows[0].From), moment(rows[0].To)
	return nil
}

// outputs says how a stream can be played in browsers, before somebody tries in vain.
func outputs(tracks []live.Track, ffmpeg, webrtc bool) map[string]Output {
	no := func(code, message string) Output { return Output{Code: code, Message: message} }
	out := map[string]Output{"whep": {OK: true}, "flv": {OK: true}, "hls": {OK: true}, "dash": {OK: true}}
	opus := false
	for i := range tracks {
		opus = opus || tracks[i].Codec == media.Opus
	}
	for i := range tracks {
		t := &tracks[i]
		name := t.Codec.String()
		if t.Derived { // made for one output, and judged there
			continue
		}
		switch t.Codec {
		case media.H264:
			if t.Measured.BFrames {
				out["whep"] = no("b_frames_in_webrtc", "The video has B-frames, which browsers cannot show in real time.")
			}
		case media.HEVC, media.AV1, media.VP9, media.VP8:
			if t.Codec == media.HEVC && out["whep"].OK {
				out["whep"] = no("codec_not_in_webrtc", name+" is not shown over WebRTC by most browsers.")
			}
			if t.Codec != media.HEVC {
				out["flv"] = no("codec_needs_enhanced_rtmp", name+" in FLV is not read by browsers' players.")
			}
			if t.Codec == media.VP8 {
				out["hls"] = no("codec_unsupported", "VP8 is not played over HLS.")
				out["dash"] = no("codec_unsupported", "VP8 is not played over DASH from MP4 segments.")
			}
		case media.PCMA, media.PCMU:
			out["hls"] = no("codec_unsupported", name+" is not played over HLS.")
			out["dash"] = no("codec_unsupported", name+" is not played over DASH.")
		case media.Opus, media.FLAC, media.AC3, media.EAC3:
			out["flv"] = no("codec_needs_enhanced_rtmp", name+" in FLV is not read by browsers' players.")
		}
		converted := t.Kind == media.Audio && t.Codec != media.Opus && t.Codec != media.PCMA && t.Codec != media.PCMU
		if converted && !opus && !ffmpeg && out["whep"].OK {
			out["whep"] = Output{OK: true, Code: "audio_needs_ffmpeg", Message: "Over WebRTC there is no sound: " + name + " must be converted to Opus, and FFmpeg is missing."}
		}
	}
	if !webrtc {
		out["whep"] = no("webrtc_off", "WebRTC is switched off on this server.")
	}
	return out
}

func quote(s string) string { return streamname.Quote(s) }
