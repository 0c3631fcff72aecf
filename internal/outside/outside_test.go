package outside

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// watcher is a test that is watched, not the one that runs.
type watcher struct {
	testing.TB
	said string
}

func (w *watcher) Helper()                   {}
func (w *watcher) Fatalf(f string, a ...any) { w.end("failed", f, a) }
func (w *watcher) Skipf(f string, a ...any)  { w.end("skipped", f, a) }

func (w *watcher) end(how, f string, a []any) {
	w.said = how + ": " + fmt.Sprintf(f, a...)
	runtime.Goexit()
}

func watch(t *testing.T, f func(t testing.TB)) string {
	t.Helper()
	w, done := &watcher{TB: t}, make(chan struct{})
	go func() { defer close(done); f(w) }()
	<-done
	return w.said
}

func TestJudges(t *testing.T) {
	for _, c := range []struct {
		ci   string
		f    func(t testing.TB)
		want string
	}{
		{"", func(t testing.TB) { Need(t, "no-such-judge") }, "skipped: no-such-judge is not"},
		{"true", func(t testing.TB) { Need(t, "no-such-judge") }, "failed: no-such-judge is not"},
		{"true", func(t testing.TB) { Run(t, "sh", "-c", "echo fine") }, ""},
		{"true", func(t testing.TB) { Run(t, "sh", "-c", "echo bad >&2") }, "failed: sh -c echo bad >&2: bad"},
		{"true", func(t testing.TB) { Ask(t, "sh", "-c", "echo bad >&2") }, ""},
		{"true", func(t testing.TB) { Ask(t, "sh", "-c", "echo worse >&2; exit 3") }, "failed: sh -c echo worse >&2; exit 3: exit status 3\nworse"},
	} {
		t.Setenv("CI", c.ci)
		if said := watch(t, c.f); !strings.HasPrefix(said, c.want) || c.want == "" && said != "" {
			t.Errorf("%q, want %q", said, c.want)
		}
	}
	if out, complaint := Ask(t, "sh", "-c", "echo yes; echo but >&2"); string(out) != "yes\n" || complaint != "but\n" {
		t.Errorf("%q, %q", out, complaint)
	}
}
