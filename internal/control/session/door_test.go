package session

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/control/access"
	"weir/internal/control/catalog"
	"weir/internal/control/catalog/sqlite"
	"weir/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

func door(t *testing.T, c Config) *Door {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	d := New(c, discard)
	t.Cleanup(d.Close)
	return d
}

func keys(t *testing.T, dir string) *access.Access {
	t.Helper()
	db, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := catalog.New(t.Context(), db, catalog.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	a, err := access.Open(t.Context(), store, dir, discard)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func policy(t *testing.T, c access.Config) *access.Policy {
	t.Helper()
	p, err := access.NewPolicy(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request(a Action, name, remote string) Request {
	return Request{Action: a, Protocol: "rtmp", Name: name, Remote: netip.MustParseAddrPort(remote)}
}

func mustOpen(t *testing.T, d *Door, r Request) *Session {
	t.Helper()
	s, err := d.Open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if fault.Code(err) != code {
		t.Fatalf("error %v, want the code %q", err, code)
	}
}

func refused(t *testing.T, d *Door, r Request, code string) *fault.Error {
	t.Helper()
	s, err := d.Open(t.Context(), r)
	if s != nil {
		s.Close(nil)
	}
	wantCode(t, err, code)
	return fault.Of(err)
}

const far = "198.51.100.7:4711"

func TestOrderOfChecks(t *testing.T) {
	k := keys(t, t.TempDir())
	d := door(t, Config{
		Keys:   k,
		Policy: policy(t, access.Config{Rules: []string{"deny 192.0.2.0/24"}, PublishOpen: []string{"203.0.113.7"}, PlayByKey: []string{"private/*"}}),
	})
	_, publish, _ := k.CreateKey(t.Context(), access.NewKey{Name: "studio", Pattern: "live/*"})
	_, play, _ := k.CreateKey(t.Context(), access.NewKey{Pattern: "private/*", Actions: []string{"play"}})
	with := func(r Request, key string) Request { r.Key = key; return r }

	refused(t, d, with(request(Publish, "live/..", far), publish), "name_bad_char")
	refused(t, d, with(request(Publish, "api/x", far), publish), "name_reserved")
	refused(t, d, with(request(Publish, "live/show", "[::ffff:192.0.2.9]:1"), publish), "address_denied")
	f := refused(t, d, request(Publish, "live/show", far), "key_missing")
	if !strings.Contains(f.Remedy, "weir key create live/show") || !strings.Contains(f.Remedy, "publish.open in weir.yaml") || !strings.Contains(f.Remedy, "198.51.100.7") {
		t.Errorf("the refusal does not name both ways: %s", f)
	}
	refused(t, d, with(request(Publish, "live/show", far), "wrong"), "key_wrong")
	refused(t, d, with(request(Publish, "other/show", far), publish), "key_wrong_stream")
	refused(t, d, with(request(Publish, "private/x", far), play), "key_wrong_action")
	refused(t, d, request(Play, "private/x", far), "key_missing")
	refused(t, d, Request{Action: "record", Name: "live/show", Remote: netip.MustParseAddrPort(far)}, "action_unknown")

	s := mustOpen(t, d, with(request(Publish, "live/show", far), publish))
	if s.KeyName() != "studio" || s.Name() != "live/show" {
		t.Errorf("session %+v", s.info())
	}
	byQuery := request(Play, "private/x", far)
	byQuery.Query = url.Values{"key": {play}}
	mustOpen(t, d, byQuery).Close(nil)
	mustOpen(t, d, request(Publish, "live/show", "203.0.113.7:1")).Close(nil)
	mustOpen(t, d, request(Play, "live/show", far)).Close(nil)
	internal := request(Publish, "live/test", "192.0.2.9:1")
	internal.Internal = true
	mustOpen(t, d, internal).Close(nil)
	s.Close(nil)
	if n := len(d.Sessions(nil)); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestRevocationEndsSessions(t *testing.T) {
	dir := t.TempDir()
	k := keys(t, dir)
	d := door(t, Config{Keys: k})
	made, secret, _ := k.CreateKey(t.Context(), access.NewKey{Name: "studio", Pattern: "live/*"})
	r := request(Publish, "live/show", far)
	r.Key = secret
	s := mustOpen(t, d, r)
	if _, _, err := k.RotateKey(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	<-s.Context().Done()
	wantCode(t, context.Cause(s.Context()), "key_revoked")

	// Another process does it: the door looks again every few seconds.
	made, secret, _ = k.CreateKey(t.Context(), access.NewKey{Pattern: "live/*"})
	r.Key = secret
	s = mustOpen(t, d, r)
	d.checkKeys(d.rules.Load())
	wantCode(t, context.Cause(s.Context()), "")
	if err := keys(t, dir).DeleteKey(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	d.checkKeys(d.rules.Load())
	wantCode(t, context.Cause(s.Context()), "key_revoked")
}

func TestSessionLife(t *testing.T) {
	d := door(t, Config{})
	events, stop := d.Watch()
	defer stop()
	r := request(Publish, "live/show", "[::ffff:198.51.100.7]:5")
	r.UserAgent = "obs"
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := d.Open(parent, r)
	wantCode(t, err, "")
	s.In(100)
	s.Out(7)
	for i := range 20 {
		s.SetDetail(fmt.Sprint(i), strings.Repeat("x", 1000))
	}
	list := d.Sessions(func(i Info) bool { return i.Name == "live/show" })
	if len(list) != 1 || list[0].BytesIn != 100 || list[0].BytesOut != 7 || list[0].Remote != "198.51.100.7:5" || list[0].UserAgent != "obs" ||
		len(list[0].Details) != 8 || len(list[0].Details["0"]) != 200 || list[0].ID != s.ID() {
		t.Fatalf("sessions %+v", list)
	}
	if n := len(d.Sessions(func(Info) bool { return false })); n != 0 {
		t.Errorf("%d sessions pass no filter", n)
	}
	if e := <-events; e.Type != Opened || e.Info.ID != s.ID() {
		t.Fatalf("event %+v", e)
	}
	if d.Kick("nobody", nil) || !d.Kick(s.ID(), nil) || d.Kick(s.ID(), nil) {
		t.Error("Kick")
	}
	wantCode(t, context.Cause(s.Context()), "kicked")
	s.Close(fault.New(fault.Internal, "late", "", ""))
	wantCode(t, context.Cause(s.Context()), "kicked")
	if e := <-events; e.Type != Closed || fault.Code(e.Cause) != "kicked" || e.Info.BytesIn != 100 {
		t.Fatalf("event %+v", e)
	}
	if st := d.Stats(); st.BytesIn != 100 || st.BytesOut != 7 || st.Publishers != 0 || st.Streams != 0 {
		t.Errorf("stats %+v", st)
	}

	child, err := d.Open(parent, r)
	wantCode(t, err, "")
	cancel()
	<-child.Context().Done()
	child.Close(nil)
}

func TestAttempts(t *testing.T) {
	d := door(t, Config{Keys: keys(t, t.TempDir())})
	events, stop := d.Watch()
	defer stop()
	r := request(Publish, "live/show", "127.0.0.1:1")
	r.UserAgent = "obs"
	for i := range 3 {
		r.Remote = netip.AddrPortFrom(r.Remote.Addr(), uint16(i+1))
		refused(t, d, r, "key_missing")
	}
	r.Key = "wrong"
	refused(t, d, r, "key_wrong")
	list := d.Attempts("live/show")
	if len(list) != 2 || list[0].Code != "key_wrong" || list[1].Count != 3 || list[1].Remote != "127.0.0.1:3" || list[1].UserAgent != "obs" || list[1].Remedy == "" {
		t.Fatalf("attempts %+v", list)
	}
	for range 4 {
		if e := <-events; e.Type != Refused || e.Info.Name != "live/show" || e.Attempt.Code == "" {
			t.Errorf("event %+v", e)
		}
	}
	for i := range 30 {
		refused(t, d, request(Publish, "live/show", fmt.Sprintf("127.0.0.%d:1", i+2)), "key_missing")
	}
	if list = d.Attempts("live/show"); len(list) != 20 || list[0].Remote != "127.0.0.31:1" {
		t.Errorf("%d attempts, the first from %s", len(list), list[0].Remote)
	}
	// Names are bounded, illegal ones and those of viewers not kept at all.
	refused(t, d, request(Publish, "live/..", "127.0.0.1:1"), "name_bad_char")
	for i := range attemptNames + 10 {
		refused(t, d, request(Publish, fmt.Sprintf("live/x%d", i), "127.0.0.1:1"), "key_missing")
	}
	if n := len(d.refusals.byName); n != attemptNames || len(d.Attempts("live/show")) != 0 || len(d.Attempts("live/..")) != 0 {
		t.Errorf("%d names are kept", n)
	}
}

func TestSlowWatcherLosesTheOldest(t *testing.T) {
	d := door(t, Config{})
	events, stop := d.Watch()
	for range cap(events) + 50 {
		mustOpen(t, d, request(Play, "live/a", "127.0.0.1:1"))
	}
	last := mustOpen(t, d, request(Play, "live/a", "127.0.0.1:1"))
	if d.Stats().Events != 51 {
		t.Errorf("%d events were dropped", d.Stats().Events)
	}
	stop()
	stop()
	newest := ""
	for e := range events {
		newest = e.Info.ID
	}
	if newest != last.ID() {
		t.Error("the newest event was lost")
	}
	d.Close()
	closed, stop := d.Watch()
	stop()
	if _, open := <-closed; open {
		t.Error("a closed door has events")
	}
}

func TestClosedDoor(t *testing.T) {
	d := New(Config{}, discard)
	s := mustOpen(t, d, request(Publish, "live/a", far))
	events, _ := d.Watch()
	d.Close()
	d.Close()
	wantCode(t, context.Cause(s.Context()), "server_stopping")
	if e := <-events; e.Type != Closed || fault.Code(e.Cause) != "server_stopping" {
		t.Errorf("event %+v", e)
	}
	if _, open := <-events; open {
		t.Error("the channel is open")
	}
	refused(t, d, request(Publish, "live/a", far), "server_stopping")
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []Config{
		{Limits: Limits{Viewers: -1}}, {Limits: Limits{OutBPS: -1}}, {Idle: time.Millisecond}, {Rates: Rates{Play: access.Rate{Burst: 1}}},
	} {
		if c.Validate() == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	d := door(t, Config{})
	d.SetConfig(Config{Rates: Rates{Play: access.Rate{Burst: 1}}}) // cannot limit: the class is left out
	for range 10 {
		mustOpen(t, d, request(Play, "live/a", far)).Close(nil)
	}
}

func TestClient(t *testing.T) {
	d := door(t, Config{Policy: policy(t, access.Config{TrustedProxies: []string{"127.0.0.1"}})})
	if got := d.Client(netip.MustParseAddrPort("127.0.0.1:1"), []string{"192.0.2.1"}); got.Addr().String() != "192.0.2.1" {
		t.Errorf("client %s", got)
	}
}

// A viewer costs little: a thousand of them are counted in bytes.
func TestMemoryPerSession(t *testing.T) {
	d := door(t, Config{})
	const n = 2000
	memory := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	open := func() {
		r := request(Play, "live/show", far)
		r.Remote = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 1)
		r.Query = url.Values{"x": {strings.Repeat("y", 500)}} // must not be kept
		mustOpen(t, d, r)
	}
	open()
	before := memory()
	for range n {
		open()
	}
	perSession := (memory() - before) / n
	t.Logf("%d bytes for a session", perSession)
	if perSession > 2048 {
		t.Errorf("%d bytes for a session", perSession)
	}
}

func BenchmarkOpenClose(b *testing.B) {
	d := New(Config{}, discard)
	defer d.Close()
	r := request(Play, "live/show", "127.0.0.1:1")
	b.ReportAllocs()
	for b.Loop() {
		s, err := d.Open(context.Background(), r)
		if err != nil {
			b.Fatal(err)
		}
		s.Close(nil)
	}
}

func BenchmarkCount(b *testing.B) {
	d := New(Config{}, discard)
	defer d.Close()
	s, err := d.Open(context.Background(), request(Play, "live/show", "127.0.0.1:1"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Out(1316)
	}
}
