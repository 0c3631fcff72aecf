package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/format/cmaf/trackfile"
	"weir/internal/media"
	"weir/internal/segmenter"
	"weir/internal/testpattern"
	"weir/internal/timeline"
	"weir/internal/timeline/index"
)

const (
	pastCameras = 100
	pastAsked   = 300 // random ranges
	segmentTime = 2 * time.Second
)

// pastJobs look into the past of many cameras. The index is generated once and kept in the temporary folder.
func pastJobs() []job {
	return []job{{
		name: "past", what: fmt.Sprintf("a random 10 s of %d cameras over many days: playlist and first byte; the timeline of a day", pastCameras),
		peers: []string{"weir-past"}, measure: pastOf,
		bars: []bar{{"weir-past", "first_byte_p95_ms", 50, ""}, {"weir-past", "day_p95_ms", 20, ""}},
	}}
}

// archive is a data folder with an index of many cameras' footage. The rows all describe one real minute; the few files that
// are asked for are there, as links to it.
type archive struct {
	dir   string
	days  int
	start time.Time
}

func (b *bench) archive(ctx context.Context) (*archive, error) {
	a := &archive{dir: filepath.Join(os.TempDir(), fmt.Sprintf("weir-bench-past-%dx%d", b.days, pastCameras)), days: b.days}
	a.start = time.Now().Add(-time.Duration(b.days) * 24 * time.Hour).Truncate(24 * time.Hour)
	mark := filepath.Join(a.dir, "done")
	if text, err := os.ReadFile(mark); err == nil {
		return a, a.start.UnmarshalText(text)
	}
	if err := os.RemoveAll(a.dir); err != nil {
		return nil, err
	}
	fmt.Println("  (generating the index of the past; this takes some minutes and is done once)")
	if err := a.fill(ctx); err != nil {
		return nil, err
	}
	text, err := a.start.MarshalText()
	if err != nil {
		return nil, err
	}
	return a, os.WriteFile(mark, text, 0o600)
}

func (a *archive) folder() string { return filepath.Join(a.dir, "timeline") }

// minute records one minute of the pattern as the server would, and returns its rows.
func (a *archive) minute(ctx context.Context) ([]index.File, *index.Run, error) {
	log := slog.New(slog.DiscardHandler)
	store, err := timeline.NewStore(timeline.Config{Dir: a.folder(), Keep: func(string) timeline.Keep { return timeline.Keep{For: -1} }}, log)
	if err != nil {
		return nil, nil, err
	}
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- store.Run(run) }()
	err = record(store, "template", a.start, time.Minute)
	stop()
	<-done
	store.Close()
	if err != nil {
		return nil, nil, err
	}
	db, err := a.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	files, err := db.Files(ctx, "template", a.start, a.start.Add(time.Hour))
	last, err2 := db.LastRun(ctx, "template")
	if err := errors.Join(err, err2, db.Close()); err != nil {
		return nil, nil, err
	}
	if len(files) < 2 || last == nil {
		return nil, nil, fmt.Errorf("the minute has %d files", len(files))
	}
	return files, last, nil
}

// record plays the pattern through segmenter and timeline.
func record(store *timeline.Store, name string, origin time.Time, length time.Duration) error {
	tl, err := store.Open(name)
	if err != nil {
		return err
	}
	src, err := testpattern.New(testpattern.Options{Width: 640, Height: 360, Bitrate: smallRate, Audio: true})
	if err != nil {
		return err
	}
	tracks := src.Tracks()
	r := timeline.Run{Start: origin, FirstN: origin.UnixNano() / int64(segmentTime), SegmentDuration: segmentTime, PartDuration: 200 * time.Millisecond}
	for i := range tracks {
		header, err := cmaf.Init(tracks[i])
		if err != nil {
			return err
		}
		r.Renditions = append(r.Renditions, timeline.Rendition{Name: tracks[i].Kind.String()[:1] + "0", Track: tracks[i], Init: header})
	}
	if r, err = tl.BeginRun(r); err != nil {
		return err
	}
	cut := segmenter.NewCutter(&r, tl.Append)
	for src.Due() < length {
		f := src.Next(origin.Add(src.Due()))
		shift := media.Find(tracks, f.Track).Ticks(time.Duration(origin.UnixNano()))
		f.DTS, f.PTS = f.DTS+shift, f.PTS+shift
		if err := cut.Add(&f); err != nil {
			return err
		}
	}
	if err := cut.Flush(); err != nil {
		return err
	}
	tl.EndRun()
	return store.Flush()
}

func (a *archive) open(ctx context.Context) (*index.DB, error) {
	var id struct {
		UUID       string `json:"uuid"`
		Generation int64  `json:"generation"`
	}
	text, err := os.ReadFile(filepath.Join(a.folder(), "volume.json"))
	if err == nil {
		err = json.Unmarshal(text, &id)
	}
	if err != nil {
		return nil, err
	}
	db, _, err := index.Open(ctx, a.folder(), id.UUID, id.Generation)
	return db, err
}

func camera(i int) string { return fmt.Sprintf("cameras/site-%02d/cam-%03d", i%10, i) }

// objectOf names the copy of one of the minute's files.
func objectOf(i, minute int, template string) string {
	return fmt.Sprintf("%s/%d/%s", camera(i), minute, filepath.Base(template))
}

