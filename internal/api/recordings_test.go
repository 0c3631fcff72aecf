package api

import (
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"weir/internal/media"
	"weir/internal/timeline"
)

// footageOf gives a stream n segments of two seconds, the last of which ended two seconds ago, and returns where they begin.
func (w *world) footageOf(name string, n int) time.Time {
	w.t.Helper()
	tl, err := w.footage.Open(name)
	must(w.t, err)
	const d = 2 * time.Second
	first := time.Now().UnixNano()/int64(d) - int64(n) - 1
	start := time.Unix(0, first*int64(d))
	_, err = tl.BeginRun(timeline.Run{
		FirstN: first, Start: start, SegmentDuration: d, PartDuration: d,
		Renditions: []timeline.Rendition{{Name: "v0", Track: media.Track{Kind: media.Video, Codec: media.H264, TimeScale: 90000}, Init: []byte("init")}},
	})
	must(w.t, err)
	for i := range int64(n) {
		at := (first + i) * 180000
		must(w.t, tl.Append("v0", timeline.Part{N: first + i, Start: at, DTS: at, Duration: 180000, Independent: true, Data: make([]byte, 1000), Last: true}))
	}
	return start
}

func (c *client) recordings(t *testing.T) {
	c.t = t
	from := c.footageOf("live/kept", 10)
	to := from.Add(20 * time.Second)
	c.call("create-recording", "", map[string]any{"stream": "live/kept"}).expect(http.StatusNotFound, "stream_unknown")
	c.call("create-recording", "", map[string]any{"stream": "live/none", "from": from, "to": to}).expect(http.StatusNotFound, "no_footage")
	c.call("create-recording", "", map[string]any{"stream": "live/kept", "from": to, "to": from}).expect(http.StatusBadRequest, "range_empty")
	c.call("create-recording", "", map[string]any{"stream": "live/kept", "from": from, "to": to.Add(time.Hour)}).expect(http.StatusBadRequest, "range_future")
	var kept Recording
	c.call("create-recording", "", map[string]any{"stream": "live/kept", "title": "The match", "from": from.Add(4 * time.Second), "to": to, "pre_roll_s": 2}).
		expect(http.StatusCreated, "").into(&kept)
	if kept.State != "finished" || !kept.From.Equal(from.Add(2*time.Second)) || kept.DurationS != 18 || kept.Bytes < 9000 || !kept.Complete {
		t.Errorf("%+v", kept)
	}
	if u, err := url.Parse(kept.MP4); err != nil || u.Path != "/live/kept/clip.mp4" || u.Query().Get("to") != stamp(to) {
		t.Errorf("%s, %v", kept.MP4, err)
	}
	c.call("get-recording", "nope", nil).expect(http.StatusNotFound, "recording_unknown")
	var same Recording
	c.call("get-recording", kept.ID, nil).into(&same)
	if same.Title != "The match" {
		t.Errorf("%+v", same)
	}
	c.call("change-recording", kept.ID, map[string]any{"title": " "}).expect(http.StatusBadRequest, "title_empty")
	c.call("change-recording", kept.ID, map[string]any{"until": from}).expect(http.StatusBadRequest, "until_past")
	c.call("change-recording", kept.ID, map[string]any{"title": "Final", "until": to.Add(48 * time.Hour)}).into(&same)
	if same.Title != "Final" || same.Until == nil {
		t.Errorf("%+v", same)
	}
	c.call("change-recording", kept.ID, map[string]any{"forever": true}).into(&same)
	if same.Until != nil {
		t.Errorf("%+v", same)
	}
	c.running(from)
	var page Page[Recording]
	c.call("list-recordings", "?q=FINAL&state=finished&limit=1", nil).into(&page)
	if len(page.Items) != 1 || page.Items[0].ID != kept.ID || page.NextCursor != "" {
		t.Errorf("%+v", page)
	}
	c.call("list-recordings", "?stream=live/other", nil).into(&page)
	if len(page.Items) != 0 {
		t.Errorf("%+v", page)
	}
	c.timelines(from, to)
	c.replays(from, to)
	c.call("delete-recording", kept.ID, nil).expect(http.StatusNoContent, "")
	c.call("delete-recording", kept.ID, nil).expect(http.StatusNotFound, "recording_unknown")
	c.call("delete-footage", "live/kept", nil).expect(http.StatusBadRequest, "range_missing")
	c.call("delete-footage", "live/kept?from="+stamp(to)+"&to="+stamp(from), nil).expect(http.StatusBadRequest, "range_empty")
	c.call("delete-footage", "live/kept?to="+stamp(from), nil).expect(http.StatusNoContent, "")
}

