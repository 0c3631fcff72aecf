package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// guide is a newcomer who types what the pages show, in the order they show it, into a shell with the server's data folder.
type guide struct {
	*weir
	t    *testing.T
	dir  string // where film.mp4 lies and downloads go
	env  map[string]string
	name string // the stream that stands for live/show on this page
	last string // the last line that a command printed
	key  string
}

// TestGuidesComeTrue runs the shell blocks of the guides and the reference, with other ports, names and moments: each command must
// do what it is there for. What both languages show is run once; that they show the same is a test of docs.
func TestGuidesComeTrue(t *testing.T) {
	need(t, "bash", "curl", "ffmpeg", "make")
	w := start(t, "--outgoing.allow=127.0.0.0/8", "--rtmp.tls_listen=127.0.0.1:0", "--play.by_key=private/*")
	dir := t.TempDir()
	for _, args := range [][]string{
		{"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-f", "lavfi", "-i", "sine", "-t", "4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-pix_fmt", "yuv420p", "-c:a", "aac", "film.mp4"},
		{"-i", "film.mp4", "-c", "copy", "-f", "dash", "movie/manifest.mpd"},
	} {
		if err := os.MkdirAll(filepath.Join(dir, "movie"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error"}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v\n%s", err, out)
		}
	}
	if err := os.Symlink(binary, filepath.Join(dir, "weir")); err != nil {
		t.Fatal(err)
	}
	key := w.key("live/*")
	w.api("GET", "/session", nil, nil) // makes the tests' token before several ask for it at once
	pages := shellLines(t)
	if len(pages) < 13 {
		t.Fatalf("only %d pages have commands", len(pages))
	}
	for page := range pages {
		if aboutThePast(page) {
			w.pattern("live/"+page, key, "--gop", "500ms") // its past grows meanwhile
		}
	}
	for page, lines := range pages {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			own := *w
			own.t = t
			g := &guide{weir: &own, t: t, dir: dir, env: map[string]string{}, name: "live/" + page, key: key}
			for _, line := range lines {
				g.do(line)
			}
		})
	}
}

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// shellLines are the commands of each page, whichever language has them, without comments.
func shellLines(t *testing.T) map[string][]string {
	t.Helper()
	files := []string{"../../README.md", "../../README.zh-CN.md"}
	for _, p := range []string{"../../docs/guide/*.md", "../../docs/ref/api.*.md"} {
		more, err := filepath.Glob(p)
		if err != nil || more == nil {
			t.Fatal(p, err)
		}
		files = append(files, more...)
	}
	out := map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		page, _, _ := strings.Cut(filepath.Base(file), ".")
		for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
				line, _, _ = strings.Cut(line, " #")
				line = strings.TrimSpace(regexp.MustCompile(`--title "[^"]*"`).ReplaceAllString(line, `--title "决赛"`))
				if line != "" && !slices.Contains(out[page], line) {
					out[page] = append(out[page], line)
				}
			}
		}
	}
	return out
}

// wants is what a command prints when it did what the page says. The longest beginning that fits counts.
var wants = map[string]string{
	"weir key create":       `^wk_\w+\n$`,
	"weir token create":     `^weir_pat_\w+\n$`,
	"weir token list":       `monitoring|grafana|newcomer`,
	"weir key rotate":       `^wk_\w+\n$`,
	"weir session list":     `publish`,
	"weir session kick":     `^$`,
	"weir stream list":      `HEALTH`,
	"weir stream get":       `STATE +live(.|\n)*H\.264`,
	"weir stream kick":      `^$`,
	"weir pull add":         `.`,
	"weir push add":         `.`,
	"weir push list":        `127\.0\.0\.1`,
	"weir recording start":  `^[0-9A-Z]{26}\n$`,
	"weir recording stop":   `.`,
	"weir recording keep":   `^[0-9A-Z]{26}\n$`,
	"weir recording list":   `决赛`,
	"weir check":            `.`,
	"weir doctor":           `.`,
	"weir probe":            `H\.264`,
	"weir lint":             `.`,
	"curl -OJ":              ``, // the file is looked at
	"curl -N":               `event: stream\.started`,
	"curl -H":               `^\{"`,
	"ffmpeg -i":             ``,
	"make":                  ``,
	"export WEIR_TOKEN=$(w": ``,
}

