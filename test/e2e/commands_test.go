package e2e

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Stand-ins for programs of a fresh machine, by what they answer.
const (
	newGo     = "echo go1.26.1"
	oldGo     = "echo go1.19.8" // what Debian 12 has
	newNode   = "echo v20.11.0"
	oldNode   = "echo v18.20.4"
	works     = "exit 0"
	noPackage = "exit 100"
	asRoot    = `[ "$1" = -n ] && shift; exec "$@"`
)

// TestShow_2_1_NeedSaysWhatIsMissing runs scripts/need on machines that lack something, as root and as an ordinary user.
func TestShow_2_1_NeedSaysWhatIsMissing(t *testing.T) {
	whole := map[string]string{"go": newGo, "node": newNode, "npm": works, "ffmpeg": works}
	for _, c := range []struct {
		name    string
		without []string
		with    map[string]string
		fails   bool
		says    []string // each must be found; none: silent
		calls   string   // for whom apt-get is called
	}{
		{name: "nothing"},
		{name: "Go", without: []string{"go"}, fails: true, says: []string{"Go 1.26 is missing", "go.dev/dl"}},
		{name: "a new Go", with: map[string]string{"go": oldGo}, fails: true, says: []string{"Go 1.19.8 is too old", "1.26", "go.dev/dl"}},
		{name: "Node", without: []string{"node", "npm"}, fails: true, says: []string{"Node 20 with npm is missing", "nodejs.org"}},
		{name: "a new Node", with: map[string]string{"node": oldNode}, fails: true, says: []string{"Node 18.20.4 is too old", "20", "nodejs.org"}},
		{name: "Go and Node", without: []string{"go", "node", "npm"}, fails: true, says: []string{"Go 1.26 is missing", "Node 20 with npm is missing"}},
		{name: "FFmpeg, no apt", without: []string{"ffmpeg"}, says: []string{"FFmpeg is missing", "thumbnails", "package manager"}},
		{name: "FFmpeg, no sudo", without: []string{"ffmpeg"}, with: map[string]string{"apt-get": noPackage},
			says: []string{"FFmpeg is missing", "thumbnails", "apt-get install ffmpeg"}, calls: "root"},
		{name: "FFmpeg, sudo", without: []string{"ffmpeg"}, with: map[string]string{"apt-get": works, "sudo": asRoot}, says: []string{"installing FFmpeg"}, calls: "root user"},
	} {
		machine := map[string]string{}
		for p, does := range whole {
			if !slices.Contains(c.without, p) {
				machine[p] = does
			}
		}
		for p, does := range c.with {
			machine[p] = does
		}
		for _, who := range []string{"root", "user"} {
			t.Run(c.name+" is missing, "+who, func(t *testing.T) {
				out, called, err := runNeed(t, machine, who)
				if (err != nil) != c.fails {
					t.Errorf("ended with %v: %s", err, out)
				}
				for _, s := range c.says {
					if !strings.Contains(out, s) {
						t.Errorf("does not say %q: %s", s, out)
					}
				}
				if len(c.says) == 0 && out != "" {
					t.Errorf("nothing is missing and it says %q", out)
				}
				if called != strings.Contains(c.calls, who) {
					t.Errorf("apt-get called: %v; %s", called, out)
				}
				for l := range strings.Lines(out) {
					if !strings.HasPrefix(l, "weir: ") {
						t.Errorf("not one of ours: %q", l)
					}
				}
			})
		}
	}
}

