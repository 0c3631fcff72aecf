package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// clipJob downloads a range as one MP4; nginx serves the same bytes from a file.
func clipJob() job {
	return job{
		name: "clip", what: "clip.mp4 of 20 s to 20 clients as fast as they can; nginx: the same file", peers: []string{"weir", "nginx"}, measure: clips,
	}
}

func clips(ctx context.Context, b *bench, p *peer) (figures, error) {
	source, end, err := b.maker(ctx, p)
	defer end()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	stop := beside(ctx, func(ctx context.Context) error { return publishPattern(ctx, source.url("bench"), streamRate) })
	if err := settle(ctx, 26*time.Second); err != nil {
		return nil, err
	}
	if err := stop(); err != nil {
		return nil, err
	}
	q := url.Values{"from": {began.Add(3 * time.Second).UTC().Format(time.RFC3339)}, "to": {began.Add(23 * time.Second).UTC().Format(time.RFC3339)}}
	address := fmt.Sprintf("http://127.0.0.1:%d/live/bench/clip.mp4?%s", source.http, q.Encode())
	body, err := fetch(address)
	if err != nil {
		return nil, err
	}
	if p != source {
		source.stop()
		if err := os.WriteFile(filepath.Join(p.dir, "www", "clip.mp4"), body, 0o644); err != nil {
			return nil, err
		}
		address = fmt.Sprintf("http://127.0.0.1:%d/clip.mp4", p.http)
	}
	cpu := p.cpu()
	total, err := hammer(ctx, address, int64(len(body)), 20, b.seconds)
	if err != nil {
		return nil, err
	}
	gbit := float64(total) * 8 / 1e9
	spent := (p.cpu() - cpu).Seconds()
	return figures{"gbit_per_cpu_s": gbit / spent, "cpu_s_per_gbit": spent / gbit, "clip_mb": float64(len(body)) / 1e6}, nil
}