// lasting commands go on until they are stopped; what they must have done by then is that the stream they name is live.
var lasting = regexp.MustCompile(`^(ffmpeg -re|weir publish|gst-launch-1\.0) .*rtmp://[^/]+/([\w/-]+)\?key=`)

func (g *guide) do(line string) {
	g.t.Helper()
	switch {
	case strings.HasPrefix(line, "go test"), strings.HasPrefix(line, "vlc "): // vlc refuses to run as root
		return
	case strings.HasPrefix(line, "gst-launch"), strings.HasPrefix(line, "ffplay"):
		if _, err := exec.LookPath(strings.Fields(line)[0]); err != nil {
			return
		}
	}
	typed := g.standIns(line)
	if m := lasting.FindStringSubmatch(typed); m != nil {
		p := g.spawn(typed)
		g.waitLive(m[2])
		p.kill()
		return
	}
	if strings.Contains(line, "live/show") || strings.Contains(line, "live%2Fshow") || strings.Contains(line, "ession list") || strings.Contains(line, "cdn.example") {
		g.onAir()
	}
	switch {
	case strings.HasPrefix(line, "curl -N"):
		g.events(typed)
		return
	case strings.HasPrefix(line, "ffplay"):
		p := g.spawn(typed)
		eventually(g.t, 20*time.Second, "ffplay to show a picture", func() error {
			if !strings.Contains(p.out.String(), "Video: h264") {
				return errors.New(p.out.String())
			}
			return nil
		})
		p.kill()
		return
	}
	out, err := g.shell(typed)
	pattern, known := "", false
	for _, begins := range slices.SortedFunc(maps.Keys(wants), func(a, b string) int { return cmp.Compare(len(b), len(a)) }) {
		if known = strings.HasPrefix(line, begins); known {
			pattern = wants[begins]
			break
		}
	}
	if !known {
		g.t.Fatalf("%s is a kind of command that this test does not know", line)
	}
	if err == nil && strings.Contains(line, "clip.m") {
		err = g.clip()
	}
	if err != nil || !regexp.MustCompile(pattern).MatchString(out) {
		g.t.Errorf("%s\ntyped as %s\nended with %v: %s", line, typed, err, out)
	}
	if fields := strings.Fields(out); len(fields) > 0 {
		g.last = fields[len(fields)-1]
	}
	if name, ok := strings.CutPrefix(line, "export "); ok {
		name, _, _ = strings.Cut(name, "=")
		g.env[name] = strings.TrimSpace(out)
	}
}

func aboutThePast(page string) bool { return page == "record" || page == "rewind-and-clip" }

// onAir has the page's stream live, with some seconds of past where a page asks for them.
func (g *guide) onAir() {
	g.t.Helper()
	var s struct{ State string }
	if err := g.tryAPI("GET", "/streams/"+strings.ReplaceAll(g.name, "/", "%2F"), nil, &s); err != nil || s.State != "live" {
		g.pattern(g.name, g.key, "--gop", "500ms")
	}
	if aboutThePast(strings.TrimPrefix(g.name, "live/")) {
		eventually(g.t, 20*time.Second, "a past of six seconds", func() error {
			var page struct{ Items []struct{ From time.Time } }
			if err := g.tryAPI("GET", "/timelines?prefix="+g.name, nil, &page); err != nil {
				return err
			}
			if len(page.Items) == 0 || time.Since(page.Items[0].From) < 6*time.Second {
				return errors.New("not yet")
			}
			return nil
		})
	}
}

