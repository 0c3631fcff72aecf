package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"
	"time"
)

// What a crash may cost: the stated sync interval, and the open part, which is complete when the next one's first frame is there.
const (
	syncInterval = time.Second
	openPart     = 320 * time.Millisecond
)

// TestShow_3_2_KillNine is the short form: four kills.
func TestShow_3_2_KillNine(t *testing.T) {
	t.Parallel()
	killNine(t, 4)
}

// TestShow_3_2_KillNineTwoHundredTimes is the line itself.
func TestShow_3_2_KillNineTwoHundredTimes(t *testing.T) {
	long(t)
	killNine(t, 200)
}

// kill ends the server as the kernel does when memory runs out.
func (w *weir) kill() {
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait() // "signal: killed"
}

// killNine records eight streams and kills the server at random instants. After each restart everything that was sent
// before the sync interval and the open part is there exactly once, the files play, and the recordings that were
// acknowledged are whole.
func killNine(t *testing.T, times int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	w := start(t)
	key := w.key("live/*")
	for round := range times {
		what := fmt.Sprintf("kill %d", round+1)
		begun := time.Now()
		streams := make([]*ledger, 8)
		for i := range streams {
			streams[i] = w.publishLedger(t, fmt.Sprintf("live/s%d", i), key)
		}
		pause(t, 1500*time.Millisecond+time.Duration(dice.IntN(2500))*time.Millisecond)
		acked := w.acknowledged(t, streams[0].name, begun)
		pause(t, time.Duration(dice.IntN(700))*time.Millisecond)
		died := time.Now()
		w.kill()
		for _, l := range streams {
			l.stop()
		}
		if round == 0 || round == times-1 {
			filesPlay(t, footageFiles(t, w.data)...)
		}
		w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
		for _, l := range streams {
			found, err := w.footage(t, l.name, begun.Add(-5*time.Second), died.Add(5*time.Second))
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			kept(t, what, l, found, begun, died.Add(-syncInterval-openPart), died)
		}
		w.stillThere(t, what, acked, streams[0])
		if t.Failed() {
			return
		}
	}
	w.stop()
	filesPlay(t, footageFiles(t, w.data)...)
	sound(t, w.data)
}

// recording is what the API said of a recording that was acknowledged.
type recording struct {
	ID       string
	From, To time.Time
	Complete bool
}

// acknowledged keeps what a stream has shown since from, up to now, and returns what the server promised.
func (w *weir) acknowledged(t *testing.T, name string, from time.Time) recording {
	t.Helper()
	var r recording
	now := time.Now()
	w.api(http.MethodPost, "/recordings", map[string]any{"stream": name, "from": stamp(from), "to": stamp(now)}, &r)
	return r
}

// stillThere holds a promise against what is there: the recording is listed, and its footage is complete up to its end.
func (w *weir) stillThere(t *testing.T, what string, r recording, l *ledger) {
	t.Helper()
	var now recording
	if err := w.tryAPI(http.MethodGet, "/recordings/"+r.ID, nil, &now); err != nil {
		t.Errorf("%s: an acknowledged recording is gone: %v", what, err)
		return
	}
	found, err := w.footage(t, l.name, r.From, r.To)
	if err != nil {
		t.Errorf("%s: an acknowledged recording has no footage: %v", what, err)
		return
	}
	// The part that was open at the acknowledgement could not be promised.
	kept(t, what+", acknowledged", l, found, r.From, r.To.Add(-openPart), r.To)
}

// TestShow_3_3_LostDatabase: an empty, a damaged or an old database deletes no footage, though all of it is older than the rule allows.
func TestShow_3_3_LostDatabase(t *testing.T) {
	t.Parallel()
	w := start(t)
	begun := time.Now()
	l := w.publishLedger(t, "live/a", w.key("live/*"))
	pause(t, 5*time.Second)
	l.stop()
	w.stop()
	old, err := os.ReadFile(w.data + "/timeline/index.db")
	if err != nil {
		t.Fatal(err)
	}
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	second := time.Now()
	l2 := w.publishLedger(t, "live/a", w.key("live/*"))
	pause(t, 5*time.Second)
	l2.stop()
	w.stop()
	files := len(footageFiles(t, w.data))
	w.args = append(w.args, "--recording.dvr", "1s", "--segments.window", "4s")
	for name, change := range map[string]func() error{
		"gone":    func() error { return removeAll(w.data + "/timeline/index.db*") },
		"garbage": func() error { return os.WriteFile(w.data+"/timeline/index.db", []byte("this is no database"), 0o600) },
		"old": func() error {
			if err := removeAll(w.data + "/timeline/index.db*"); err != nil {
				return err
			}
			return os.WriteFile(w.data+"/timeline/index.db", old, 0o600)
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
		eventually(t, 45*time.Second, name+": the footage to be found again" /* lists are good for half a minute */, func() error {
			for _, s := range []struct {
				l    *ledger
				from time.Time
			}{{l, begun}, {l2, second}} {
				found, err := w.footage(t, "live/a", s.from.Add(-time.Second), s.from.Add(10*time.Second))
				if err != nil {
					return err
				}
				if want := len(s.l.marks(s.from, s.from.Add(4*time.Second))); len(found) < want {
					return fmt.Errorf("%d pictures, sent %d", len(found), want)
				}
			}
			return nil
		})
		pause(t, 12*time.Second) // retention looks around in the meantime
		if n := len(footageFiles(t, w.data)); n < files {
			t.Errorf("%s: %d of %d files are left", name, n, files)
		}
		w.stop()
	}
}
