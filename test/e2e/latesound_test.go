package e2e

import (
	"testing"
	"time"

	"weir/internal/testpattern"
)

// lateSound is what latesound.mjs saw of one player.
type lateSound struct {
	Name, Engine, Phase string
	Frames, Sound       int
	At, Wall            float64 // seconds; epoch ms, where the page knows it
	Errors              []string
}

// TestShow_2_5_SoundThatBeginsLate: a publisher sends pictures alone for a while, whether it has announced sound or not, and the watch
// page gives the sound that then begins, in every mode, by itself. Other players play on; they get it when they load the stream anew.
func TestShow_2_5_SoundThatBeginsLate(t *testing.T) { soundBeginsLate(t, false) }

// TestShow_2_5_AnnouncedSoundThatBeginsLate is the same where the publisher says from the beginning that there will be sound.
func TestShow_2_5_AnnouncedSoundThatBeginsLate(t *testing.T) {
	long(t)
	soundBeginsLate(t, true)
}

func soundBeginsLate(t *testing.T, announced bool) {
	w := start(t)
	needUI(t, w)
	modes := []string{"whep", "flv", "ll-hls", "hls", "dash"}
	name := "late/bare"
	if announced {
		name = "late/announced"
	}
	o := testpattern.Options{Width: 320, Height: 180, FPS: 25, GOP: time.Second, Bitrate: 300_000, Audio: announced}
	f := w.feed(t, name, w.key("late/*"), o)
	f.mute = true
	stamp := from(1000)
	f.run(t, 7*time.Second, stamp)
	var players []map[string]any
	for _, mode := range modes {
		players = append(players, map[string]any{"name": "page " + mode, "page": true, "url": w.http("/" + name + "?mode=" + mode)})
	}
	for _, p := range overJoints {
		players = append(players, map[string]any{"name": p[0] + " " + p[1], "engine": p[0], "url": w.beside(name, p[1]), "low": p[0] == "hls.js"})
	}
	s := newScene(t, "latesound", map[string]any{"players": players, "looks": 2})
	look := func() (seen []lateSound) {
		s.say("look")
		for range players {
			var v lateSound
			s.await("looked", 40*time.Second, &v)
			seen = append(seen, v)
		}
		return seen
	}
	f.run(t, 24*time.Second, stamp)
	before := look()
	if f.mute = false; !announced {
		f.addSound(t, o, stamp)
	}
	const patience = 28 * time.Second // six questions at most, and a start
	f.run(t, f.source.Due()+patience, stamp)
	for i, v := range look() {
		t.Logf("announced %v, %s: frames %d, then %d; sound %d, then %d; %v", announced, v.Name, before[i].Frames, v.Frames, before[i].Sound, v.Sound, v.Errors)
		page := i < len(modes)
		if before[i].Sound > 0 || v.Frames == 0 || len(v.Errors) > 0 || page && (v.Phase != "playing" || v.Engine != modes[i]) {
			t.Errorf("announced %v: %+v after %+v", announced, v, before[i])
		}
		if page && v.Sound == 0 && v.Name != "page whep" { // Chromium does not count what comes over WebRTC
			t.Errorf("announced %v, %s: no sound", announced, v.Name)
		}
	}
	_ = f.c.conn.Close()
}

// addSound goes on with a track of sound beside the pictures, which begins now.
func (f *feed) addSound(t *testing.T, o testpattern.Options, stamp func(ms int64) uint32) {
	t.Helper()
	begun, sent := f.begun, f.source.Due()
	o.Audio = true
	f.begin(t, o)
	for f.source.Due() < sent {
		f.source.Next(time.Now()) // what was sent in the other form
	}
	f.begun = begun
	f.headers(t, stamp(sent.Milliseconds()))
}
