package webrtc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"

	"weir/internal/control/session"
	"weir/internal/hub"
	"weir/internal/media"
)

// sending runs a publisher until the test ends.
func (p *publisherPeer) sending(t *testing.T, fps int) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.send(ctx, t, fps) }()
	t.Cleanup(func() { cancel(); <-done })
}

func (w *world) subscribe(name string) (sub *hub.Subscription, ctx context.Context) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	w.t.Cleanup(cancel)
	sub, err := w.hub.Subscribe(ctx, name, hub.Want{Wait: 10 * time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(sub.Close)
	return sub, ctx
}

// A publisher whose packets are lost is asked for a key frame, and nothing broken is handed on meanwhile.
func TestLossAsksForAKeyFrame(t *testing.T) {
	w := newWorld(t, Config{})
	p := w.whip("live/show")
	var dropped atomic.Int32
	p.drop = func(frame, i int) bool {
		lost := frame == 50 && i == 1
		if lost {
			dropped.Add(1)
		}
		return lost
	}
	p.sending(t, 50)
	sub, ctx := w.subscribe("live/show")
	_, samples := clip(t)
	known := map[string]bool{}
	for _, s := range samples {
		known[string(s)] = true
	}
	pictures, gap := 0, false
	var last int64
	for pictures < 120 {
		item, err := sub.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if media.Find(item.Tracks, item.Track).Kind != media.Video {
			continue
		}
		if !known[string(item.Data)] {
			t.Fatalf("a picture of %d bytes that was never sent", len(item.Data))
		}
		if pictures > 0 && item.DTS-last > 5400 {
			gap = true
			if !item.Key {
				t.Error("after the gap comes no key frame")
			}
		}
		last = item.DTS
		pictures++
	}
	if dropped.Load() != 1 || !gap || w.gw.Stats().LostIn == 0 {
		t.Errorf("%d dropped, gap %v, %+v", dropped.Load(), gap, w.gw.Stats())
	}
	select {
	case <-p.wishes:
	default:
		t.Error("no key frame was asked for")
	}
}

func TestWHIPOverTCP(t *testing.T) {
	w := newWorld(t, Config{TCP: "127.0.0.1:0"})
	w.whip("live/show", webrtc.NetworkTypeTCP4).sending(t, 50)
	sub, ctx := w.subscribe("live/show")
	for range 100 {
		if _, err := sub.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// A connection whose first packet names no session is closed at once, also while somebody publishes.
func TestOverTCPOnlyForSessions(t *testing.T) {
	w := newWorld(t, Config{TCP: "127.0.0.1:0"})
	w.whip("live/show", webrtc.NetworkTypeTCP4).sending(t, 50)
	_, tcp := w.gw.Ports()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", tcp))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	check, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("nobody:here"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(check.Raw))), check.Raw...)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it is kept")
	}
}

// A publisher of which only the sound comes is on the air with that after a while.
func TestSoundAlone(t *testing.T) {
	w := newWorld(t, Config{})
	p := w.whip("live/show")
	p.drop = func(int, int) bool { return true }
	p.sending(t, 50)
	sub, ctx := w.subscribe("live/show")
	item, err := sub.Next(ctx)
	if err != nil || len(item.Tracks) != 1 || item.Tracks[0].Codec != media.Opus || item.Duration != 960 {
		t.Fatalf("%v %+v", err, item.Tracks)
	}
}

func TestKickedPublisherAndTakeOver(t *testing.T) {
	w := newWorld(t, Config{TakeOver: true})
	first := w.whip("live/show")
	first.sending(t, 50)
	w.subscribe("live/show")
	second := w.whip("live/show") // takes over
	second.sending(t, 50)
	w.until("the first has gone", func() bool { return w.gw.Stats().Publishers == 1 })
	if res, _ := w.do(http.MethodDelete, first.location, "", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("the first is still there: %s", res.Status)
	}
	infos := w.door.Sessions(func(i session.Info) bool { return i.Action == session.Publish })
	if len(infos) != 1 || infos[0].BytesIn == 0 || !w.door.Kick(infos[0].ID, nil) {
		t.Fatalf("%+v", infos)
	}
	w.until("the second has gone", func() bool { return w.gw.Stats().Publishers == 0 })
	<-w.done("live/show", hub.Away)
}

// An offer of which nothing can come is refused at once: its publisher would wait for a stream that never is.
func TestOffersThatSendNothing(t *testing.T) {
	w := newWorld(t, Config{})
	offer := strings.ReplaceAll(offerOf(t), "recvonly", "sendonly")
	for name, text := range map[string]string{
		"receives": strings.ReplaceAll(offer, "sendonly", "recvonly"), "idle": strings.ReplaceAll(offer, "sendonly", "inactive"),
		"unknown codecs": regexp.MustCompile(`(a=rtpmap:\d+) \w+/`).ReplaceAllString(strings.Replace(offer, " 0 8", "", 1), "$1 X-NONE/"),
	} {
		if res, body := w.do(http.MethodPost, "/live/show/whip", typeSDP, text); res.StatusCode != http.StatusNotAcceptable || !strings.Contains(body, "codec_not_in_webrtc") {
			t.Errorf("%s: %s %s", name, res.Status, body)
		}
	}
	if n := len(w.door.Sessions(nil)); n != 0 {
		t.Errorf("%d sessions are left at the door", n)
	}
}

// Browsers take no answer that has layers without the header extension that names them.
func TestSimulcastIsAnsweredWithOneLayer(t *testing.T) {
	w := newWorld(t, Config{})
	offer := strings.ReplaceAll(offerOf(t), "recvonly", "sendonly") + "a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n"
	res, body := w.do(http.MethodPost, "/live/show/whip", typeSDP, offer)
	if res.StatusCode != http.StatusCreated || strings.Contains(body, "simulcast") || strings.Contains(body, "a=rid:") {
		t.Errorf("%s %s", res.Status, body)
	}
}

// Who connects by HTTP and never by media is let go.
func TestHalfOpenSessionsEnd(t *testing.T) {
	w := newWorld(t, Config{Handshake: 200 * time.Millisecond})
	track, _ := clip(t)
	w.onAir("live/show", 50, track)
	offer := offerOf(t)
	for path, text := range map[string]string{"/live/show/whep": offer, "/live/other/whip": strings.ReplaceAll(offer, "recvonly", "sendonly")} {
		if res, body := w.do(http.MethodPost, path, typeSDP, text); res.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %s %s", path, res.Status, body)
		}
	}
	w.until("both have gone", func() bool { s := w.gw.Stats(); return s.Publishers+s.Viewers == 0 })
	if n := len(w.door.Sessions(nil)); n != 0 {
		t.Errorf("%d sessions are left at the door", n)
	}
}

// A viewer who vanishes without a word is noticed.
func TestSilentViewerEnds(t *testing.T) {
	w := newWorld(t, Config{Silence: 300 * time.Millisecond}) // pion's checks come every two seconds
	track, _ := clip(t)
	w.onAir("live/show", 50, track)
	w.watch("live/show")
	w.until("the viewer has gone", func() bool { return w.gw.Stats().Viewers == 0 })
}
