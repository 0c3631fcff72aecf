package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The reference is written out of the program, so that it cannot tell of what is not there.
// go test ./cmd/weir -run Reference -update writes it.
var update = flag.Bool("update", false, "write docs/ref anew")

const docs = "../../docs"

// chinese holds the words of docs/ref/zh.json; each must be used, and none may be missing.
type chinese struct {
	Settings, Commands, Flags, Operations map[string]string
}

func readChinese(t *testing.T) chinese {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(docs, "ref/zh.json"))
	if err != nil {
		t.Fatal(err)
	}
	var zh chinese
	if err := json.Unmarshal(b, &zh); err != nil {
		t.Fatal(err)
	}
	return zh
}

// words is a column of the reference in one language.
type words struct {
	t    *testing.T
	zh   map[string]string // nil: English
	used map[string]bool
}

func (w *words) of(key, english string) string {
	if w.zh == nil || english == "" {
		return english
	}
	w.used[key] = true
	if w.zh[key] == "" {
		w.t.Errorf("docs/ref/zh.json lacks %q: %s", key, english)
	}
	return w.zh[key]
}

func (w *words) done() {
	for key := range w.zh {
		if !w.used[key] {
			w.t.Errorf("docs/ref/zh.json has %q, which is nowhere", key)
		}
	}
}

// compare holds the generated part of a page against what it should be; the text above the mark is written by hand.
func compare(t *testing.T, name, want string) {
	t.Helper()
	const mark = "<!-- generated below this line -->\n"
	file := filepath.Join(docs, "ref", name)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, have, ok := strings.Cut(string(b), mark)
	if !ok {
		t.Fatalf("%s lacks %s", name, mark)
	}
	want = "\n" + want
	if *update {
		if err := os.WriteFile(file, []byte(head+mark+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("%s is not what the program says; go test ./cmd/weir -run Reference -update writes it anew:\n%s", name, d)
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func TestReferenceOfTheConfiguration(t *testing.T) {
	zh := readChinese(t)
	for _, lang := range []string{"en", "zh"} {
		w := &words{t: t, used: map[string]bool{}}
		head, at := "| key | default | meaning | a change takes effect |\n|---|---|---|---|\n", map[string]string{"": "at once"}
		if lang == "zh" {
			w.zh, head, at = zh.Settings, "| 键 | 默认值 | 含义 | 改动生效时间 |\n|---|---|---|---|\n", map[string]string{
				"": "立即", takesConnections: "此后的连接", takesPublishers: "下一次推流开始时", takesStreams: "此后开始的流", takesStart: "下次启动",
			}
		}
		var b strings.Builder
		s := defaultSettings()
		var walk func(prefix string, v reflect.Value)
		walk = func(prefix string, v reflect.Value) {
			for i := range v.NumField() {
				f := v.Type().Field(i)
				when := at[f.Tag.Get("takes")]
				if when == "" {
					when = whenTaken(f.Tag.Get("takes"))
				}
				path, doc := prefix+f.Tag.Get("yaml"), w.of(prefix+f.Tag.Get("yaml"), f.Tag.Get("doc"))
				switch k := f.Type.Kind(); {
				case scalar(f.Type):
					value := "`" + yamlValue(v.Field(i)) + "`"
					if strings.HasPrefix(path, "hooks.") || strings.Contains(path, "[]") {
						value = ""
					}
					fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", path, value, cell(doc), when)
				case k == reflect.Map:
					fmt.Fprintf(&b, "| `%s` | | %s | |\n", path, cell(doc))
					walk(path+".<app>.", reflect.Zero(f.Type.Elem()))
				case k == reflect.Slice:
					fmt.Fprintf(&b, "| `%s` | | %s | |\n", path, cell(doc))
					walk(path+"[].", reflect.Zero(f.Type.Elem()))
				default:
					if doc != "" {
						fmt.Fprintf(&b, "| `%s` | | %s | |\n", path, cell(doc))
					}
					walk(path+".", v.Field(i))
				}
			}
		}
		walk("", reflect.ValueOf(s))
		w.done()
		compare(t, "configuration."+lang+".md", head+b.String())
	}
}

func TestReferenceOfTheCommands(t *testing.T) {
	zh := readChinese(t)
	for _, lang := range []string{"en", "zh"} {
		w, f := &words{t: t, used: map[string]bool{}}, &words{t: t, used: map[string]bool{}}
		if lang == "zh" {
			w.zh, f.zh = zh.Commands, zh.Flags
		}
		var b strings.Builder
		var walk func(c *cobra.Command)
		walk = func(c *cobra.Command) {
			if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
				return
			}
			fmt.Fprintf(&b, "## %s\n\n%s\n", c.CommandPath(), w.of(c.CommandPath(), c.Short))
			if !c.HasParent() || !c.HasSubCommands() {
				fmt.Fprintf(&b, "\n```text\n%s\n```\n", c.UseLine())
			}
			if c.Example != "" {
				fmt.Fprintf(&b, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimSpace(c.Example), "\n  ", "\n"))
			}
			flagsOf(c, f, &b)
			b.WriteByte('\n')
			for _, sub := range c.Commands() {
				walk(sub)
			}
		}
		walk(root())
		w.done()
		f.done()
		compare(t, "cli."+lang+".md", strings.TrimSuffix(b.String(), "\n"))
	}
}

func flagsOf(c *cobra.Command, w *words, b *strings.Builder) {
	first := true
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "version" || c.HasSubCommands() && c.HasParent() {
			return
		}
		if first {
			b.WriteString("\n")
			first = false
		}
		fmt.Fprintf(b, "- %s\n", flagText(f, w))
	})
	c.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "server" || f.Name == "token" || f.Name == "output" {
			if first {
				b.WriteString("\n")
				first = false
			}
			fmt.Fprintf(b, "- %s\n", flagText(f, w))
		}
	})
}

