package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// recordJobs measure recorders with their default settings.
func recordJobs() []job {
	peers := []string{"weir", "mediamtx", "nginx-record"}
	bars := []bar{{"weir", "written_per_media_byte", 1.03, ""}, {"weir", "lost_publishers", 0, ""}}
	return []job{
		{name: "record-200", what: "200 streams of 0.5 Mbit/s recorded", peers: peers, measure: recorded(200, smallRate, [2]int{640, 360}), bars: bars},
		{name: "record-50", what: "50 streams of 4 Mbit/s recorded", peers: peers, measure: recorded(50, 4_000_000, [2]int{1280, 720}), bars: bars},
	}
}

// recorded is n publishers that are recorded.
func recorded(n, rate int, size [2]int) func(context.Context, *bench, *peer) (figures, error) {
	return func(ctx context.Context, b *bench, p *peer) (figures, error) {
		c, err := makeClip(rate, size)
		if err != nil {
			return nil, err
		}
		idle := p.memory()
		lost, stop := publishClips(ctx, p, c, n)
		defer stop()
		if err := settle(ctx, 8*time.Second); err != nil {
			return nil, err
		}
		cpu, io, began, syncs := p.cpu(), p.io(), time.Now(), p.syncs()
		if err := settle(ctx, max(b.seconds, 20*time.Second)); err != nil {
			return nil, err
		}
		took := time.Since(began)
		spent, wrote := (p.cpu() - cpu).Seconds(), p.io().minus(io)
		media := float64(n) * c.bytesPerSecond() * took.Seconds()
		f := figures{
			"cpu_share": spent / took.Seconds(), "mib_per_stream": float64(p.memory()-idle) / mib / float64(n),
			"written_per_media_byte": float64(wrote.storage) / media, "passed_per_media_byte": float64(wrote.passed) / media,
			"files_mib": float64(footage(p.dir)) / mib, "lost_publishers": float64(len(lost)), "cpu_s_per_gbyte": spent / (media / 1e9),
		}
		if syncs >= 0 {
			f["syncs_per_s"] = (p.syncs() - syncs) / took.Seconds()
		}
		return f, nil
	}
}

// bytesPerSecond is the media in a clip: frames without any container.
func (c *clip) bytesPerSecond() float64 {
	total := 0
	for i := range c.frames {
		total += len(c.frames[i].Data)
	}
	return float64(total) / c.length.Seconds()
}

// written is what processes have written: passed to write(2) into files and sockets alike, and dirtied pages of storage.
type written struct{ passed, storage int64 }

func (w written) minus(o written) written { return written{w.passed - o.passed, w.storage - o.storage} }

// io reads /proc/PID/io of the process tree.
func (p *peer) io() written {
	var out written
	for _, pid := range p.tree() {
		b, err := os.ReadFile("/proc/" + pid + "/io")
		if err != nil {
			continue // it has just ended
		}
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			v, _ := strconv.ParseInt(value, 10, 64)
			switch key {
			case "wchar":
				out.passed += v
			case "write_bytes":
				out.storage += v
			}
		}
	}
	return out
}

// syncs is how often Weir made footage durable, by its own count; -1 for other servers.
func (p *peer) syncs() float64 {
	if !strings.HasPrefix(p.name, "weir") {
		return -1
	}
	b, err := fetch(fmt.Sprintf("http://127.0.0.1:%d/metrics", p.http))
	if err != nil {
		return -1
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "weir_timeline_syncs_total "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err == nil {
				return v
			}
		}
	}
	return -1
}

// footage is the size of all files that a recorder made.
func footage(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil // files come and go under the walk
	})
	return total
}
