package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"weir/internal/gateway/rtmp"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// ledger is what a publisher sent, kept outside of the server and its disk.
type ledger struct {
	name string
	stop func()

	mu   sync.Mutex
	sent []testpattern.Mark
	err  error
}

// publishLedger publishes the judge's picture, small, with a key frame each second, and writes down each counter.
func (w *weir) publishLedger(t *testing.T, name, key string) *ledger {
	t.Helper()
	src, err := testpattern.New(testpattern.Options{Width: 320, Height: 180, FPS: 25, GOP: time.Second, Bitrate: 300_000, Audio: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l := &ledger{name: name}
	frames := make(chan media.Frame, 64)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(frames)
		_ = src.Run(ctx, func(f media.Frame) error { // ends with ctx
			select {
			case frames <- f:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	wg.Go(func() {
		defer cancel()
		err := rtmp.Publish(ctx, rtmp.ClientConfig{URL: w.rtmp(name, key)}, src.Tracks(), func(ctx context.Context) (media.Frame, error) {
			select {
			case f := <-frames:
				l.note(f)
				return f, nil
			case <-ctx.Done():
				return media.Frame{}, context.Cause(ctx)
			}
		})
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
	})
	l.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(l.stop)
	return l
}

func (l *ledger) note(f media.Frame) {
	if m, ok := testpattern.ReadSEI(f.Data, media.H264); ok {
		l.mu.Lock()
		l.sent = append(l.sent, m)
		l.mu.Unlock()
	}
}

// marks are the pictures sent in a stretch of time.
func (l *ledger) marks(from, to time.Time) []testpattern.Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []testpattern.Mark
	for _, m := range l.sent {
		if m.SentMS >= from.UnixMilli() && m.SentMS < to.UnixMilli() {
			out = append(out, m)
		}
	}
	return out
}

// stamp writes a time as addresses have it.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// footage reads the pictures of a stream's past over HLS, as any player would get them, in the order of the playlist.
func (w *weir) footage(t *testing.T, name string, from, to time.Time) ([]testpattern.Mark, error) {
	t.Helper()
	query := "?" + url.Values{"from": {stamp(from)}, "to": {stamp(to)}}.Encode()
	text, status, err := get(w.beside(name, "v0.m3u8"+query))
	if err != nil || status != 200 {
		return nil, fmt.Errorf("%s: %d %.300s %w", name, status, text, err)
	}
	var out []testpattern.Mark
	inits := map[string][]byte{}
	for _, s := range parseMedia(t, text).segments {
		if s.uri == "" || s.gap {
			continue
		}
		if inits[s.init] == nil {
			if inits[s.init], status, err = get(w.beside(name, s.init)); err != nil || status != 200 {
				return nil, fmt.Errorf("%s: %d %w", s.init, status, err)
			}
		}
		body, status, err := get(w.beside(name, s.uri))
		if err != nil || status != 200 {
			return nil, fmt.Errorf("%s: %d %.200s %w", s.uri, status, body, err)
		}
		marks, err := marksOf(inits[s.init], body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.uri, err)
		}
		out = append(out, marks...)
	}
	return out, nil
}

// marksOf has mp4ff take a segment apart.
func marksOf(init, segment []byte) ([]testpattern.Mark, error) {
	f, err := mp4.DecodeFile(bytes.NewReader(slices.Concat(init, segment)))
	if err != nil {
		return nil, err
	}
	var out []testpattern.Mark
	for _, seg := range f.Segments {
		for _, frag := range seg.Fragments {
			samples, err := frag.GetFullSamples(f.Moov.Mvex.Trex)
			if err != nil {
				return nil, err
			}
			for i := range samples {
				m, ok := testpattern.ReadSEI(samples[i].Data, media.H264)
				if !ok {
					return nil, fmt.Errorf("sample %d has no mark", i)
				}
				out = append(out, m)
			}
		}
	}
	return out, nil
}

// kept holds footage against the ledger: what was sent in [from, to) is there exactly once and in order, but for a tail
// that may be missing from safe on.
func kept(t *testing.T, what string, l *ledger, found []testpattern.Mark, from, safe, to time.Time) {
	t.Helper()
	sent := l.marks(from, to)
	at := map[testpattern.Mark]int{}
	for i, m := range sent {
		at[m] = i
	}
	next := 0
	for _, m := range found {
		i, ok := at[m]
		if !ok {
			continue // of another session
		}
		if i != next {
			t.Errorf("%s: %s: picture %d follows %d", what, l.name, i, next-1)
			return
		}
		next++
	}
	for _, m := range sent[next:] {
		if m.SentMS < safe.UnixMilli() {
			t.Errorf("%s: %s: %d of %d pictures are there; the next was sent %d ms before what must be safe",
				what, l.name, next, len(sent), safe.UnixMilli()-m.SentMS)
			return
		}
	}
}

// footageFiles lists the track files of a data folder.
func footageFiles(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(filepath.Join(dir, "timeline"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".mp4") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// filesPlay has ffprobe count the packets of files. The last frame of one that nobody has finished may be torn, which players
// say and go over; a finished one gives no reason to say anything.
func filesPlay(t *testing.T, files ...string) {
	t.Helper()
	need(t, "ffprobe")
	for _, f := range files {
		cmd := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", f)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		n, _ := strconv.Atoi(strings.TrimSpace(string(out)))
		switch {
		case strings.Contains(f, "/open/") && n == 0 && small(f):
			// nothing but its head was written yet
		case err != nil || n == 0:
			t.Errorf("%s does not play: %v, %d packets, %s", f, err, n, &said)
		case said.Len() > 0 && !strings.Contains(f, "/open/"):
			t.Errorf("%s: %d packets, %s", f, n, &said)
		}
	}
}

func small(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Size() < 8192
}

// sound has `weir check` look at every byte of a data folder.
func sound(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "check", "--data_dir", dir)
	cmd.Dir, cmd.Env = dir, environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("weir check: %v\n%s", err, out)
	}
}
