// Totals reads the JSON that `go test -json` printed, shows what failed, and ends with the counts.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
)

type event struct {
	Action, Package, Test, Output string
}

type key struct{ pkg, test string }

type tally struct {
	passed, failed, skipped int
	output                  map[key][]string
	broken                  []key
	skips                   []string
	tested                  map[string]bool // packages whose failure a test explains
}

func main() {
	t := tally{output: map[key][]string{}, tested: map[string]bool{}}
	for _, file := range os.Args[1:] {
		if err := t.read(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			t.failed++
		}
	}
	t.print(os.Stdout)
	if t.failed > 0 {
		os.Exit(1)
	}
}

func (t *tally) read(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for dec := json.NewDecoder(f); ; {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		t.count(e)
	}
}

func (t *tally) count(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output", "build-output":
		if len(t.output[k]) < 400 {
			t.output[k] = append(t.output[k], e.Output)
		}
	case "pass":
		if e.Test != "" {
			t.passed++
		}
		delete(t.output, k)
	case "skip":
		if e.Test != "" {
			t.skipped++
			t.skips = append(t.skips, e.Package+" "+e.Test)
		}
		delete(t.output, k)
	case "fail":
		if e.Test == "" && t.tested[e.Package] {
			return
		}
		t.tested[e.Package] = true
		t.failed++
		t.broken = append(t.broken, k)
	}
}

func (t *tally) print(w io.Writer) {
	sort.Strings(t.skips)
	for _, s := range t.skips {
		fmt.Fprintln(w, "skipped", s)
	}
	for _, k := range t.broken {
		fmt.Fprintf(w, "\nFAILED %s %s\n", k.pkg, k.test)
		for _, line := range t.output[k] {
			fmt.Fprint(w, line)
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
}
