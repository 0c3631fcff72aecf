package netguard

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"weir/internal/fault"
)

func guard(t *testing.T, c Config) *Guard {
	t.Helper()
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCheck(t *testing.T) {
	g := guard(t, Config{})
	for _, c := range []struct {
		addr string
		ok   bool
	}{
		{"93.184.215.14", true},
		{"2606:2800:21f:cb07::1", true},
		{"64:ff9b::5db8:d70e", true}, // NAT64 of a public address
		{"2002:5db8:d70e::1", true},  // 6to4 of a public address
		{"172.15.255.255", true},
		{"172.32.0.1", true},
		{"100.63.255.255", true},
		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"127.0.0.1", false},
		{"127.8.8.8", false},
		{"10.0.0.1", false},
		{"172.16.0.1", false},
		{"192.168.1.1", false},
		{"100.64.0.1", false},
		{"100.127.255.255", false},
		{"169.254.169.254", false},
		{"169.254.0.1", false},
		{"192.0.0.192", false},
		{"198.18.0.1", false},
		{"224.0.0.1", false},
		{"255.255.255.255", false},
		{"::", false},
		{"::1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:10.0.0.1", false},
		{"::127.0.0.1", false},
		{"::ffff:0:7f00:1", false},
		{"64:ff9b::7f00:1", false},
		{"64:ff9b::a9fe:a9fe", false},
		{"64:ff9b:1::1", false},
		{"2002:7f00:1::", false},
		{"2002:c0a8:101::1", false},
		{"2001:0:4136:e378::1", false},
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"fc00::1", false},
		{"fd00:ec2::254", false},
		{"fec0::1", false},
		{"ff02::1", false},
		{"2001:db8::1", false},
	} {
		err := g.Check(netip.AddrPortFrom(netip.MustParseAddr(c.addr), 1935))
		if (err == nil) != c.ok {
			t.Errorf("Check(%s) = %v", c.addr, err)
		}
		if err != nil && fault.Code(err) != "address_blocked" {
			t.Errorf("Check(%s): code %s", c.addr, fault.Code(err))
		}
	}
	if g.Check(netip.AddrPort{}) == nil {
		t.Error("no address at all was allowed")
	}
}

func TestAllow(t *testing.T) {
	g := guard(t, Config{Allow: []netip.Prefix{netip.MustParsePrefix("::ffff:192.168.7.0/120")}})
	for addr, ok := range map[string]bool{"192.168.7.9": true, "::ffff:192.168.7.9": true, "192.168.8.9": false, "127.0.0.1": false} {
		if err := g.Check(netip.AddrPortFrom(netip.MustParseAddr(addr), 80)); (err == nil) != ok {
			t.Errorf("Check(%s) = %v", addr, err)
		}
	}
	local := guard(t, Config{Allow: Local()})
	for addr, ok := range map[string]bool{"127.0.0.1": true, "10.1.2.3": true, "::1": true, "169.254.169.254": false, "fe80::1": false, "0.0.0.0": false} {
		if err := local.Check(netip.AddrPortFrom(netip.MustParseAddr(addr), 80)); (err == nil) != ok {
			t.Errorf("local: Check(%s) = %v", addr, err)
		}
	}
	if _, err := New(Config{Allow: []netip.Prefix{{}}}); err == nil {
		t.Error("an invalid prefix was taken")
	}
}

func TestOwnPorts(t *testing.T) {
	g := guard(t, Config{Allow: Local(), OwnPorts: func() []uint16 { return []uint16{1935} }})
	g.local = func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(93, 184, 215, 14), Mask: net.CIDRMask(24, 32)}}, nil
	}
	for target, ok := range map[string]bool{
		"127.0.0.1:1935": false, "127.0.0.1:1936": true, "[::ffff:127.0.0.1]:1935": false,
		"93.184.215.14:1935": false, "93.184.215.14:80": true, "93.184.215.15:1935": true, "0.0.0.0:1935": false,
	} {
		if err := g.Check(netip.MustParseAddrPort(target)); (err == nil) != ok {
			t.Errorf("Check(%s) = %v", target, err)
		}
	}
	g.local = func() ([]net.Addr, error) { return nil, errors.New("no") }
	if g.Check(netip.MustParseAddrPort("93.184.215.15:1935")) == nil {
		t.Error("an own port was allowed while the own addresses are unknown")
	}
}

