package access

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/internal/faketime"
	"weir/internal/fault"
)

func policy(t *testing.T, c Config) *Policy {
	t.Helper()
	p, err := NewPolicy(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFirstFittingRuleDecides(t *testing.T) {
	p := policy(t, Config{Rules: []string{
		"allow publish 192.168.1.20", "deny publish 192.168.1.0/24", "allow all 192.168.0.0/16", "deny play 2001:db8::/32", "deny  publish all",
	}})
	for _, c := range []struct {
		addr, action string
		ok           bool
	}{
		{"192.168.1.20", ActionPublish, true},
		{"::ffff:192.168.1.20", ActionPublish, true},
		{"192.168.1.21", ActionPublish, false},
		{"192.168.1.21", ActionPlay, true},
		{"192.168.9.9", ActionPublish, true},
		{"1.2.3.4", ActionPublish, false},
		{"1.2.3.4", ActionPlay, true},
		{"2001:db8::9", ActionPlay, false},
		{"2001:db8::9", ActionPublish, false},
		{"2001:db9::9", ActionPlay, true},
		{"fe80::1%eth0", ActionPublish, false},
	} {
		err := p.Address(netip.MustParseAddr(c.addr), c.action)
		if (err == nil) != c.ok {
			t.Errorf("%s %s: %v", c.action, c.addr, err)
		}
		if err != nil && fault.Code(err) != "address_denied" {
			t.Errorf("code %s", fault.Code(err))
		}
	}
}

func TestOpenAndByKey(t *testing.T) {
	p := policy(t, Config{PublishOpen: []string{"local", "203.0.113.7", "2001:db8::/48"}, PlayByKey: []string{"private/*"}})
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "192.168.3.4": true, "::ffff:10.0.0.1": true, "203.0.113.7": true, "203.0.113.8": false,
		"2001:db8::1": true, "2001:db8:1::1": false, "fe80::1%eth0": true, "169.254.1.1": false,
	} {
		if got := p.OpenPublish(netip.MustParseAddr(addr)); got != want {
			t.Errorf("OpenPublish(%s) = %v", addr, got)
		}
	}
	if !p.PlayByKey("private/x") || p.PlayByKey("live/x") {
		t.Error("PlayByKey")
	}
	if all := policy(t, Config{PublishOpen: []string{"all"}}); !all.OpenPublish(netip.MustParseAddr("8.8.8.8")) || !all.OpenPublish(netip.MustParseAddr("2606::1")) {
		t.Error("all is not all")
	}
}

func TestPolicyRefusesNonsense(t *testing.T) {
	for _, c := range []struct {
		config Config
		code   string
	}{
		{Config{Rules: []string{"permit all"}}, "rule_invalid"},
		{Config{Rules: []string{"deny"}}, "rule_invalid"},
		{Config{Rules: []string{"deny record all"}}, "rule_invalid"},
		{Config{Rules: []string{"deny publish play all"}}, "rule_invalid"},
		{Config{Rules: []string{"deny publish 10.0.0.0/99"}}, "address_invalid"},
		{Config{PublishOpen: []string{"example.com"}}, "address_invalid"},
		{Config{TrustedProxies: []string{"fe80::1%eth0"}}, "address_invalid"},
		{Config{PlayByKey: []string{"live/.."}}, "name_bad_char"},
		{Config{}, ""},
	} {
		if got := fault.Code(c.config.Validate()); got != c.code {
			t.Errorf("%+v: %q, want %q", c.config, got, c.code)
		}
	}
}

func TestClientBehindProxies(t *testing.T) {
	p := policy(t, Config{TrustedProxies: []string{"10.0.0.0/8", "2001:db8::1"}})
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"1.2.3.4:5", []string{"9.9.9.9"}, "1.2.3.4:5"}, // nobody's proxy may say anything
		{"10.0.0.1:5", nil, "10.0.0.1:5"},
		{"10.0.0.1:5", []string{"1.2.3.4"}, "1.2.3.4:0"},
		{"[::ffff:10.0.0.1]:5", []string{"::ffff:1.2.3.4"}, "1.2.3.4:0"},
		{"10.0.0.1:5", []string{"8.8.8.8, 1.2.3.4"}, "1.2.3.4:0"}, // what the client wrote itself is left of it
		{"10.0.0.1:5", []string{"8.8.8.8", "1.2.3.4, 10.0.0.2"}, "1.2.3.4:0"},
		{"10.0.0.1:5", []string{"10.0.0.9, 10.0.0.2"}, "10.0.0.9:0"},
		{"10.0.0.1:5", []string{"1.2.3.4:777"}, "1.2.3.4:777"},
		{"10.0.0.1:5", []string{"[2001:db9::1]:777"}, "[2001:db9::1]:777"},
		{"10.0.0.1:5", []string{"[2001:db9::1]"}, "[2001:db9::1]:0"},
		{"10.0.0.1:5", []string{"1.2.3.4, unknown"}, "10.0.0.1:5"},
		{"10.0.0.1:5", []string{""}, "10.0.0.1:5"},
		{"[2001:db8::1]:5", []string{"1.2.3.4"}, "1.2.3.4:0"},
	} {
		if got := p.Client(netip.MustParseAddrPort(c.peer), c.forwarded); got.String() != c.want {
			t.Errorf("%s for %q = %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

// Whatever a client behind a proxy writes into the header, what the proxy appends is
// what counts.
func TestForwardedCannotBeForged(t *testing.T) {
	p := policy(t, Config{TrustedProxies: []string{"10.0.0.0/8"}})
	rapid.Check(t, func(t *rapid.T) {
		forged := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"10.0.0.3", "127.0.0.1", "1.1.1.1, 10.0.0.4", ","}))).Draw(t, "forged")
		got := p.Client(netip.MustParseAddrPort("10.0.0.1:5"), append(forged, "192.0.2.66"))
		if got.Addr().String() != "192.0.2.66" {
			t.Fatalf("%q gives %s", forged, got)
		}
	})
}

