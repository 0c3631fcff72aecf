package lint

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Severity says how much a finding weighs.
type Severity uint8

// The severities: Note is worth knowing, Should breaks a recommendation, Must breaks a requirement.
const (
	Note Severity = iota
	Should
	Must
)

// String is the word of the command line and of JSON.
func (s Severity) String() string { return [...]string{"note", "should", "must"}[s] }

// MarshalText writes the word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Severity) UnmarshalText(b []byte) error {
	for _, v := range []Severity{Note, Should, Must} {
		if v.String() == string(b) {
			*s = v
			return nil
		}
	}
	return fmt.Errorf("%q is none of must, should, note", b)
}

// Rule is one thing that is looked at. Say has a verb for each fact of a finding; %[n]s may put them in another order.
type Rule struct {
	ID       string
	Severity Severity
	Clause   string // where it is written
	Say      string
	Remedy   string
}

// Place is where something was found.
type Place struct {
	URL     string `json:"url"`
	Line    int    `json:"line,omitempty"`
	Element string `json:"element,omitempty"`
}

// String is the place as a person reads it.
func (p Place) String() string {
	s := p.URL
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
	}
	if p.Element != "" {
		s += " (" + p.Element + ")"
	}
	return s
}

// Finding is a rule that was broken somewhere.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Sentence string   `json:"sentence"`
	Clause   string   `json:"clause"`
	Where    Place    `json:"where"`
	Remedy   string   `json:"remedy"`
	Count    int      `json:"count"` // how often, here and in like places
}

// Read says how much was looked at.
type Read struct {
	Playlists int   `json:"playlists"` // fetches of playlists and manifests
	Segments  int   `json:"segments"`  // segments, parts and init segments
	Bytes     int64 `json:"bytes"`
}

// Report is the outcome.
type Report struct {
	Target   string        `json:"target"`
	Kind     string        `json:"kind"` // hls or dash
	Live     bool          `json:"live"`
	Findings []Finding     `json:"findings"`
	Read     Read          `json:"read"`
	Took     time.Duration `json:"took_ns"`
}

// Count is the number of findings of a severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for i := range r.Findings {
		if r.Findings[i].Severity == s {
			n++
		}
	}
	return n
}

// AtLeast drops the findings below a severity.
func (r *Report) AtLeast(s Severity) {
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.Severity < s })
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer, lang string) error {
	var b strings.Builder
	chinese := lang == "zh-CN"
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(&b, "%-6s %s\n       %s", strings.ToUpper(f.Severity.String()), f.Rule, f.Sentence)
		if f.Count > 1 && chinese {
			fmt.Fprintf(&b, "(共 %d 次)", f.Count)
		} else if f.Count > 1 {
			fmt.Fprintf(&b, " (seen %d times)", f.Count)
		}
		fmt.Fprintf(&b, "\n       %s\n       [%s]\n", f.Where, f.Clause)
		if f.Remedy != "" {
			fmt.Fprintf(&b, "       → %s\n", f.Remedy)
		}
	}
	form := "%s: %d must, %d should, %d note; %d playlists, %d segments, %.1f MB read in %.1f s\n"
	if chinese {
		form = "%s：must %d 条，should %d 条，note %d 条；读取播放列表 %d 次、分片 %d 个，共 %.1f MB，用时 %.1f 秒\n"
	}
	fmt.Fprintf(&b, form, strings.ToUpper(r.Kind), r.Count(Must), r.Count(Should), r.Count(Note), r.Read.Playlists, r.Read.Segments, float64(r.Read.Bytes)/1e6, r.Took.Seconds())
	_, err := io.WriteString(w, b.String())
	return err
}

// likeAtMost is how many findings of one rule in one playlist are told one by one; the rest is counted.
const likeAtMost = 4

// collector gathers findings from several readers at once.
type collector struct {
	mu    sync.Mutex
	lang  string
	table map[string]Rule
	said  map[string]int // sentence and place → finding
	like  map[string][]int
	list  []Finding
}

func newCollector(lang string) *collector {
	c := &collector{lang: lang, table: map[string]Rule{}, said: map[string]int{}, like: map[string][]int{}}
	for _, r := range Rules(lang) {
		c.table[r.ID] = r
	}
	return c
}

// problem is a broken rule as a parser reports it, before the place is known in full.
type problem struct {
	rule    string
	line    int
	element string
	args    []any
}

// scope is the playlist, representation or file whose findings belong together.
type scope struct {
	c    *collector
	name string // for counting like findings together
	url  string
}

// at narrows a scope to another address within it.
func (s scope) at(url string) scope { s.url = url; return s }

func (s scope) add(rule string, args ...any) { s.addAt(0, "", rule, args...) }

func (s scope) addLine(line int, rule string, args ...any) { s.addAt(line, "", rule, args...) }

func (s scope) addAll(list []problem) {
	for _, p := range list {
		s.addAt(p.line, p.element, p.rule, p.args...)
	}
}

func (s scope) addAt(line int, element, rule string, args ...any) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.table[rule]
	if !ok {
		r = Rule{ID: rule, Severity: Must, Say: "a rule without words: " + strings.Repeat("%v ", len(args))}
	}
	f := Finding{Rule: r.ID, Severity: r.Severity, Clause: r.Clause, Remedy: r.Remedy, Where: Place{s.url, line, element}, Count: 1, Sentence: fmt.Sprintf(r.Say, args...)}
	key := rule + "\x00" + f.Sentence + "\x00" + f.Where.URL
	if i, ok := c.said[key]; ok {
		c.list[i].Count++
		return
	}
	group := rule + "\x00" + s.name
	if of := c.like[group]; len(of) >= likeAtMost {
		c.list[of[len(of)-1]].Count++
		return
	}
	c.said[key] = len(c.list)
	c.like[group] = append(c.like[group], len(c.list))
	c.list = append(c.list, f)
}

// findings are sorted: the weighty first, then as they were found.
func (c *collector) findings() []Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := slices.Clone(c.list)
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return out
}

// seconds writes a length for people.
func seconds(s float64) string { return strconv.FormatFloat(round(s, 3), 'f', -1, 64) + " s" }

func round(v float64, digits int) float64 {
	s := strconv.FormatFloat(v, 'f', digits, 64)
	f, _ := strconv.ParseFloat(s, 64) // our own writing
	return f
}

// kbit writes a rate for people.
func kbit(bps float64) string { return strconv.FormatFloat(bps/1000, 'f', 0, 64) + " kbit/s" }