func flagText(f *pflag.Flag, w *words) string {
	and, colon, open, shut := ", ", ": ", " (", ")"
	if w.zh != nil {
		and, colon, open, shut = "、", "：", "（", "）"
	}
	s := "`--" + f.Name + "`"
	if f.Shorthand != "" {
		s = "`-" + f.Shorthand + "`" + and + s
	}
	s += colon + w.of(f.Name+": "+f.Usage, f.Usage)
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" {
		s += open + "`" + f.DefValue + "`" + shut
	}
	return s
}

func TestReferenceOfTheAPI(t *testing.T) {
	t.Chdir(t.TempDir())
	ports := running(t)
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/api/openapi.json", ports["http"]))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Summary     string
			Security    []map[string][]string
			Tags        []string
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	t.Chdir(here(t))
	zh := readChinese(t)
	for _, lang := range []string{"en", "zh"} {
		w := &words{t: t, used: map[string]bool{}}
		head, everyone := "| request | does | needs |\n|---|---|---|\n", "nothing"
		if lang == "zh" {
			w.zh, head, everyone = zh.Operations, "| 请求 | 作用 | 所需权限 |\n|---|---|---|\n", "无"
		}
		var rows []string
		for path, methods := range doc.Paths {
			for method, o := range methods {
				need := everyone
				for _, s := range o.Security {
					if scopes := s["token"]; len(scopes) > 0 {
						need = "`" + scopes[0] + "`"
					}
				}
				rows = append(rows, fmt.Sprintf("| `%s %s` | %s | %s |\n", strings.ToUpper(method), path, cell(w.of(o.OperationID, o.Summary)), need))
			}
		}
		slices.SortFunc(rows, func(a, b string) int {
			_, x, _ := strings.Cut(a, "/")
			_, y, _ := strings.Cut(b, "/")
			return strings.Compare(x+a, y+b)
		})
		w.done()
		compare(t, "api."+lang+".md", head+strings.Join(rows, ""))
	}
}

// here is the folder of this test, to come back to.
func here(t *testing.T) string {
	t.Helper()
	return origin
}

var origin = func() string { dir, _ := os.Getwd(); return dir }()

var fence = regexp.MustCompile("(?ms)^( *)```(yaml|sh)\n(.*?)^ *```$")

// What the guides show must work: each yaml is a configuration, each command exists with its flags.
func TestGuidesShowWhatExists(t *testing.T) {
	pages, err := filepath.Glob(docs + "/guide/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no guides", err)
	}
	pages = append(pages, "../../README.md", "../../README.zh-CN.md")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		checkFigures(t, page, string(text))
		for _, block := range fence.FindAllStringSubmatch(string(text), -1) {
			if block[2] == "yaml" {
				s := defaultSettings()
				err := parseFile([]byte(block[3]), page, &s)
				if err == nil {
					conf, bad := s.config()
					if err = bad; err == nil {
						err = conf.Validate()
					}
				}
				if err != nil {
					t.Errorf("%s: %v\n%s", page, err, block[3])
				}
				continue
			}
			for line := range strings.SplitSeq(block[3], "\n") {
				if args, ok := strings.CutPrefix(strings.TrimSpace(line), "weir "); ok {
					checkCommand(t, page, args)
				}
			}
		}
	}
}

var figure = regexp.MustCompile("`([a-z_.]+)` ?[(（](\\d+) ?(?:s|秒)[)）]")

// checkFigures holds "`streams.grace` (30 s)" against the defaults.
func checkFigures(t *testing.T, page, text string) {
	t.Helper()
	s := defaultSettings()
	for _, m := range figure.FindAllStringSubmatch(text, -1) {
		for _, f := range fields(&s) {
			if have := fmt.Sprintf("%vs", m[2]); f.path == m[1] && f.value.Interface() != parseDuration(t, have) {
				t.Errorf("%s: %s is %v, not %s", page, m[1], f.value.Interface(), have)
			}
		}
	}
}

func parseDuration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func checkCommand(t *testing.T, page, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " #")
	var args []string
	for _, a := range regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`).FindAllString(line, -1) {
		if strings.HasPrefix(a, "|") || strings.HasPrefix(a, ">") {
			break
		}
		args = append(args, strings.Trim(a, `"'`))
	}
	c, rest, err := root().Find(args)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil {
		err = c.ValidateArgs(c.Flags().Args())
	}
	if err != nil {
		t.Errorf("%s: weir %s: %v", page, line, err)
	}
}
