package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"weir/internal/fault"
)

var sameSettings = cmp.Exporter(func(reflect.Type) bool { return true })

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSettingsPrecedence(t *testing.T) {
	file := write(t, "http:\n  listen: ':1'\nrtmp:\n  listen: ':1'\nstreams:\n  grace: 1m30s\n  take_over: false\npublish:\n  open: [local, 192.0.2.0/24]\n")
	environ := []string{"WEIR_HTTP_LISTEN=:2", "WEIR_RTMP_LISTEN=:2", "WEIR_RATES_PLAY_PER_SECOND=0.5", "WEIR_OUTGOING_ALLOW=10.0.0.0/8, 192.168.0.0/16", "PATH=/bin",
		serverVariable + "=http://x", tokenVariable + "=y",
		// what Kubernetes says of services named weir and weir-rtmp
		"WEIR_SERVICE_HOST=10.0.0.1", "WEIR_SERVICE_PORT=80", "WEIR_SERVICE_PORT_HTTP=80", "WEIR_PORT=tcp://10.0.0.1:80", "WEIR_PORT_80_TCP=tcp://10.0.0.1:80",
		"WEIR_PORT_80_TCP_PROTO=tcp", "WEIR_PORT_80_TCP_PORT=80", "WEIR_PORT_80_TCP_ADDR=10.0.0.1", "WEIR_RTMP_SERVICE_HOST=10.0.0.2", "WEIR_RTMP_PORT=tcp://10.0.0.2:1935"}
	s, err := load(file, true, environ, map[string]string{"rtmp.listen": ":3", "limits.viewers": "7"})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{s.WebRTC.Listen, s.HTTP.Listen, s.RTMP.Listen, s.Streams.Grace, s.Streams.TakeOver, s.Publish.Open, s.Rates.Play, s.Limits.Viewers, fmt.Sprint(s.Outgoing.Allow), s.Segments.Enabled}
	want := []any{":8189", ":2", ":3", 90 * time.Second, false, []string{"local", "192.0.2.0/24"}, rate{0.5, 200}, 7, "[10.0.0.0/8 192.168.0.0/16]", true}
	if d := cmp.Diff(want, got, sameSettings); d != "" {
		t.Error(d)
	}
	conf, err := s.config()
	if err != nil {
		t.Fatal(err)
	}
	if conf.Rates.Play.PerSecond != 0.5 || conf.Limits.Viewers != 7 || conf.HTTP.Listen != ":2" {
		t.Errorf("%+v", conf)
	}
}

func TestSettingsMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		file      string
		environ   []string
		flags     map[string]string
		code, say string
	}{
		"unknown key":        {file: "http:\n  listn: ':1'\n", code: "config_key_unknown", say: `key http\.listn in .*weir\.yaml, line 2.*Did you mean listen\?`},
		"unknown section":    {file: "\n\nsegment:\n  part: 1s\n", code: "config_key_unknown", say: `key segment in .*, line 3.*Did you mean segments\?`},
		"unknown hook":       {file: "hooks:\n  live:\n    on_publsh: http://x/\n", code: "config_key_unknown", say: `line 3.*on_publish\?`},
		"unknown in a list":  {file: "pulls:\n  - {stream: a, url: b, ondemand: true}\n", code: "config_key_unknown", say: `line 2.*on_demand\?`},
		"far from any":       {file: "quux: 1\n", code: "config_key_unknown", say: "weir config schema"},
		"key of the file":    {environ: []string{"WEIR_HOOKS_LIVE_ON_PUBLISH=http://x"}, code: "config_key_unknown", say: `cannot set hooks.*in the file`},
		"a port of our own":  {environ: []string{"WEIR_PORT=8080"}, code: "config_key_unknown", say: `WEIR_PORT`},
		"unknown variable":   {environ: []string{"WEIR_HTTP_LISTN=:1"}, code: "config_key_unknown", say: `variable WEIR_HTTP_LISTN.*WEIR_HTTP_LISTEN\?`},
		"syntax":             {file: "http: [\n", code: "config_syntax", say: "not valid YAML"},
		"no keys":            {file: "- a\n- b\n", code: "config_syntax", say: "does not hold keys"},
		"a word":             {file: "hello\n", code: "config_syntax", say: "does not hold keys"},
		"two documents":      {file: "log: {level: warn}\n---\nlog: {level: info}\n", code: "config_syntax", say: "second document in line 3"},
		"wrong type":         {file: "streams:\n  max: many\n", code: "config_value_bad", say: "weir.yaml"},
		"duration in a file": {file: "streams:\n  grace: 5 minutes\n", code: "config_value_bad", say: "weir.yaml"},
		"duration in env":    {environ: []string{"WEIR_STREAMS_GRACE=soon"}, code: "config_value_bad", say: `streams\.grace cannot be "soon"`},
		"number in a flag":   {flags: map[string]string{"limits.viewers": "x"}, code: "config_value_bad", say: `limits\.viewers cannot be "x"`},
		"address in a flag":  {flags: map[string]string{"webrtc.addresses": "here"}, code: "config_value_bad", say: `webrtc\.addresses`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(write(t, c.file), true, c.environ, c.flags)
			if err == nil || fault.Of(err).Code != c.code {
				t.Fatalf("%v is not %s", err, c.code)
			}
			if !regexp.MustCompile("(?s)" + c.say).MatchString(describe(err)) {
				t.Errorf("%s does not say %s", describe(err), c.say)
			}
		})
	}
	if _, err := load("/nonexistent/weir.yaml", true, nil, nil); fault.Code(err) != "config_unreadable" {
		t.Errorf("a file that was named and is missing: %v", err)
	}
	if s, err := load("/nonexistent/weir.yaml", false, nil, nil); err != nil || cmp.Diff(defaultSettings(), s, sameSettings) != "" {
		t.Errorf("no file at all: %v", err)
	}
}

