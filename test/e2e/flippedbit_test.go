package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// checked runs `weir check` on a data folder.
func checked(t *testing.T, data string) (findings string, damaged bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "check", "--data_dir", data)
	cmd.Dir, cmd.Env = data, environment()
	out, err := cmd.CombinedOutput()
	return string(out), err != nil
}

// everything fetches a stream's whole past and returns the sum of each segment, "" for what was refused, and how many gaps there are.
func (w *weir) everything(t *testing.T, name string, from, to time.Time) (sums map[string]string, gaps int) {
	t.Helper()
	sums = map[string]string{}
	for _, rendition := range []string{"v0", "a0"} {
		text, status, err := get(w.beside(name, rendition+".m3u8?from="+stamp(from)+"&to="+stamp(to)))
		if err != nil {
			t.Fatal(err)
		}
		if status != 200 {
			continue
		}
		for _, s := range parseMedia(t, text).segments {
			if s.gap || s.uri == "" {
				gaps++
				continue
			}
			body, status, err := get(w.beside(name, s.uri))
			uri, _, _ := strings.Cut(s.uri, "?")
			switch {
			case err != nil || status != 200: // broken off is as good as refused
				sums[uri] = ""
			default:
				sums[uri] = fmt.Sprintf("%x", sha256.Sum256(body))
			}
		}
	}
	return sums, gaps
}

// TestShow_3_2_FlippedBit: one flipped bit in a payload, a moof, an index block and the database is found by weir check and
// reported when read; no other bytes than the recorded ones are ever served.
func TestShow_3_2_FlippedBit(t *testing.T) {
	t.Parallel()
	w := start(t)
	begun := time.Now()
	l := w.publishLedger(t, "live/flip", w.key("live/*"))
	pause(t, 9*time.Second)
	l.stop()
	// A publisher that connects slowly sends what it had to hold back, so its last pictures may be dated a little later than now.
	from, to := begun.Add(-3*time.Second), time.Now().Add(3*time.Second)
	eventually(t, 10*time.Second, "the recording", func() error {
		if _, err := w.footage(t, "live/flip", from, to); err != nil {
			return err
		}
		return nil
	})
	w.stop()
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	found, err := w.footage(t, "live/flip", from, to)
	if err != nil {
		t.Fatal(err)
	}
	kept(t, "after a clean stop", l, found, from, to.Add(-3*time.Second-200*time.Millisecond), to)
	want, _ := w.everything(t, "live/flip", from, to)
	w.stop()
	if said, bad := checked(t, w.data); bad || len(want) < 6 {
		t.Fatalf("%d segments, and before anything was done: %s", len(want), said)
	}
	dice := rand.New(rand.NewPCG(uint64(begun.UnixNano()), 3))
	video := ""
	for _, f := range footageFiles(t, w.data) {
		if strings.Contains(filepath.Base(f), "v0") {
			video = f
		}
	}
	whole := mustRead(t, video)
	moof, mdat := bytes.Index(whole, []byte("moof")), bytes.LastIndex(whole, []byte("mdat"))
	for what, at := range map[string]int{
		"a payload": mdat + 40, "a moof": moof + 60, "an index block": len(whole) - 60, "the head": 200,
	} {
		w.flip(t, what, video, at, dice.IntN(8), "live/flip", from, to, want, true)
	}
	index := filepath.Join(w.data, "timeline/index.db")
	for range 12 {
		at := dice.IntN(len(mustRead(t, index)))
		w.flip(t, fmt.Sprintf("the database at %d", at), index, at, dice.IntN(8), "live/flip", from, to, want, false)
	}
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// flip turns one bit, looks, and turns it back. must: weir check has to find it; else it may lie where nothing is kept, and then
// everything must be served as it was.
func (w *weir) flip(t *testing.T, what, file string, at, bit int, name string, from, to time.Time, want map[string]string, must bool) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "data")
	if out, err := exec.Command("cp", "-a", w.data, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	rel, err := filepath.Rel(w.data, file)
	if err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(copied, rel)
	b := mustRead(t, victim)
	b[at] ^= 1 << bit
	if err := os.WriteFile(victim, b, 0o600); err != nil {
		t.Fatal(err)
	}
	said, found := checked(t, copied)
	if must && !found {
		t.Errorf("%s: weir check finds nothing: %s", what, said)
	}
	v := &weir{t: t, data: copied, logs: &tail{}}
	v.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	defer v.stop()
	served, refused := 0, 0
	got, gaps := v.everything(t, name, from, to)
	for uri, sum := range got {
		switch sum {
		case want[uri]:
			served++
		case "":
			refused++
		default:
			t.Errorf("%s: %s is served with other bytes", what, uri)
		}
	}
	if served+refused < len(want) && !found {
		t.Errorf("%s: %d of %d segments are listed, and weir check found nothing", what, served+refused, len(want))
	}
	if refused > 0 && v.metric(t, "weir_timeline_damaged_total") == 0 {
		t.Errorf("%s: a segment was refused, and the metric does not tell", what)
	}
	t.Logf("%s: found %v; %d segments as recorded, %d refused, %d gaps", what, found, served, refused, gaps)
}