// running records a stream that is on.
func (c *client) running(from time.Time) {
	var source TestSource
	c.call("create-test-source", "", map[string]any{"stream": "live/kept"}).expect(http.StatusCreated, "").into(&source)
	var r Recording
	c.call("create-recording", "", map[string]any{"stream": "live/kept", "pre_roll_s": 10}).expect(http.StatusCreated, "").into(&r)
	if r.State != "running" || r.To != nil || r.DurationS == 0 || r.By == "" {
		c.t.Errorf("%+v", r)
	}
	c.call("create-recording", "", map[string]any{"stream": "live/kept"}).expect(http.StatusConflict, "recording_runs")
	c.call("delete-recording", r.ID, nil).expect(http.StatusConflict, "recording_runs")
	c.call("change-recording", r.ID, map[string]any{"to": from}).expect(http.StatusConflict, "recording_runs")
	c.call("stop-recording", r.ID, nil).into(&r)
	if r.State != "finished" || r.To == nil {
		c.t.Errorf("%+v", r)
	}
	c.call("stop-recording", r.ID, nil).expect(http.StatusConflict, "recording_finished")
	c.call("delete-test-source", source.ID, nil).expect(http.StatusNoContent, "")
}

func (c *client) replays(from, to time.Time) {
	order := map[string]any{"stream": "live/kept", "as": "live/again", "from": from, "to": to}
	with := func(key string, v any) map[string]any {
		o := maps.Clone(order)
		o[key] = v
		return o
	}
	c.call("create-replay", "", with("stream", "live/none")).expect(http.StatusNotFound, "no_footage")
	c.call("create-replay", "", with("as", "live/kept")).expect(http.StatusBadRequest, "replay_into_itself")
	c.call("create-replay", "", with("speed", 0.1)).expect(http.StatusBadRequest, "replay_speed")
	var r Replay
	c.call("create-replay", "", with("loop", true)).expect(http.StatusCreated, "").into(&r)
	if r.As != "live/again" || r.Speed != 1 || !r.Loop || r.From == nil || !r.From.Equal(from) {
		c.t.Errorf("%+v", r)
	}
	c.call("list-replays", "", nil).expect(http.StatusOK, "")
	// The footage of this test is no CMAF, so the replay may have ended by itself by now.
	if a := c.call("delete-replay", r.ID, nil); a.status != http.StatusNoContent {
		a.expect(http.StatusNotFound, "replay_unknown")
		c.called["delete-replay"] = true
	}
	c.call("delete-replay", "nope", nil).expect(http.StatusNotFound, "replay_unknown")
}

func (c *client) timelines(from, to time.Time) {
	var f Footage
	c.call("get-timeline", "live/kept", nil).into(&f)
	if len(f.Spans) != 1 || !f.Spans[0].From.Equal(from) || !f.Spans[0].To.Equal(to) || len(f.Gaps) != 0 || len(f.Pins) != 2 {
		c.t.Errorf("%+v", f)
	}
	var page Page[Timeline]
	c.call("list-timelines", "", nil).into(&page)
	if len(page.Items) != 1 || page.Items[0].Name != "live/kept" || page.Items[0].KeepS != 7200 || page.Items[0].Bytes < 10_000 {
		c.t.Errorf("%+v", page)
	}
	var s Storage
	c.call("get-storage", "", nil).into(&s)
	if len(s.Volumes) != 1 || s.Volumes[0].State != "ok" || s.Keep.DVRS != 7200 || s.Timelines != 1 {
		c.t.Errorf("%+v", s)
	}
	c.call("release-footage", "", map[string]any{}).expect(http.StatusNoContent, "")
	var w Watch
	c.call("watch", "live/kept", nil).into(&w)
	if w.DVRS != 7200 || w.PastFrom == nil || !w.PastFrom.Equal(from) {
		c.t.Errorf("%+v", w)
	}
}
