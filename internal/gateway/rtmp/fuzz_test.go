package rtmp

import (
	"strings"
	"testing"

	"weir/internal/format/rtmpmsg"
	"weir/internal/media"
)

// FuzzAddress: what a stranger writes into connect and publish.
func FuzzAddress(f *testing.F) {
	f.Fuzz(func(t *testing.T, app, tcURL, stream string) {
		a := parseAddress(app, tcURL, stream)
		if strings.HasPrefix(a.name, "/") || strings.HasSuffix(a.name, "/") || strings.Contains(a.name, "//") || len(a.query) > 32 {
			t.Fatalf("%+v", a)
		}
		if strings.Contains(a.name, "?") && !strings.Contains(stripScheme(stream), "?") && !strings.Contains(app, "?") {
			t.Fatalf("%+v", a)
		}
		if b := parseAddress(app, tcURL, stream); b.name != a.name || b.key != a.key {
			t.Fatal("not the same twice")
		}
	})
}

// FuzzConnect: the objects of connect and of another server's answers.
func FuzzConnect(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := rtmpmsg.ParseCommand(rtmpmsg.Message{Type: rtmpmsg.TypeCommandAMF0, Payload: b})
		if err != nil {
			return
		}
		i := parseConnect(c)
		if len(i.flashver) > 256 {
			t.Fatal("a long flashVer")
		}
		d := i.dialect(true)
		if err := i.check(d, []media.Track{{Kind: media.Video, Codec: media.H264}}); err != nil {
			t.Fatal(err)
		}
		_ = statusOf(c).String("code")
		cl := client{target: target{host: "h"}}
		if cl.refused(c) == nil {
			t.Fatal("a refusal without a word")
		}
	})
}

// FuzzTarget: addresses of other servers.
func FuzzTarget(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseTarget(raw)
		if err == nil && (got.host == "" || got.app == "" || got.port == "") {
			t.Fatalf("%q gives %+v", raw, got)
		}
	})
}