// runNeed runs scripts/need with only these programs beside the usual tools, and tells whether it called apt-get.
func runNeed(t *testing.T, machine map[string]string, who string) (said string, called bool, err error) {
	t.Helper()
	dir, e := os.MkdirTemp("", "weir-need-") // t.TempDir is closed to other users
	if e != nil {
		t.Fatal(e)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	text, e := os.ReadFile("../../scripts/need")
	if e != nil {
		t.Fatal(e)
	}
	write(t, filepath.Join(dir, "need"), string(text))
	for _, tool := range []string{"sh", "id", "sed", "sort", "head", "rm", "touch", "true"} {
		path, err := exec.LookPath(tool)
		if err == nil {
			err = os.Symlink(path, filepath.Join(dir, tool))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	mark := filepath.Join(dir, "called", "apt-get")
	if e := os.Mkdir(filepath.Dir(mark), 0o777); e != nil {
		t.Fatal(e)
	}
	for program, does := range machine {
		if program == "apt-get" {
			does = "touch " + mark + "; " + does
		}
		write(t, filepath.Join(dir, program), "#!/bin/sh\n"+does+"\n")
	}
	for _, d := range []string{dir, filepath.Dir(mark)} {
		if e := os.Chmod(d, 0o777); e != nil {
			t.Fatal(e)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "sh"), filepath.Join(dir, "need"), "run")
	cmd.Env = []string{"PATH=" + dir}
	become(t, cmd, who)
	out, err := cmd.CombinedOutput()
	_, e = os.Stat(mark)
	return string(out), e == nil, err
}

// become has the command run as root or as an ordinary user. Who is not root is an ordinary user already.
func become(t *testing.T, cmd *exec.Cmd, who string) {
	t.Helper()
	const nobody = 65534
	switch {
	case who == "root" && os.Getuid() != 0:
		t.Skip("needs root")
	case who == "user" && os.Getuid() == 0:
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestShow_2_1_SecondBuildIsQuick builds what is built: that must take under five seconds. The first of three tries may have
// something to build, and a busy machine gets a third.
func TestShow_2_1_SecondBuildIsQuick(t *testing.T) {
	need(t, "npm")
	var took time.Duration
	for range 3 {
		begun := time.Now()
		cmd := exec.CommandContext(t.Context(), "sh", "../../scripts/build")
		cmd.Env = environment()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("scripts/build: %v\n%s", err, out)
		}
		took = time.Since(begun)
		t.Logf("scripts/build: %v", took)
		if took < 5*time.Second {
			return
		}
	}
	t.Errorf("building what is built took %v, three times in a row", took)
}

// TestShow_2_1_ColdRun is a fresh machine's first `./run`, by an ordinary user without sudo where FFmpeg cannot be had, with no
// cache of any kind: under six minutes to the box on two cores, under five seconds the second time.
func TestShow_2_1_ColdRun(t *testing.T) {
	long(t)
	need(t, "git", "npm")
	home, err := os.MkdirTemp("", "weir-cold-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the module cache is read-only
		_ = exec.Command("chmod", "-R", "u+w", home).Run()
		_ = os.RemoveAll(home)
	})
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(home, "weir")
	if out, err := exec.Command("git", "clone", "-q", "--depth", "1", "file://"+root, tree).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	path := bare(t, filepath.Join(home, "path"), "ffmpeg", "ffprobe", "sudo")
	if os.Getuid() == 0 {
		if out, err := exec.Command("chown", "-R", "65534:65534", home).CombinedOutput(); err != nil {
			t.Fatalf("chown: %v\n%s", err, out)
		}
	}
	for i, limit := range []time.Duration{6 * time.Minute, 5 * time.Second} {
		took, log := runToBox(t, tree, home, path)
		t.Logf("run %d: %v to the box\n%s", i+1, took.Round(10*time.Millisecond), log)
		if took > limit {
			t.Errorf("run %d took %v, at most %v", i+1, took, limit)
		}
		if !strings.Contains(log, "FFmpeg is missing") {
			t.Errorf("run %d does not say that FFmpeg is missing", i+1)
		}
	}
}

// bare makes a folder of links to every program on PATH but these.
func bare(t *testing.T, dir string, without ...string) string {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, from := range filepath.SplitList(os.Getenv("PATH")) {
		programs, err := os.ReadDir(from)
		if err != nil {
			continue // PATH may name folders that are not there
		}
		for _, p := range programs {
			if !slices.Contains(without, p.Name()) {
				_ = os.Symlink(filepath.Join(from, p.Name()), filepath.Join(dir, p.Name())) // the first on PATH wins
			}
		}
	}
	return dir
}

// runToBox runs ./run until its box is whole, stops it as Ctrl-C does, and returns the time and what was printed.
func runToBox(t *testing.T, tree, home, path string) (time.Duration, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "./run", "--http.listen", "127.0.0.1:0", "--rtmp.listen", "127.0.0.1:0", "--webrtc.listen", "127.0.0.1:0")
	cmd.Dir = tree
	cmd.Env = append(registries(t), "PATH="+path, "HOME="+home)
	become(t, cmd, "user")
	complaint := &tail{}
	cmd.Stderr = complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var box strings.Builder
	var took time.Duration
	for lines := bufio.NewScanner(out); lines.Scan(); {
		box.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "└") {
			took = time.Since(begun)
			_ = cmd.Process.Signal(os.Interrupt) // run has become weir
		}
	}
	if err := cmd.Wait(); err != nil || took == 0 {
		t.Fatalf("./run: %v\n%s%s", err, &box, complaint)
	}
	return took, complaint.String() + box.String()
}

// registries is how this machine reaches the registries of Go and npm: that is not what a cold run measures.
func registries(t *testing.T) []string {
	t.Helper()
	ask := func(name string, args ...string) string {
		out, err := exec.CommandContext(t.Context(), name, args...).Output()
		if err != nil {
			t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	env := []string{"npm_config_registry=" + ask("npm", "config", "get", "registry")}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB"} {
		env = append(env, name+"="+ask("go", "env", name))
	}
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(strings.ToLower(kv), "="); strings.HasSuffix(name, "_proxy") || name == "ssl_cert_file" || name == "node_extra_ca_certs" {
			env = append(env, kv)
		}
	}
	return env
}
