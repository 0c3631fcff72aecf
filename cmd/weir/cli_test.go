package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/api"
	"weir/internal/fault"
	"weir/internal/server"
)

// weir runs a command as the shell does, and returns what it prints.
func weir(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := root()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(io.Discard)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

func mustWeir(t *testing.T, args ...string) string {
	t.Helper()
	out, err := weir(t, args...)
	if err != nil {
		t.Fatalf("weir %s: %s", strings.Join(args, " "), describe(err))
	}
	return out
}

func expect(t *testing.T, pattern, text string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(text) {
		t.Errorf("%q is not %s", text, pattern)
	}
}

func TestInitAndCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	expect(t, `^Wrote weir\.yaml\.\n$`, mustWeir(t, "init"))
	expect(t, `is right`, mustWeir(t, "config", "check"))
	if _, err := weir(t, "init"); fault.Code(err) != "config_exists" {
		t.Errorf("a second init: %v", err)
	}
	for wrong, code := range map[string]string{
		"--publish.open=neighbours": "config_value_bad", "--limits.viewers=-1": "config_value_bad", "--streams.grace=-1s": "config_value_bad", "--rates.play.burst=0": "rate_invalid",
		"--segments.part=3s": "config_value_bad", "--http.key=x.pem": "config_value_bad", "--log.level=loud": "config_value_bad", "--streams.profile=fast": "profile_unknown",
		"--rules=deny everybody": "config_value_bad", "--outgoing.allow=here": "config_value_bad",
	} {
		if _, err := weir(t, "config", "check", wrong); fault.Code(err) != code {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if _, err := weir(t, "config", "check", "-c", "other.yaml"); fault.Code(err) != "config_unreadable" {
		t.Errorf("a missing file: %v", err)
	}
	var s map[string]any
	if err := json.Unmarshal([]byte(mustWeir(t, "config", "schema")), &s); err != nil || s["$schema"] == nil {
		t.Errorf("%v %v", s, err)
	}
	expect(t, `^weir \d+\.\d+\.\d+ \(\w+\)\n$`, mustWeir(t, "version"))
	expect(t, `complete`, mustWeir(t, "completion", "bash"))
}

// Scripts take the whole output for the secret.
func TestSecretsAreAllThatIsPrinted(t *testing.T) {
	t.Chdir(t.TempDir())
	expect(t, `^wk_[a-z0-9]+\n$`, mustWeir(t, "key", "create", "live/*"))
	expect(t, `^weir_pat_[a-z0-9]+\n$`, mustWeir(t, "token", "create", "ci", "--scope", "streams:read"))
	first := mustWeir(t, "user", "reset-password")
	expect(t, `^\S{10,}\n$`, first)
	if again := mustWeir(t, "user", "reset-password"); again == first {
		t.Error("the second password is the first")
	}
	for _, c := range []struct{ args, code string }{
		{"key create api/x", "name_reserved"}, {"key create a//b", "name_empty"}, {"token create x --scope fly", "scope_unknown"}, {"user reset-password nobody", "user_unknown"},
	} {
		if out, err := weir(t, strings.Fields(c.args)...); fault.Code(err) != c.code || out != "" {
			t.Errorf("%s: %v, %q", c.args, err, out)
		}
	}
}

// running starts a server on free ports of the data folder ./data, and returns its ports by name.
func running(t *testing.T) map[string]int {
	t.Helper()
	s := defaultSettings()
	s.HTTP.Listen, s.RTMP.Listen, s.WebRTC.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	conf, err := s.config()
	if err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(t.Context(), conf, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan server.Ready, 1), make(chan error, 1)
	go func() { done <- srv.Run(t.Context(), func(r server.Ready) { ready <- r }) }()
	t.Cleanup(func() {
		if err := <-done; err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		srv.Close()
	})
	ports := map[string]int{}
	select {
	case r := <-ready:
		for _, g := range r.Gates {
			ports[g.Name] = g.Port
		}
	case err := <-done:
		t.Fatal(err)
	}
	t.Setenv(serverVariable, "http://127.0.0.1:"+strconv.Itoa(ports["http"])+"/")
	return ports
}

func TestCommandsOverTheAPI(t *testing.T) {
	t.Chdir(t.TempDir())
	running(t)
	if _, err := weir(t, "stream", "list"); fault.Code(err) != "sign_in_needed" || !strings.Contains(fault.Of(err).Remedy, "weir token create") {
		t.Errorf("without a token: %v", err)
	}
	t.Setenv(tokenVariable, strings.TrimSpace(mustWeir(t, "token", "create", "test")))
	expect(t, `^NAME .*HEALTH\n$`, mustWeir(t, "stream", "list"))
	if _, err := weir(t, "stream", "get", "live/none"); fault.Code(err) != "stream_unknown" {
		t.Error(err)
	}
	if _, err := weir(t, "stream", "kick", "live/none"); err == nil {
		t.Error("nobody was kicked")
	}
	if _, err := weir(t, "session", "kick", "x"); fault.Code(err) != "session_unknown" {
		t.Error(err)
	}
	expect(t, `^ID .*SOFTWARE\n$`, mustWeir(t, "session", "list", "--action", "play"))

	secret := mustWeir(t, "key", "create", "live/show")
	var keys []api.Key
	if err := json.Unmarshal([]byte(mustWeir(t, "key", "list", "-o", "json")), &keys); err != nil || len(keys) != 1 {
		t.Fatalf("%v %v", keys, err)
	}
	if turned := mustWeir(t, "key", "rotate", keys[0].ID); turned == secret || !strings.HasPrefix(turned, "wk_") {
		t.Errorf("%q", turned)
	}
	mustWeir(t, "key", "delete", keys[0].ID)
	if _, err := weir(t, "key", "delete", keys[0].ID); fault.Code(err) != "key_unknown" {
		t.Error(err)
	}
	expect(t, `(?s)^ID .*\n\S+  test  admin `, mustWeir(t, "token", "list"))
	for _, kind := range []string{"pull", "push"} {
		id := strings.TrimSpace(mustWeir(t, kind, "add", "live/x", "rtmp://192.0.2.1/live/SECRET"))
		expect(t, `(?s)^ID .*\n`+id+`  live/x  rtmp://192\.0\.2\.1/`, mustWeir(t, kind, "list"))
		mustWeir(t, kind, "remove", id)
		expect(t, `^ID [^\n]*\n$`, mustWeir(t, kind, "list"))
	}
}

func TestWordsThatAreNoCommands(t *testing.T) {
	for _, c := range root().Commands() {
		if !c.HasSubCommands() {
			continue
		}
		if out, err := weir(t, c.Name(), "nope"); err == nil || out != "" {
			t.Errorf("weir %s nope: %v, %q", c.Name(), err, out)
		}
		if out, err := weir(t, c.Name()); err != nil || !strings.Contains(out, "Available Commands") {
			t.Errorf("weir %s: %v, %q", c.Name(), err, out)
		}
	}
}

func TestServersThatAreNone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	go func() { _ = other.Serve(ln) }() // ends with Close
	defer other.Close()
	for address, code := range map[string]string{
		"http://" + ln.Addr().String(): "server_strange", "http://127.0.0.1:1": "server_unreachable", "live": "server_address_bad", "ftp://x": "server_unreachable",
	} {
		if _, err := weir(t, "stream", "list", "--server", address, "--token", "x"); fault.Code(err) != code {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := weir(t, "stream", "list", "-o", "xml"); fault.Code(err) != "usage" {
		t.Error(err)
	}
}

func TestNamesInTheOrderOfPeople(t *testing.T) {
	want := []string{"gate", "live", "live/cam", "live/cam-02", "live/cam-2", "live/cam-2b", "live/cam-10", "live/cam-010/x", "live/cam-99999999999999999999", "live/cam-100000000000000000000", "live/cam_1", "live/晚会9", "live/晚会10"}
	names := slices.Clone(want)
	slices.Sort(names)
	slices.SortFunc(names, natural)
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

// A key that is made where no server has its data goes with a word of warning, and the secret alone is on standard output.
func TestAKeyInANewDataFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, warned := range []bool{true, false} {
		var out, said bytes.Buffer
		c := root()
		c.SetArgs([]string{"key", "create", "live/show"})
		c.SetOut(&out)
		c.SetErr(&said)
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect(t, `^wk_\w+\n$`, out.String())
		if strings.Contains(said.String(), "made a new data folder") != warned {
			t.Errorf("said %q", said.String())
		}
	}
}
