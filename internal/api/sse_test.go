package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/session"
	"weir/internal/hub"
	"weir/internal/media"
)

// listener reads server-sent events as a browser does.
type listener struct {
	t      testing.TB
	cancel context.CancelFunc
	res    *http.Response
	lines  *bufio.Scanner
}

func (w *world) listen(query string, change ...func(*http.Request)) *listener {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+base+"/events"+query, nil)
	must(w.t, err)
	r.Header.Set("Authorization", "Bearer "+w.admin)
	for _, f := range change {
		f(r)
	}
	res, err := http.DefaultClient.Do(r)
	must(w.t, err)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	l := &listener{t: w.t, cancel: cancel, res: res, lines: bufio.NewScanner(res.Body)}
	for l.lines.Scan() && l.lines.Text() != "" { // the greeting; from here on nothing is missed
	}
	return l
}

func (l *listener) stop() {
	l.cancel()
	_ = l.res.Body.Close()
}

type received struct {
	ID        string
	Type      string
	Timestamp time.Time
	Data      map[string]any
}

// next returns the next event of a type, and fails if the stream ends before.
func (l *listener) next(kind string) received {
	l.t.Helper()
	var id, event string
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			var e received
			must(l.t, json.Unmarshal([]byte(value), &e))
			if e.ID != id || e.Type != event || e.Timestamp.IsZero() {
				l.t.Fatalf("id %q, event %q, data %+v", id, event, e)
			}
			if event == kind {
				return e
			}
		}
	}
	l.t.Fatalf("the stream ended before a %s: %v", kind, l.lines.Err())
	return received{}
}

func (w *world) publish(name string) *hub.Publication {
	w.t.Helper()
	p, err := w.hub.Publish(hub.Offer{
		Name: name, Tracks: []media.Track{{ID: 1, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, SampleRate: 48000, Channels: 2, Config: []byte{0x11, 0x90}}},
		Origin: hub.Origin{Protocol: "rtmp", Remote: "192.0.2.1:5000", Software: "obs"},
	})
	must(w.t, err)
	return p
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	l := w.listen("")
	defer l.stop()
	p := w.publish("live/show")
	e := l.next("stream.started")
	if e.Data["name"] != "live/show" || e.Data["state"] != "live" || e.Data["publisher"].(map[string]any)["software"] != "obs" {
		t.Errorf("%+v", e)
	}
	first := e.ID
	if e := l.next("stream.updated"); e.Data["name"] != "live/show" || e.Data["grade"] == "" {
		t.Errorf("%+v", e)
	}
	if e := l.next("system.tick"); e.Data["streams"] != 1.0 {
		t.Errorf("%+v", e)
	}
	p.Close(nil)
	l.next("stream.away")
	p = w.publish("live/show")
	l.next("stream.returned")
	p.End(nil)
	last := l.next("stream.ended")
	s, err := w.door.Open(t.Context(), session.Request{Action: session.Play, Protocol: "hls", Name: "live/show", Internal: true})
	must(t, err)
	if e := l.next("session.opened"); e.Data["stream"] != "live/show" || e.Data["protocol"] != "hls" {
		t.Errorf("%+v", e)
	}
	w.door.Kick(s.ID(), nil)
	if e := l.next("session.closed"); e.Data["cause"].(map[string]any)["code"] != "kicked" {
		t.Errorf("%+v", e)
	}
	_, err = w.door.Open(t.Context(), session.Request{Action: session.Publish, Protocol: "rtmp", Name: "live/show"})
	if err == nil {
		t.Fatal("let in without a key")
	}
	if e := l.next("publish.refused"); e.Data["name"] != "live/show" || e.Data["code"] != "key_missing" || e.Data["remedy"] == "" {
		t.Errorf("%+v", e)
	}

	// Who comes back is told what it missed, once, and of the types it wants.
	again := w.listen("?types=stream.returned,stream.ended", func(r *http.Request) { r.Header.Set("Last-Event-ID", first) })
	defer again.stop()
	again.next("stream.returned")
	if e := again.next("stream.ended"); e.ID != last.ID {
		t.Errorf("%+v", e)
	}
	p = w.publish("live/other")
	p.End(nil)
	if e := again.next("stream.ended"); e.Data["name"] != "live/other" || e.ID <= last.ID {
		t.Errorf("%+v", e)
	}
	timed := w.listen("?since=" + last.Timestamp.Add(-time.Millisecond).Format("2006-01-02T15:04:05.000Z"))
	defer timed.stop()
	if e := timed.next("stream.ended"); e.ID != last.ID {
		t.Errorf("%+v", e)
	}
}

