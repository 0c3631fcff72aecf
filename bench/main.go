// Bench measures whole jobs side by side: Weir, nginx-rtmp and a bare-socket floor, in one run, on one machine, with
// every client's bytes verified. It prints a table and writes test/results/bench.json.
//
//	make bench                     all jobs, 7 interleaved rounds
//	go run ./bench -rounds 3 -only rtmp-500
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

type options struct {
	rounds  int
	seconds time.Duration
	only    string
	out     string
	days    int
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "floor" {
		if err := serveFloor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "interleaved rounds of each comparison")
	flag.DurationVar(&o.seconds, "time", 8*time.Second, "measured time of one run")
	flag.StringVar(&o.only, "only", "", "only jobs whose name contains this; several separated by commas")
	flag.StringVar(&o.out, "out", "test/results/bench.json", "where the figures go")
	flag.IntVar(&o.days, "days", 30, "how many days of the past the job past has")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// report is what is written: the figures of every run, and their summary.
type report struct {
	Date    string     `json:"date"`
	Commit  string     `json:"commit"`
	Machine string     `json:"machine"`
	Jobs    []jobTable `json:"jobs"`
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir}
	if b.weir, err = filepath.Abs("bin/weir"); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.nginx, err = exec.LookPath("nginx"); err != nil {
		return fmt.Errorf("nginx is required as a peer (apt-get install nginx libnginx-mod-rtmp): %w", err)
	}
	rep := report{Date: time.Now().UTC().Format(time.RFC3339), Machine: machine()}
	if rev, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output(); err == nil {
		rep.Commit = strings.TrimSpace(string(rev))
	}
	for _, j := range jobs() {
		if !wanted(o.only, j.name) {
			continue
		}
		table, err := b.compare(ctx, j)
		if err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		table.print(os.Stdout)
		rep.Jobs = append(rep.Jobs, table)
		if err := rep.write(o.out); err != nil {
			return err
		}
	}
	return nil
}

func wanted(only, name string) bool {
	if only == "" {
		return true
	}
	for part := range strings.SplitSeq(only, ",") {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func (r *report) write(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

func machine() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	model, cores := "", 0
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			model = strings.TrimSpace(value)
			cores++
		}
	}
	return fmt.Sprintf("%d × %s", cores, model)
}