// fill adds a row for each minute, camera and rendition, in the order of time.
func (a *archive) fill(ctx context.Context) error {
	template, run, err := a.minute(ctx)
	if err != nil {
		return err
	}
	db, err := a.open(ctx)
	if err != nil {
		return err
	}
	var b index.Batch
	for i := range pastCameras {
		r := *run
		r.Timeline, r.End = camera(i), a.start.Add(time.Duration(a.days)*24*time.Hour)
		r.LastN = r.FirstN + int64(a.days)*24*3600/2
		b.Runs = append(b.Runs, r)
	}
	for minute := range a.days * 24 * 60 {
		for i := range pastCameras {
			for _, f := range template {
				moved, err := shifted(f, i, minute)
				if err != nil {
					return errors.Join(err, db.Close())
				}
				b.Files = append(b.Files, moved)
			}
		}
		if len(b.Files) >= 20_000 {
			if err := db.Apply(ctx, b); err != nil {
				return errors.Join(err, db.Close())
			}
			b = index.Batch{Files: b.Files[:0]}
		}
	}
	return errors.Join(db.Apply(ctx, b), db.Close())
}

// shifted is the row of the same bytes, some minutes later.
func shifted(f index.File, i, minute int) (index.File, error) {
	segs, err := trackfile.ParseGroups(f.Groups)
	if err != nil {
		return f, err
	}
	by := time.Duration(minute) * time.Minute
	scale := int64(90_000)
	if f.Rendition[0] == 'a' {
		scale = 48_000
	}
	for k := range segs {
		segs[k].N += int64(by / segmentTime)
		segs[k].Start += int64(by/time.Second) * scale
		segs[k].DTS += int64(by/time.Second) * scale
	}
	f.Timeline, f.Object, f.Groups = camera(i), objectOf(i, minute, f.Object), trackfile.AppendGroups(nil, segs)
	f.From, f.To = f.From.Add(by), f.To.Add(by)
	f.FirstN += int64(by / segmentTime)
	f.LastN += int64(by / segmentTime)
	f.Seq += 2 * minute
	return f, nil
}

// link puts the files of a camera's minutes where their rows say.
func (a *archive) link(i int, minutes ...int) error {
	template, err := filepath.Glob(filepath.Join(a.folder(), "sealed/template/*/*.mp4"))
	if err != nil || len(template) < 2 {
		return fmt.Errorf("the archive's minute is gone: %v %w", template, err)
	}
	for _, minute := range minutes {
		for _, from := range template {
			to := filepath.Join(a.folder(), "sealed", objectOf(i, minute, from))
			if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
				return err
			}
			if err := os.Link(from, to); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
		}
	}
	return nil
}

// pastOf asks for random ranges as a player would: the list of the ten seconds, its header, the first byte of its first segment.
func pastOf(ctx context.Context, b *bench, p *peer) (figures, error) {
	a, err := b.archive(ctx)
	if err != nil {
		return nil, err
	}
	dice := rand.New(rand.NewPCG(7, 7))
	var first, day []float64
	for k := range pastAsked {
		i, second := dice.IntN(pastCameras), 60+dice.IntN(a.days*24*3600-200)
		if err := a.link(i, (second-3)/60, second/60, (second+13)/60); err != nil {
			return nil, err
		}
		from := a.start.Add(time.Duration(second) * time.Second)
		took, err := p.firstByte(ctx, camera(i), from, from.Add(10*time.Second))
		if err != nil {
			return nil, err
		}
		if k >= pastAsked/10 { // warm
			first = append(first, took)
		}
	}
	token, err := b.token(ctx, p)
	if err != nil {
		return nil, err
	}
	for range 60 {
		from := a.start.Add(time.Duration(dice.IntN(max(a.days-1, 1))) * 24 * time.Hour)
		q := url.Values{"from": {from.UTC().Format(time.RFC3339)}, "to": {from.Add(24 * time.Hour).UTC().Format(time.RFC3339)}}
		began := time.Now()
		if err := p.ask(ctx, "/api/v1/timelines/"+url.PathEscape(camera(dice.IntN(pastCameras)))+"?"+q.Encode(), token); err != nil {
			return nil, err
		}
		day = append(day, float64(time.Since(began))/1e6)
	}
	slices.Sort(first)
	slices.Sort(day)
	return figures{
		"first_byte_p50_ms": middle(first), "first_byte_p95_ms": first[len(first)*95/100], "day_p50_ms": middle(day), "day_p95_ms": day[len(day)*95/100],
		"ready_ms": float64(p.ready.Sub(p.started)) / 1e6, "resident_mib": float64(p.memory()) / mib,
	}, nil
}

// firstByte takes the time from the first request to the first byte of media.
func (p *peer) firstByte(ctx context.Context, name string, from, to time.Time) (ms float64, err error) {
	base := fmt.Sprintf("http://127.0.0.1:%d/%s/", p.http, name)
	q := url.Values{"from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}}
	began := time.Now()
	text, err := fetch(base + "v0.m3u8?" + q.Encode())
	if err != nil {
		return 0, err
	}
	segment := ""
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "seg-") && segment == "" {
			segment = strings.TrimSpace(line)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+segment, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var one [1]byte
	if _, err := io.ReadFull(resp.Body, one[:]); err != nil || resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s %w", segment, resp.Status, err)
	}
	ms = float64(time.Since(began)) / 1e6
	_, err = io.Copy(io.Discard, resp.Body)
	return ms, err
}

// ask is a request to the API.
func (p *peer) ask(ctx context.Context, path, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", p.http, path), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %.200s", path, resp.Status, body)
	}
	return err
}