// The ring and the queues are bounded; a reader that does not read is cut off.
func TestBrokerBounds(t *testing.T) {
	b := newBroker(2)
	now := time.UnixMilli(1_700_000_000_000)
	slow, _, err := b.subscribe(nil, since{})
	must(t, err)
	picky, _, err := b.subscribe([]string{streamEnded}, since{})
	must(t, err)
	if _, _, err := b.subscribe(nil, since{}); err == nil {
		t.Error("a third subscriber was let in")
	}
	for range 3 * ringLength {
		b.publish(streamStarted, now, nil) // one instant: IDs must still grow
	}
	n := 0
	for range slow.events {
		n++
	}
	if n != subscriberQueue {
		t.Errorf("the slow one got %d events before it was cut off", n)
	}
	b.publish(streamEnded, now, nil)
	if e := <-picky.events; e.Type != streamEnded {
		t.Errorf("%+v", e)
	}
	if len(b.streams) > ringLength {
		t.Errorf("the ring holds %d", len(b.streams))
	}
	for i := 1; i < len(b.streams); i++ {
		if b.streams[i].ID <= b.streams[i-1].ID {
			t.Fatalf("%s after %s", b.streams[i].ID, b.streams[i-1].ID)
		}
	}
	for range 3 * ringLength {
		b.publish(sessionOpened, now, nil)
	}
	b.leave(picky)
	picky, missed, err := b.subscribe([]string{streamEnded, sessionOpened}, since{at: now})
	must(t, err)
	if len(missed) < ringLength*9/10+1 || missed[0].Type != streamEnded { // the crowd did not push it out
		t.Errorf("%d events were kept, the first %+v", len(missed), missed[0])
	}
	b.close()
	if _, open := <-picky.events; open {
		t.Error("the channel is open after close")
	}
	b.leave(picky)
	if _, _, err := b.subscribe(nil, since{}); err == nil {
		t.Error("a subscriber was let in after close")
	}
}

// Who loses its right while it listens is told no more.
func TestEventsEndWithTheToken(t *testing.T) {
	w := newWorld(t)
	token, secret, err := w.access.CreateToken(t.Context(), "reader", []string{access.ScopeStreamsRead})
	must(t, err)
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+secret)
	c, err := w.api.caller(r)
	must(t, err)
	if !w.api.stillMay(c) {
		t.Error("a good token may not")
	}
	must(t, w.access.DeleteToken(t.Context(), token.ID))
	if w.api.stillMay(c) {
		t.Error("a deleted token still may")
	}
}

// An event is encoded once for all who listen.
func BenchmarkPublish(b *testing.B) {
	br := newBroker(100)
	var subs []*subscriber
	for range 100 {
		sub, _, err := br.subscribe(nil, since{})
		must(b, err)
		subs = append(subs, sub)
	}
	defer br.close()
	now := time.Now()
	data := updatedData{Name: "live/show", InBPS: 2_500_000, Viewers: 12, Grade: "good"}
	b.ReportAllocs()
	for b.Loop() {
		br.publish(streamUpdated, now, data)
		for _, sub := range subs {
			<-sub.events
		}
	}
}
