package api

import (
	"context"
	"net/http"
	"net/netip"
	"testing"

	"weir/internal/app/live"
	"weir/internal/control/access"
	"weir/internal/fault"
	"weir/internal/health"
	"weir/internal/media"
	"weir/internal/pipeline"
)

func TestOutputs(t *testing.T) {
	track := func(c media.Codec) live.Track { return live.Track{Track: media.Track{Kind: c.Kind(), Codec: c}} }
	wavy := live.Track{Track: media.Track{Kind: media.Video, Codec: media.H264}, Measured: health.TrackFigures{BFrames: true}}
	made := live.Track{Track: media.Track{Kind: media.Audio, Codec: media.Opus, Derived: true}}
	for name, c := range map[string]struct {
		tracks               []live.Track
		ffmpeg, webrtc       bool
		whep, flv, hls, dash string // the code; "-" when it plays and there is nothing to say
	}{
		"usual":             {[]live.Track{track(media.H264), track(media.AAC)}, true, true, "-", "-", "-", "-"},
		"without ffmpeg":    {[]live.Track{track(media.H264), track(media.AAC)}, false, true, "audio_needs_ffmpeg", "-", "-", "-"},
		"opus made here":    {[]live.Track{track(media.H264), track(media.AAC), made}, false, true, "-", "-", "-", "-"},
		"webrtc off":        {[]live.Track{track(media.H264), track(media.AAC)}, true, false, "webrtc_off", "-", "-", "-"},
		"b-frames":          {[]live.Track{wavy, track(media.AAC)}, false, true, "b_frames_in_webrtc", "-", "-", "-"},
		"from a browser":    {[]live.Track{track(media.H264), track(media.Opus)}, false, true, "-", "codec_needs_enhanced_rtmp", "-", "-"},
		"hevc":              {[]live.Track{track(media.HEVC), track(media.AAC)}, true, true, "codec_not_in_webrtc", "-", "-", "-"},
		"vp8":               {[]live.Track{track(media.VP8), track(media.Opus)}, true, true, "-", "codec_needs_enhanced_rtmp", "codec_unsupported", "codec_unsupported"},
		"a telephone":       {[]live.Track{track(media.PCMA)}, false, true, "-", "-", "codec_unsupported", "codec_unsupported"},
		"av1 with surround": {[]live.Track{track(media.AV1), track(media.EAC3)}, true, true, "-", "codec_needs_enhanced_rtmp", "-", "-"},
	} {
		got := outputs(c.tracks, c.ffmpeg, c.webrtc)
		for way, want := range map[string]string{"whep": c.whep, "flv": c.flv, "hls": c.hls, "dash": c.dash} {
			o := got[way]
			code := o.Code
			if code == "" {
				code = "-"
			}
			if code != want || o.OK != (want == "-" || want == "audio_needs_ffmpeg") || (o.Code == "") != (o.Message == "") {
				t.Errorf("%s: %s is %+v, want %s", name, way, o, want)
			}
		}
	}
}

// What is played by key is not told of without one, but to the owner.
func TestWatchByKey(t *testing.T) {
	w := newWorld(t, func(d *Deps) {
		d.MayWatch = func(_ context.Context, name, key string, _ netip.Addr) error {
			if name == "live/secret" && key != "right" {
				return fault.New(fault.Unauthorized, "key_missing", "It needs a key.", "")
			}
			return nil
		}
	})
	w.do(http.MethodGet, base+"/watch/live%2Fsecret", "", nil).expect(http.StatusUnauthorized, "key_missing")
	var own Watch
	w.do(http.MethodGet, base+"/watch/live%2Fsecret", w.admin, nil).expect(http.StatusOK, "").into(&own)
	if _, err := w.access.CheckKey(t.Context(), own.Pass, "live/secret", access.ActionPlay); err != nil {
		t.Errorf("the owner's pass %q: %v", own.Pass, err)
	}
	if _, err := w.access.CheckKey(t.Context(), own.Pass, "live/other", access.ActionPlay); err == nil {
		t.Error("the pass opens another stream")
	}
	must(t, w.relays.AddPull(pipeline.Relay{ID: "config-1", Stream: "live/secret", URL: "rtmp://203.0.113.1/live/far", OnDemand: true}))
	var s Stream
	w.get("/streams/live%2Fsecret", &s)
	if want := "/live/secret/poster.jpg?key=" + own.Pass; s.Thumbnail != want {
		t.Errorf("the owner's picture is at %s, want %s", s.Thumbnail, want)
	}
	w.do(http.MethodGet, base+"/watch/live%2Fsecret?key=right", w.admin, nil).expect(http.StatusOK, "").into(&own)
	w.do(http.MethodGet, base+"/watch/live%2Fopen", w.admin, nil).expect(http.StatusOK, "").into(&own)
	w.do(http.MethodGet, base+"/watch/live%2Fsecret?key=right", "", nil).expect(http.StatusOK, "")
	w.do(http.MethodGet, base+"/watch/live%2Fsecret", w.admin, nil).expect(http.StatusOK, "")
	a := w.do(http.MethodGet, base+"/watch/live%2Fopen", "", nil).expect(http.StatusOK, "")
	if a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("a player on another site cannot read it")
	}
}

// What the configuration set up is shown, and not deleted from here.
func TestConfiguredRelay(t *testing.T) {
	w := newWorld(t)
	must(t, w.relays.AddPull(pipeline.Relay{ID: "config-1", Stream: "live/far", URL: "rtmp://203.0.113.1/live/far", OnDemand: true}))
	must(t, w.relays.AddPull(pipeline.Relay{ID: "config-2", Stream: "edge/*", URL: "rtmp://203.0.113.1/edge/{path}", OnDemand: true}))
	w.do(http.MethodDelete, base+"/pulls/config-1", w.admin, nil).expect(http.StatusConflict, "set_in_configuration")
	var page Page[Stream]
	w.get("/streams?state=idle", &page) // a pattern is no stream
	if len(page.Items) != 1 || page.Items[0].Name != "live/far" || page.Items[0].Publisher != nil {
		t.Errorf("%+v", page.Items)
	}
}

func TestWithoutRelays(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.Relays = nil })
	w.do(http.MethodGet, base+"/pulls", w.admin, nil).expect(http.StatusOK, "")
	w.do(http.MethodPost, base+"/pushes", w.admin, map[string]string{"stream": "live/x", "url": "rtmp://203.0.113.1/a/b"}).expect(http.StatusNotImplemented, "not_offered")
	if _, err := New(Deps{}); fault.Code(err) != "api_incomplete" {
		t.Errorf("got %v", err)
	}
}