func limiter(t *testing.T, r Rate) *Limiter {
	t.Helper()
	l, err := NewLimiter(map[string]Rate{"x": r})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, Rate{PerSecond: 0.5, Burst: 3})
		a, neighbour, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:2"), netip.MustParseAddr("2001:db8:0:1::1")
		for i := range 3 {
			if ok, _ := l.Allow(a, "x"); !ok {
				t.Fatalf("request %d was refused", i)
			}
		}
		ok, wait := l.Allow(neighbour, "x") // the same subscriber
		if ok || wait != 2*time.Second {
			t.Fatalf("%v, wait %v", ok, wait)
		}
		if empty, wait := l.Empty(a, "x"); !empty || wait.Round(time.Millisecond) != 2*time.Second {
			t.Fatalf("%v, wait %v", empty, wait)
		}
		if ok, _ := l.Allow(other, "x"); !ok {
			t.Error("another subscriber was refused")
		}
		if empty, _ := l.Empty(other, "x"); empty {
			t.Error("another subscriber is empty")
		}
		if ok, _ := l.Allow(a, "unlimited"); !ok {
			t.Error("an unknown class was limited")
		}
		if empty, _ := l.Empty(a, "unlimited"); empty {
			t.Error("an unknown class was limited")
		}
		faketime.Pass(2 * time.Second)
		if ok, _ := l.Allow(a, "x"); !ok {
			t.Error("refused after the wait that was told")
		}
		if ok, _ := l.Allow(netip.MustParseAddr("::ffff:192.0.2.1"), "x"); !ok || network(netip.MustParseAddr("::ffff:192.0.2.1")) != "192.0.2.1" {
			t.Error("a mapped address is not its IPv4 address")
		}
	})
}

func TestLimiterMemoryIsBounded(t *testing.T) {
	l := limiter(t, Rate{PerSecond: 0.001, Burst: 1})
	busy := netip.MustParseAddr("192.0.2.1")
	l.Allow(busy, "x")
	for i := range 3 * maxBuckets {
		l.Allow(netip.AddrFrom16([16]byte{0x20, 1, 4: byte(i >> 16), 5: byte(i >> 8), 6: byte(i)}), "x")
		if i%1000 == 0 {
			if ok, _ := l.Allow(busy, "x"); ok {
				t.Fatal("a flood of others made room for a limited address")
			}
		}
	}
	if n := l.Buckets(); n > maxBuckets {
		t.Errorf("%d buckets", n)
	}
}

func TestRatesAreChecked(t *testing.T) {
	for _, r := range []Rate{{}, {PerSecond: 1}, {Burst: 1}, {PerSecond: -1, Burst: 1}} {
		if _, err := NewLimiter(map[string]Rate{"x": r}); fault.Code(err) != "rate_invalid" {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func BenchmarkLimiter(b *testing.B) {
	l, err := NewLimiter(map[string]Rate{"x": {PerSecond: 1e9, Burst: 1e9}})
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		l.Allow(addr, "x")
	}
}