func TestAllAddressesOfANameAreChecked(t *testing.T) {
	g := guard(t, Config{})
	g.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("93.184.215.14"), netip.MustParseAddr("::ffff:127.0.0.1")}, nil
	}
	_, err := g.DialContext(t.Context(), "tcp", "half.example.com:80")
	if fault.Code(err) != "address_blocked" {
		t.Fatalf("error %v", err)
	}
}

// The name is resolved once, so that a second answer cannot differ from the first.
func TestTheCheckedAddressIsDialled(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer server.Close()
	g := guard(t, Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	asked := 0
	g.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		asked++
		if asked > 1 {
			return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	response, err := g.HTTPClient().Get("http://rebind.example.com:" + port)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); string(body) != "hello" || asked != 1 {
		t.Fatalf("%q after %d look-ups", body, asked)
	}
}

func TestDialRefuses(t *testing.T) {
	g := guard(t, Config{})
	g.lookup = func(context.Context, string, string) ([]netip.Addr, error) { return nil, nil }
	for _, c := range []struct{ network, address, code string }{
		{"udp", "93.184.215.14:80", "address_unsupported"},
		{"tcp", "93.184.215.14", "address_invalid"},
		{"tcp", "93.184.215.14:0", "address_invalid"},
		{"tcp", "93.184.215.14:99999", "address_invalid"},
		{"tcp", "[::ffff:127.0.0.1]:80", "address_blocked"},
		{"tcp", "[fe80::1%lo]:80", "address_blocked"},
		{"tcp", "nowhere.example:80", "address_unresolved"},
		{"tcp", "0x7f.1:80", "address_unresolved"}, // only what netip reads is an address
	} {
		conn, err := g.DialContext(t.Context(), c.network, c.address)
		if fault.Code(err) != c.code {
			t.Errorf("%s %s: %v, want %s", c.network, c.address, err, c.code)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

func TestRedirectsAreChecked(t *testing.T) {
	var target string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target, http.StatusFound)
	}))
	defer server.Close()
	g := guard(t, Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	for to, code := range map[string]string{
		"http://169.254.169.254/latest/meta-data": "address_blocked",
		"http://[::1]:1/":                         "address_blocked",
		"ftp://127.0.0.1/":                        "address_blocked",
		server.URL:                                "too_many_redirects",
	} {
		target = to
		response, err := g.HTTPClient().Get(server.URL)
		if fault.Code(err) != code {
			t.Errorf("redirect to %s: %v", to, err)
		}
		if err == nil {
			response.Body.Close()
		}
	}
}

func TestControlHasTheLastWord(t *testing.T) {
	g := guard(t, Config{})
	if err := g.control("tcp", "127.0.0.1:80", nil); fault.Code(err) != "address_blocked" {
		t.Errorf("error %v", err)
	}
	if err := g.control("tcp", "nonsense", nil); err == nil {
		t.Error("nonsense was let through")
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:a00:1::", "93.184.215.14", "fe80::1%x"} {
		f.Add(s)
	}
	g, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return
		}
		err = g.Check(netip.AddrPortFrom(addr, 80))
		u := addr.Unmap()
		if err == nil && (u.IsLoopback() || u.IsPrivate() || u.IsLinkLocalUnicast() || u.IsMulticast() || u.IsUnspecified()) {
			t.Fatalf("%s was allowed", addr)
		}
		if addr.Is4() {
			mapped := netip.AddrFrom16(addr.As16())
			if again := g.Check(netip.AddrPortFrom(mapped, 80)); (err == nil) != (again == nil) {
				t.Fatalf("%s and %s differ", addr, mapped)
			}
			b := addr.As4()
			nat64 := netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 12: b[0], 13: b[1], 14: b[2], 15: b[3]})
			if again := g.Check(netip.AddrPortFrom(nat64, 80)); (err == nil) != (again == nil) {
				t.Fatalf("%s and its NAT64 form differ", addr)
			}
		}
		if err != nil && !strings.Contains(err.Error(), "not connected") {
			t.Fatal(err)
		}
	})
}
