// Package docs holds no code: its tests keep what is written here true. What belongs here: checks of links and words,
// and the parts of the reference that come out of the source. What does not: pages that are generated whole.
package docs

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are all texts for people, by path from here.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	read := func(path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = string(b)
	}
	readmes, err := filepath.Glob("../README*.md")
	if err != nil || len(readmes) < 2 {
		t.Fatal("the READMEs are gone", err)
	}
	for _, p := range readmes {
		read(p)
	}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			read(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	fenced = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	spaced = regexp.MustCompile("`[^`\n]+`")
)

func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		text = fenced.ReplaceAllString(text, "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
				continue
			}
			if u.Scheme != "" || u.Host != "" {
				continue
			}
			target := page
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(page), u.Path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
				continue
			}
			if u.Fragment != "" && !anchors(all[target])[u.Fragment] {
				t.Errorf("%s links to %s, which has no such heading", page, m[1])
			}
		}
	}
}

var heading = regexp.MustCompile(`(?m)^#+ (.*)$`)

// anchors are the headings of a page as GitHub names them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := strings.ToLower(strings.ReplaceAll(m[1], " ", "-"))
		out[regexp.MustCompile("[^\\p{L}\\p{N}_-]").ReplaceAllString(name, "")] = true
	}
	return out
}

// Each guide and each page of the reference is there in both languages.
func TestBothLanguages(t *testing.T) {
	all := pages(t)
	count := 0
	for page := range all {
		for lang, other := range map[string]string{".en.md": ".zh.md", ".zh.md": ".en.md"} {
			base, ok := strings.CutSuffix(page, lang)
			if !ok {
				continue
			}
			count++
			if _, ok := all[base+other]; !ok {
				t.Errorf("%s has no %s", page, other)
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d pages were found", count)
	}
}

// Configuration keys that a text names exist. The list of keys is the reference, which a test of cmd/weir holds against the program.
func TestNamedKeysExist(t *testing.T) {
	all := pages(t)
	known, heads := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(all["ref/configuration.en.md"], -1) {
		known[m[1]] = true
		head, _, _ := strings.Cut(m[1], ".")
		heads[head], known[head] = true, true
	}
	if len(known) < 40 {
		t.Fatalf("only %d keys were found", len(known))
	}
	// Events that have the head of a section.
	events := map[string]bool{"publish.refused": true, "recording.started": true, "recording.finished": true, "recording.deleted": true}
	dotted := regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)+$`)
	advised := regexp.MustCompile(`\b(?:[Rr]aise|[Ss]et) ([a-z_]+(?:\.[a-z_]+)+)\b`)
	bare := regexp.MustCompile(`\b[a-z_]+(?:\.[a-z_]+)+\b`)
	for page, text := range all {
		for _, m := range spaced.FindAllString(fenced.ReplaceAllString(text, ""), -1) {
			key := strings.Trim(m, "`")
			head, _, _ := strings.Cut(key, ".")
			if dotted.MatchString(key) && heads[head] && !known[key] && !events[key] {
				t.Errorf("%s names the configuration key %s, which does not exist", page, key)
			}
		}
		if !strings.HasPrefix(page, "ref/errors.") {
			continue
		}
		for _, key := range bare.FindAllString(text, -1) { // remedies name keys without quotes
			if head, _, _ := strings.Cut(key, "."); heads[head] && !known[key] {
				t.Errorf("%s names the configuration key %s, which does not exist", page, key)
			}
		}
		for _, m := range advised.FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				t.Errorf("%s says to change %s, which does not exist", page, m[1])
			}
		}
	}
}

// Codes that a guide names as codes exist in the reference of errors or among the findings of health.
func TestNamedCodesExist(t *testing.T) {
	known := codes(t)
	words, err := os.ReadFile("../internal/health/words.go")
	if err != nil {
		t.Fatal(err)
	}
	for page, text := range pages(t) {
		if !strings.HasPrefix(page, "guide/troubleshoot.") {
			continue
		}
		found := 0
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(text, -1) {
			found++
			if known[m[1]] == nil && !strings.Contains(string(words), `"`+m[1]+`"`) {
				t.Errorf("%s names the code %s, which does not exist", page, m[1])
			}
		}
		if found < 20 {
			t.Errorf("%s names only %d codes", page, found)
		}
		for _, m := range regexp.MustCompile(`case "([a-z_]+)":`).FindAllStringSubmatch(string(words), -1) {
			if !strings.Contains(text, "`"+m[1]+"`") {
				t.Errorf("%s does not explain the finding %s", page, m[1])
			}
		}
	}
}
