package lint

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources are the package's files, the tests or the others.
func sources(t *testing.T, tests bool) string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	var b strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") != tests || strings.HasPrefix(f, "rules") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	return b.String()
}

var ruleID = regexp.MustCompile(`"((?:hls|ll|seg|mp4|ts|serve|dash|vtt)\.[a-z0-9_]+)"`)

func idsIn(text string) (list []string) {
	for _, m := range ruleID.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Each rule is applied somewhere, and what is applied has words; each rule has a test that plants its fault.
func TestRulesAreUsedAndTested(t *testing.T) {
	var table []string
	for _, r := range Rules("en") {
		table = append(table, r.ID)
		if r.Clause == "" || r.Say == "" || r.Remedy == "" {
			t.Errorf("%s lacks words", r.ID)
		}
	}
	slices.Sort(table)
	if twice := len(table) - len(slices.Compact(slices.Clone(table))); twice > 0 {
		t.Errorf("%d rules are there twice", twice)
	}
	used, tested := idsIn(sources(t, false)), idsIn(sources(t, true))
	for _, id := range table {
		if !slices.Contains(used, id) {
			t.Errorf("%s is never applied", id)
		}
		if !slices.Contains(tested, id) {
			t.Errorf("%s has no test", id)
		}
	}
	for _, id := range append(used, tested...) {
		if !slices.Contains(table, id) {
			t.Errorf("%s is no rule", id)
		}
	}
}

var verbForm = regexp.MustCompile(`%(\[\d\])?[vq]`)

// A sentence has the same facts in both languages.
func TestBothLanguages(t *testing.T) {
	en, zh := Rules("en"), Rules("zh-CN")
	for i := range en {
		w, ok := chinese[en[i].ID]
		if !ok {
			t.Errorf("%s has no Chinese words", en[i].ID)
			continue
		}
		if w.say == "" || w.remedy == "" || zh[i].Say != w.say {
			t.Errorf("%s: the Chinese words are not used", en[i].ID)
		}
		if a, b := len(verbForm.FindAllString(en[i].Say, -1)), len(verbForm.FindAllString(w.say, -1)); a != b {
			t.Errorf("%s: %d facts in English, %d in Chinese", en[i].ID, a, b)
		}
	}
	for id := range chinese {
		if !slices.ContainsFunc(en, func(r Rule) bool { return r.ID == id }) {
			t.Errorf("%s is no rule", id)
		}
	}
}

// found are the ids that a check reports, sorted; sentences must be whole.
func found(t *testing.T, check func(scope)) []string {
	t.Helper()
	c := newCollector("en")
	check(scope{c, "t", "http://t/"})
	var ids []string
	for _, f := range c.findings() {
		if strings.Contains(f.Sentence, "%!") || strings.Contains(f.Sentence, "a rule without words") {
			t.Errorf("%s: broken sentence %q", f.Rule, f.Sentence)
		}
		ids = append(ids, f.Rule)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// exactly holds that a planted fault is found by its rule and by no other but those that it breaks too.
func exactly(t *testing.T, got, base []string, rule string, also ...string) {
	t.Helper()
	if !slices.Contains(got, rule) {
		t.Errorf("%s is not found, but %v", rule, got)
	}
	for _, id := range got {
		if id != rule && !slices.Contains(also, id) && !slices.Contains(base, id) {
			t.Errorf("%s is found as well", id)
		}
	}
}
