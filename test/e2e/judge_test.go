package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// scene is a script of the judge that plays a person at a browser: it tells in lines of JSON what it sees, and waits for
// lines where the test has something to do meanwhile.
type scene struct {
	t     *testing.T
	name  string
	in    io.Writer
	lines chan map[string]json.RawMessage
	log   *tail
}

// needUI skips a test of the pages where the interface was not built into the binary, and fails it in CI.
func needUI(t *testing.T, w *weir) {
	t.Helper()
	resp, err := http.Get(w.http("/console"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(body), `id="root"`) {
		if os.Getenv("CI") != "" {
			t.Fatal("the web interface is not built: sh scripts/build")
		}
		t.Skip("the web interface is not built: sh scripts/build")
	}
}

// newScene starts judge/<name>.mjs with a job; prefix goes before node, as `ip netns exec x`.
func newScene(t *testing.T, name string, job map[string]any, prefix ...string) *scene {
	t.Helper()
	need(t, "node", "chromium")
	b, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	argv := append(append([]string{}, prefix...), "node", "judge/"+name+".mjs", string(b))
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	s := &scene{t: t, name: name, lines: make(chan map[string]json.RawMessage, 64), log: &tail{}}
	cmd.Stderr = s.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if s.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.read(out)
		_ = cmd.Wait() // what went wrong was told, or is on standard error
	}()
	t.Cleanup(func() {
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
	})
	return s
}

func (s *scene) read(out io.Reader) {
	defer close(s.lines)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var l map[string]json.RawMessage
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			l = map[string]json.RawMessage{"step": json.RawMessage(`"failed"`), "error": json.RawMessage(lines.Bytes())}
		}
		s.lines <- l
	}
}

// await returns the next line, which must be this step, decoded into v (nil: ignored).
func (s *scene) await(step string, limit time.Duration, v any) {
	s.t.Helper()
	if l := s.next(limit, v); string(l["step"]) != `"`+step+`"` {
		s.t.Fatalf("%s: %s instead of %q", s.name, l["step"], step)
	}
}

// next returns the next line, whatever its step, decoded into v (nil: ignored).
func (s *scene) next(limit time.Duration, v any) map[string]json.RawMessage {
	s.t.Helper()
	select {
	case l, ok := <-s.lines:
		if !ok {
			s.t.Fatalf("%s ended: %s", s.name, s.log)
		}
		if string(l["step"]) == `"failed"` {
			s.t.Fatalf("%s: %s\nat %s: %s\n%s", s.name, l["error"], l["url"], l["text"], s.log)
		}
		if v == nil {
			return l
		}
		whole, err := json.Marshal(l)
		if err == nil {
			err = json.Unmarshal(whole, v)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		return l
	case <-time.After(limit):
		s.t.Fatalf("%s: nothing more was told within %v\n%s", s.name, limit, s.log)
	}
	return nil
}

// say answers the script.
func (s *scene) say(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		s.t.Fatalf("%s: %v\n%s", s.name, err, s.log)
	}
}
