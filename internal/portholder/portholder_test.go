package portholder

import (
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the tables")
	}
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		tcp, err := net.Listen("tcp", at)
		if err != nil {
			t.Skip("no loopback: ", err)
		}
		udp, err := net.ListenPacket("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		for network, addr := range map[string]string{"tcp": tcp.Addr().String(), "udp": udp.LocalAddr().String()} {
			_, port, _ := net.SplitHostPort(addr)
			if name := Name(network, port); !strings.HasSuffix(name, " (process "+strconv.Itoa(os.Getpid())+")") {
				t.Errorf("%s %s is held by %q, not by this test", network, addr, name)
			}
		}
		_, port, _ := net.SplitHostPort(tcp.Addr().String())
		_, other, _ := net.SplitHostPort(udp.LocalAddr().String())
		_, _ = tcp.Close(), udp.Close()
		if a, b := Name("tcp", port), Name("udp", other); strings.Contains(a+b, strconv.Itoa(os.Getpid())) {
			t.Errorf("closed ports are held by %q and %q", a, b)
		}
	}
	if name := Name("tcp", "nonsense"); name != "" {
		t.Errorf("nonsense is held by %q", name)
	}
}