// standIns puts this server, this page's stream and moments of its past for those that the page shows.
func (g *guide) standIns(line string) string {
	at := func(ago time.Duration) string { return time.Now().Add(-ago).UTC().Format(time.RFC3339) }
	http, rtmp := strings.TrimPrefix(g.http(""), "http://"), strings.TrimSuffix(strings.TrimPrefix(g.weir.rtmp("", ""), "rtmp://"), "/")
	if lastsLong := strings.Contains(line, "?key="); lastsLong {
		line = strings.ReplaceAll(line, "/live/show?", "/live/tried-"+g.name[len("live/"):]+"?")
	}
	if strings.HasPrefix(line, "weir lint http") {
		line = strings.ReplaceAll(strings.ReplaceAll(line, " --for 2m", ""), " --for 30s", "") + " --for 1s"
	}
	if strings.HasPrefix(line, "weir probe") {
		line += " --duration 1s"
	}
	if strings.HasPrefix(line, "make") {
		line += " -C ../.. --dry-run"
		line = strings.ReplaceAll(line, "../..", root(g.t))
	}
	line = regexp.MustCompile(`\b01[0-9A-Z]{24}\b`).ReplaceAllStringFunc(line, func(string) string { return g.anID(line) })
	return strings.NewReplacer(
		"HOST:8080", http, "localhost:8080", http, "127.0.0.1:8080", http,
		"rtmps://127.0.0.1:1936", "rtmps://127.0.0.1:"+strconv.Itoa(g.ports["rtmps"]), "rtmp://127.0.0.1/", "rtmp://"+rtmp+"/", "rtmp://HOST/", "rtmp://"+rtmp+"/",
		"wk_…", g.key, "?key=K", "?key="+g.key, "live/show", g.name, "live%2Fshow", strings.ReplaceAll(g.name, "/", "%2F"),
		"https://cdn.example/a.m3u8", "http://"+http+"/"+g.name+"/index.m3u8", "https://example.org/", "http://127.0.0.1:9/", "live.example.org:443", "127.0.0.1:9", "example.org", "127.0.0.1:9",
		"2026-11-22T10:00:00Z", at(5*time.Second), "2026-11-22T10:30:00Z", at(2*time.Second), "from=-10m", "from=-5s", "to=-5m", "to=-2s",
		"stop ID", "stop "+g.last,
	).Replace(line)
}

// clip looks at what was downloaded, and removes it.
func (g *guide) clip() error {
	files, err := filepath.Glob(filepath.Join(g.dir, "*re*.mp4"))
	if err == nil && files == nil {
		files, err = filepath.Glob(filepath.Join(g.dir, "clip.mkv"))
	}
	if err != nil || len(files) != 1 {
		return fmt.Errorf("the files are %q: %w", files, err)
	}
	defer func() { _ = os.Remove(files[0]) }()
	out, err := exec.CommandContext(g.t.Context(), "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", files[0]).Output()
	if err != nil {
		return err
	}
	if seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64); err != nil || seconds < 1 || seconds > 6.1 { // three seconds touch three segments, and sound ends a frame later
		return fmt.Errorf("%s has %s s: %w", files[0], out, err)
	}
	return nil
}

// anID is that of a session of this page's stream, or of a key of its own.
func (g *guide) anID(line string) string {
	g.t.Helper()
	var page struct {
		Items []struct{ ID, Stream, Pattern string }
	}
	if strings.Contains(line, "key ") {
		g.weir.key(g.name)
		g.api("GET", "/keys", nil, &page)
		for _, k := range page.Items {
			if k.Pattern == g.name {
				return k.ID
			}
		}
		g.t.Fatal("no key of", g.name)
	}
	g.onAir()
	g.api("GET", "/sessions?stream="+g.name, nil, &page)
	if len(page.Items) == 0 {
		g.t.Fatal("no session of", g.name)
	}
	return page.Items[0].ID
}

// vars are what the newcomer's shell has, beside what it had.
func (g *guide) vars() []string {
	vars := []string{"WEIR_DATA_DIR=" + g.data, "WEIR_SERVER=" + g.http(""), "WEIR_TOKEN=" + g.token, "PATH=" + g.dir + ":" + os.Getenv("PATH"), "SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy"}
	for name, value := range g.env {
		vars = append(vars, name+"="+value)
	}
	return vars
}

func (g *guide) shell(line string) (string, error) {
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	name := strings.Fields(line)[0]
	if name == "export" {
		line += " && echo $WEIR_TOKEN"
	}
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = g.dir, append(environment(), g.vars()...)
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		out = append(out, failed.Stderr...)
	}
	return string(out), err
}

func (g *guide) spawn(line string) *process {
	g.t.Helper()
	return spawn(g.t, "env", append(append([]string{"-C", g.dir}, g.vars()...), "bash", "-c", line)...)
}

// events has a stream begin while the command listens.
func (g *guide) events(line string) {
	g.t.Helper()
	p := g.spawn(line)
	n := 0
	eventually(g.t, 20*time.Second, "an event", func() error {
		if regexp.MustCompile(wants["curl -N"]).MatchString(p.out.String()) {
			return nil
		}
		n++
		g.pattern("live/heard-"+strconv.Itoa(n), g.key).kill()
		return errors.New("nothing was heard")
	})
	p.kill()
}

// root is the folder of the project.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
