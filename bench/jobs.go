package main

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"
)

// job is one measurement that is repeated for several peers in turn.
type job struct {
	name    string
	what    string
	peers   []string
	measure func(ctx context.Context, b *bench, p *peer) (figures, error)
	bars    []bar
}

// figures are what one run gives, by name; the unit is in the name.
type figures map[string]float64

// bar is a promise: the median of peer's figure is at most limit, or at most limit times the figure of another peer.
type bar struct {
	peer, figure string
	limit        float64
	than         string // another peer, "" for an absolute limit
}

// jobTable is the outcome of a job.
type jobTable struct {
	Name   string                `json:"name"`
	What   string                `json:"what"`
	Runs   map[string][]figures  `json:"runs"`
	Median map[string]figures    `json:"median"`
	Bars   []verdict             `json:"bars"`
	Spread map[string][2]figures `json:"spread"`
}

type verdict struct {
	Text   string  `json:"text"`
	Figure float64 `json:"figure"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Limit  float64 `json:"limit"`
	Met    bool    `json:"met"`
}

// compare runs the job's peers in turn, round after round, so that a machine whose speed drifts drifts for all of them.
func (b *bench) compare(ctx context.Context, j job) (jobTable, error) {
	t := jobTable{Name: j.name, What: j.what, Runs: map[string][]figures{}, Median: map[string]figures{}, Spread: map[string][2]figures{}}
	peers := here(j.peers)
	for round := range b.rounds {
		for _, name := range peers {
			f, err := b.once(ctx, j, name)
			if err != nil {
				return t, fmt.Errorf("%s, round %d: %w", name, round+1, err)
			}
			t.Runs[name] = append(t.Runs[name], f)
		}
	}
	for name, runs := range t.Runs {
		t.Median[name], t.Spread[name] = summary(runs)
	}
	for _, bar := range j.bars {
		t.Bars = append(t.Bars, t.hold(bar))
	}
	return t, nil
}

func (b *bench) once(ctx context.Context, j job, name string) (figures, error) {
	p, err := b.start(ctx, name)
	defer p.stop()
	if err != nil {
		return nil, err
	}
	return j.measure(ctx, b, p)
}

func summary(runs []figures) (median figures, spread [2]figures) {
	median, spread[0], spread[1] = figures{}, figures{}, figures{}
	for key := range runs[0] {
		var all []float64
		for _, r := range runs {
			all = append(all, r[key])
		}
		sort.Float64s(all)
		median[key], spread[0][key], spread[1][key] = middle(all), all[0], all[len(all)-1]
	}
	return median, spread
}

func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// hold compares round by round: the ratio of a pair that ran one after the other.
func (t *jobTable) hold(b bar) verdict {
	var all []float64
	for i, r := range t.Runs[b.peer] {
		v := r[b.figure]
		if b.than != "" {
			peer, figure, ok := strings.Cut(b.than, ":")
			if !ok {
				figure = b.figure
			}
			v /= t.Runs[peer][i][figure]
		}
		all = append(all, v)
	}
	sort.Float64s(all)
	v := verdict{Text: b.peer + " " + b.figure, Figure: middle(all), Min: all[0], Max: all[len(all)-1], Limit: b.limit}
	if b.than != "" {
		v.Text += " / " + b.than
	}
	v.Met = v.Figure <= b.limit
	return v
}

func (t *jobTable) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", t.Name, t.What)
	for _, name := range keys(t.Median) {
		fmt.Fprintf(w, "  %-14s", name)
		for _, key := range keys(t.Median[name]) {
			fmt.Fprintf(w, "  %s %.4g [%.4g %.4g]", key, t.Median[name][key], t.Spread[name][0][key], t.Spread[name][1][key])
		}
		fmt.Fprintln(w)
	}
	for _, v := range t.Bars {
		word := "met"
		if !v.Met {
			word = "MISSED"
		}
		fmt.Fprintf(w, "  %-6s %s = %.3g [%.3g %.3g], at most %.3g\n", word, v.Text, v.Figure, v.Min, v.Max, v.Limit)
	}
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

const mib = 1 << 20

// settle lets a crowd that has just joined get through its start burst.
func settle(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