// What holds nothing says nothing: somebody has commented it out.
func TestEmptySectionsAreTheDefaults(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "comment": "# rtmp:\n", "null": "~\n", "document": "---\n", "mark": "\xEF\xBB\xBFlog:\n  level: info\n",
		"sections": "http:\nrtmp:\n#  listen: ':1'\nrates:\n  publish:\nsegments: ~\nrecording:\nstreams:\n", "last": "http:\n\nrtmp:", "flow": "{rtmp: , streams: {}}\n",
	} {
		if s, err := load(write(t, text), true, nil, nil); err != nil || cmp.Diff(defaultSettings(), s, sameSettings, equateEmpty) != "" {
			t.Errorf("%s: %v %s", name, err, cmp.Diff(defaultSettings(), s, sameSettings, equateEmpty))
		}
	}
	if s, err := load(write(t, "rtmp:\nstreams: {grace: 1s}\nrates: {publish: , play: {burst: 7}}\n"), true, nil, nil); err != nil || s.RTMP.Listen != ":1935" ||
		s.Streams.Grace != time.Second || s.Streams.PlayWait == 0 || s.Rates.Play != (rate{50, 7}) || s.Rates.Publish.Burst != 20 {
		t.Errorf("%v %+v", err, s)
	}
}

// A file that goes away takes nothing back: without it, whoever it kept out would be let in.
func TestTheFileGoesAway(t *testing.T) {
	file := write(t, "play: {by_key: ['private/*']}\n")
	c, o := root(), &options{file: file, setting: map[string]*string{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.SetContext(ctx)
	logged, w := io.Pipe()
	configs, stop := o.follow(c, slog.New(slog.NewTextHandler(w, nil)))
	defer stop()
	defer logged.Close()
	lines := bufio.NewScanner(logged)
	say := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for watched := false; !watched; { // from some moment on
		say("play: {by_key: ['private/*']}\n")
		select {
		case <-configs:
			watched = true
		case <-time.After(500 * time.Millisecond):
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), "is gone") {
		t.Fatal(lines.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, logged) }()
	say("") // as an editor does before it writes
	say("play: {by_key: ['other/*']}\n")
	if conf := (<-configs).conf; len(conf.Access.PlayByKey) != 1 || conf.Access.PlayByKey[0] != "other/*" {
		t.Errorf("%+v", conf.Access)
	}
}

func TestValuesThatCannotWork(t *testing.T) {
	for _, text := range []string{
		"http: {listen: nonsense}", "http: {listen: 8080}", "rtmp: {listen: ':99999'}", "rtmp: {tls_listen: '127.0.0.1'}", "webrtc: {listen: ':port'}",
		"pushes: [{stream: live/a, url: 'http://x/y.flv'}]", "pulls: [{stream: live/a, url: nonsense}]", "rates: {play: {per_second: .nan}}",
		"pulls: [{stream: 'live/*', url: 'rtmp://x/y/z'}]", "pulls: [{stream: My Show, url: 'rtmp://x/y/z'}]", "pushes: [{stream: 'live/*', url: 'rtmp://x/y/{path}', on_demand: true}]",
	} {
		s, err := load(write(t, text), true, nil, nil)
		if err != nil {
			t.Fatal(text, err)
		}
		if _, err := s.config(); fault.Code(err) != "config_value_bad" {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"http: {listen: ''}", "webrtc: {listen: off}", "http: {listen: '[::1]:0'}", "http: {listen: ':http'}", "pulls: [{stream: live/a, url: 'https://x/y.flv'}]", "pushes: [{stream: a, url: 'rtmps://x/y/z'}]",
		"pulls: [{stream: 'live/*', url: 'rtmp://x/y/{path}', on_demand: true}]",
	} {
		s, err := load(write(t, text), true, nil, nil)
		if err != nil {
			t.Fatal(text, err)
		}
		if _, err := s.config(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What `weir init` writes holds every key, says nothing else than the defaults, and the schema allows it.
func TestInitWritesTheDefaults(t *testing.T) {
	text := commented()
	s, err := load(write(t, text), true, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(defaultSettings(), s, sameSettings, equateEmpty); d != "" {
		t.Error(d)
	}
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	for _, f := range fields(&s) {
		at := any(tree)
		for part := range strings.SplitSeq(f.path, ".") {
			m, _ := at.(map[string]any)
			if at = m[part]; at == nil {
				t.Errorf("%s is not in it", f.path)
				break
			}
		}
		if f.doc == "" {
			t.Errorf("%s says not what it means", f.path)
		}
	}
	againstSchema(t, "weir.yaml", plainSchema(t), tree)
	tree["http"].(map[string]any)["listn"] = ":1"
	if problems := validate("", plainSchema(t), tree); len(problems) != 1 {
		t.Errorf("a wrong key is %q", problems)
	}
}

var equateEmpty = cmp.FilterValues(func(x, y any) bool {
	a, b := reflect.ValueOf(x), reflect.ValueOf(y)
	return a.IsValid() && b.IsValid() && a.Kind() == reflect.Slice && b.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0
}, cmp.Ignore())

func plainSchema(t *testing.T) map[string]any {
	t.Helper()
	b, err := json.Marshal(schema())
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func againstSchema(t *testing.T, path string, s map[string]any, v any) {
	t.Helper()
	for _, p := range validate(path, s, v) {
		t.Error(p)
	}
}

// validate checks the parts of JSON Schema that schema uses.
func validate(path string, s map[string]any, v any) (problems []string) {
	say := func(why string) { problems = append(problems, fmt.Sprintf("%s: %v %s", path, v, why)) }
	switch s["type"] {
	case "object":
		m, ok := v.(map[string]any)
		if !ok {
			say("is no object")
		}
		properties, _ := s["properties"].(map[string]any)
		for k, sub := range m {
			p, known := properties[k].(map[string]any)
			if rest, ok := s["additionalProperties"].(map[string]any); !known && ok {
				p, known = rest, true
			}
			if !known {
				say("has an unknown key " + k)
				continue
			}
			problems = append(problems, validate(path+"."+k, p, sub)...)
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			say("is no list")
		}
		for _, e := range list {
			problems = append(problems, validate(path+"[]", s["items"].(map[string]any), e)...)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			say("is no boolean")
		}
	case "string":
		text, ok := v.(string)
		if pattern, has := s["pattern"].(string); !ok || has && !regexp.MustCompile(pattern).MatchString(text) {
			say("does not fit")
		}
	case "integer", "number":
		n := reflect.ValueOf(v)
		if !n.CanInt() && !n.CanUint() && (s["type"] == "integer" || !n.CanFloat()) {
			say("is no " + s["type"].(string))
		}
	default:
		say("has a type that this test does not know")
	}
	return problems
}
