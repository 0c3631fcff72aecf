// Package transcode makes what a stream lacks out of what it has, with FFmpeg as
// a supervised child process: Opus for browsers, AAC for players, pictures for
// the console.
//
// What belongs here: finding FFmpeg, its arguments, its life, and the exact mapping
// of timestamps through it. What does not: who may ask (the hub's Supplier asks
// once for all), any wire protocol, and any codec of our own.
//
// A child gets its arguments as a list and never through a shell, reads and writes
// only pipes, may open no other protocol, is bounded in memory and dies with its
// whole process group.
package transcode

import (
	"context"
	"log/slog"
	"os/exec"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

// Config sets the limits. Zero values get the defaults.
type Config struct {
	FFmpeg    string // path of the program; empty: looked up on PATH
	Jobs      int    // conversions at once (default 64)
	Snapshots int    // pictures made at once (default 1)
	Sheets    int    // sheets of pictures made at once (default 1)
}

// Engine runs FFmpeg.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	jobs   chan struct{}
	snaps  chan struct{}
	sheets chan struct{}

	mu     sync.Mutex
	info   Info
	probed time.Time

	pictures pictures
	children sync.Map // *child, those that run
	count    counters
}

type counters struct {
	running                   atomic.Int64
	restarts, failed, refused atomic.Uint64
	pictures, sheets          atomic.Uint64
}

// Stats are the engine's figures.
type Stats struct {
	Running           int64  // conversions now
	Restarts          uint64 // of children that died
	Failed            uint64 // conversions given up
	Refused           uint64 // for lack of FFmpeg or over the limit
	Pictures          uint64 // made
	Sheets            uint64 // made
	PicturesRemembers int    // streams whose last picture is kept
}

// New returns an engine. It starts nothing.
func New(cfg Config, log *slog.Logger) *Engine {
	if cfg.Jobs == 0 {
		cfg.Jobs = 64
	}
	if cfg.Snapshots == 0 {
		cfg.Snapshots = 1
	}
	if cfg.Sheets == 0 {
		cfg.Sheets = 1
	}
	return &Engine{
		cfg: cfg, log: log, jobs: make(chan struct{}, cfg.Jobs), snaps: make(chan struct{}, cfg.Snapshots),
		sheets:   make(chan struct{}, cfg.Sheets),
		pictures: pictures{shots: map[*hub.Stream]*shot{}},
	}
}

// Stats gives the figures so far.
func (e *Engine) Stats() Stats {
	c := &e.count
	return Stats{
		Running: c.running.Load(), Restarts: c.restarts.Load(), Failed: c.failed.Load(), Refused: c.refused.Load(),
		Pictures: c.pictures.Load(), Sheets: c.sheets.Load(), PicturesRemembers: e.pictures.len(),
	}
}

// Info tells which FFmpeg there is.
type Info struct {
	Available bool
	Version   string
	Path      string
}

// versionLine is the first line of "ffmpeg -version".
var versionLine = regexp.MustCompile(`^ffmpeg version (\S+)`)

// Probe finds FFmpeg. The answer is kept for a minute, so that one installed later is found. The error is
// the fault "ffmpeg_missing".
func (e *Engine) Probe(ctx context.Context) (Info, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	const keep = time.Minute
	if e.probed.IsZero() || time.Since(e.probed) > keep {
		e.info = e.look(ctx)
		e.probed = time.Now()
	}
	if !e.info.Available {
		return e.info, errMissing()
	}
	return e.info, nil
}

func errMissing() error {
	return fault.New(fault.Unavailable, "ffmpeg_missing", "FFmpeg is not installed on the server, so audio is not converted and no pictures are made.",
		"Install it (apt install ffmpeg); it is found within a minute.")
}

func (e *Engine) look(ctx context.Context) Info {
	name := e.cfg.FFmpeg
	if name == "" {
		name = "ffmpeg"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return Info{}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-hide_banner", "-version").Output()
	if m := versionLine.FindSubmatch(out); err == nil && m != nil {
		return Info{Available: true, Version: string(m[1]), Path: path}
	}
	return Info{}
}

// Supply makes a track of r.Codec (Opus or AAC) for the stream until ctx ends; it is what the hub's Supplier calls.
// Errors: ffmpeg_missing, conversion_unsupported, no_audio, too_many_conversions, conversion_failed.
func (e *Engine) Supply(ctx context.Context, r hub.Request) error {
	if r.Stream == nil || r.Codec != media.Opus && r.Codec != media.AAC {
		return fault.New(fault.Unsupported, "conversion_unsupported", "Weir does not make "+r.Codec.String()+".", "")
	}
	info, err := e.Probe(ctx)
	if err != nil {
		e.count.refused.Add(1)
		return err
	}
	if source(r.Stream.Tracks(), r.Codec) == nil {
		return fault.New(fault.NotFound, "no_audio", "The stream has no audio to convert.", "")
	}
	select {
	case e.jobs <- struct{}{}:
		defer func() { <-e.jobs }()
	default:
		e.count.refused.Add(1)
		return fault.New(fault.TooMany, "too_many_conversions", "The server already converts as many streams as it may.", "Try again when fewer streams are converted.")
	}
	e.count.running.Add(1)
	defer e.count.running.Add(-1)
	return e.convert(ctx, info.Path, r)
}

// source chooses the audio to convert: the best published track of another codec.
func source(tracks []media.Track, to media.Codec) *media.Track {
	var best *media.Track
	for i := range tracks {
		t := &tracks[i]
		if t.Kind == media.Audio && !t.Derived && t.Codec != to && (best == nil || t.Rank < best.Rank) {
			best = t
		}
	}
	return best
}
