package rtmp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/format/rtmpmsg"
	"weir/internal/hub"
	"weir/internal/media"
)

// raw is a client that does what a test tells it, byte by byte if need be.
type raw struct {
	t    *testing.T
	conn net.Conn
	r    *rtmpmsg.Reader
}

func dialRaw(t *testing.T, addr string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{t: t, conn: conn, r: rtmpmsg.NewReader(conn, 4096, rtmpmsg.PeerLimits())}
}

// shake is the simple handshake; the server's answer must come in one piece, before C2.
func (c *raw) shake() *raw {
	c.t.Helper()
	random := make([]byte, rtmpmsg.HandshakeSize)
	_, _ = rand.Read(random)
	c.write(rtmpmsg.ClientHello(random, 0))
	answer := make([]byte, 1+2*rtmpmsg.HandshakeSize)
	if _, err := io.ReadFull(c.conn, answer); err != nil {
		c.t.Fatal(err)
	}
	c2, err := rtmpmsg.ClientAnswer(answer[:1+rtmpmsg.HandshakeSize], 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(c2)
	return c
}

func (c *raw) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *raw) call(name string, txn float64, object any, args ...any) {
	c.t.Helper()
	c.write(rtmpmsg.Command{Name: name, Transaction: txn, Object: object, Args: args}.Append(nil, 3, 0, 128))
}

// wait reads until a command of that name comes.
func (c *raw) wait(name string) rtmpmsg.Command {
	c.t.Helper()
	for {
		m, err := c.r.Read()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", name, err)
		}
		if m.Type != rtmpmsg.TypeCommandAMF0 {
			continue
		}
		cmd, err := rtmpmsg.ParseCommand(m)
		if err != nil {
			c.t.Fatal(err)
		}
		if cmd.Name == name {
			return cmd
		}
	}
}

// status reads until an onStatus comes and gives its code and sentence.
func (c *raw) status() (code, text string) {
	c.t.Helper()
	o := statusOf(c.wait("onStatus"))
	return o.String("code"), o.String("description")
}

func (c *raw) connect(app string, more ...rtmpmsg.Pair) rtmpmsg.Command {
	c.t.Helper()
	o := rtmpmsg.Object{{Key: "app", Value: app}, {Key: "tcUrl", Value: "rtmp://host:1935/" + app}}
	c.call("connect", 1, append(o, more...))
	return c.wait("_result")
}

// closed waits for the server to close.
func (c *raw) closed() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.conn); errors.Is(err, context.DeadlineExceeded) || err != nil && strings.Contains(err.Error(), "timeout") {
		c.t.Fatal("the server keeps the connection")
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	avcHex  = "0142c00affe100156742c00ada11ec0440000003004000000c83c489a801000468ce0fc8"
	hevcHex = "0101600000009000000000001ef000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003001e959409210001002942010101600000030090000003000003001ea0208316595952930bc05a02000003000200000300321022000100064401c073c089"
)

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// video and audio are media messages in the legacy form.
func (c *raw) media(kind uint8, ms uint32, body []byte) {
	c.t.Helper()
	c.write(rtmpmsg.AppendMessage(nil, rtmpmsg.Header{CSID: 6, Type: kind, StreamID: 1, Timestamp: ms, ChunkSize: 128}, body))
}

var (
	avcStart = []byte{0x17, 0, 0, 0, 0}
	avcKey   = []byte{0x17, 1, 0, 0, 0, 0, 0, 0, 4, 0x65, 0x88, 0x84, 0x21}
	avcInter = []byte{0x27, 1, 0, 0, 0, 0, 0, 0, 4, 0x41, 0x9a, 0x02, 0x05}
	aacStart = []byte{0xAF, 0, 0x12, 0x10}
	aacFrame = []byte{0xAF, 1, 0x21, 0x10, 0x05}
)

// publishH264 sends a second of picture and sound in one write.
func (c *raw) publishH264(from uint32) {
	c.t.Helper()
	var b []byte
	add := func(kind uint8, ms uint32, body []byte) {
		b = rtmpmsg.AppendMessage(b, rtmpmsg.Header{CSID: 6, Type: kind, StreamID: 1, Timestamp: ms, ChunkSize: 128}, body)
	}
	add(9, from, cat(avcStart, unhex(c.t, avcHex)))
	add(8, from, aacStart)
	add(9, from, avcKey)
	add(8, from, aacFrame)
	for i := range uint32(24) {
		add(9, from+40*(i+1), avcInter)
		add(8, from+40*(i+1), aacFrame)
	}
	c.write(b)
}

// TestCommandOrders: how encoders come in, each as it does.
func TestCommandOrders(t *testing.T) {
	t.Parallel()
	cases := map[string]func(c *raw){
		"OBS and FMLE": func(c *raw) {
			c.connect("live", rtmpmsg.Pair{Key: "type", Value: "nonprivate"}, rtmpmsg.Pair{Key: "flashVer", Value: "FMLE/3.0 (compatible; FMSc/1.0)"})
			c.call("releaseStream", 2, nil, "show")
			c.call("FCPublish", 3, nil, "show")
			c.call("createStream", 4, nil)
			c.wait("_result")
			c.wait("onFCPublish")
			c.wait("_result")
			c.call("_checkbw", 5, nil)
			c.call("publish", 6, nil, "show", "live")
		},
		"ffmpeg": func(c *raw) {
			c.write(rtmpmsg.AppendControl(nil, rtmpmsg.TypeSetChunkSize, 128))
			c.connect("live")
			c.call("releaseStream", 2, nil, "show")
			c.call("FCPublish", 3, nil, "show")
			c.call("createStream", 4, nil)
			c.call("publish", 5, nil, "show", "live")
		},
		"Haivision: FCPublish after createStream": func(c *raw) {
			c.connect("live")
			c.call("createStream", 2, nil)
			c.wait("_result")
			c.call("_checkbw", 3, nil)
			c.wait("_result")
			c.call("FCPublish", 0, nil, "show")
			c.wait("onFCPublish")
			c.call("publish", 0, nil, "show", "live")
		},
		"DJI: no publish type, all transactions zero, the key in the application": func(c *raw) {
			c.call("connect", 0, rtmpmsg.Object{{Key: "app", Value: "live?x=1"}, {Key: "tcUrl", Value: "rtmp://host:1935/live?x=1"}})
			c.wait("_result")
			c.call("createStream", 0, nil)
			c.call("publish", 0, nil, "show")
		},
		"GoPro: the whole path in the application": func(c *raw) {
			c.connect("live/show")
			c.call("createStream", 2, nil)
			c.call("publish", 3, nil, "", "live")
		},
		"AMF3 commands": func(c *raw) {
			p := rtmpmsg.AppendAMF0([]byte{0}, "connect", 1.0, rtmpmsg.Object{{Key: "app", Value: "live"}, {Key: "objectEncoding", Value: 3}})
			c.write(rtmpmsg.AppendMessage(nil, rtmpmsg.Header{CSID: 3, Type: rtmpmsg.TypeCommandAMF3, ChunkSize: 128}, p))
			if e := statusOf(c.wait("_result")).Number("objectEncoding"); e != 3 {
				c.t.Errorf("object encoding %v", e)
			}
			p = rtmpmsg.AppendAMF0([]byte{0}, "publish", 2.0, nil, "show", "live")
			c.write(rtmpmsg.AppendMessage(nil, rtmpmsg.Header{CSID: 3, Type: rtmpmsg.TypeCommandAMF3, StreamID: 1, ChunkSize: 128}, p))
		},
		"calls that nobody knows": func(c *raw) {
			c.connect("live")
			c.call("getTheWeather", 7, nil)
			if e := c.wait("_error"); e.Transaction != 7 {
				c.t.Errorf("transaction %v", e.Transaction)
			}
			c.call("silentCall", 0, nil)
			c.call("getStreamLength", 8, nil, "show")
			c.wait("_result")
			c.call("publish", 9, nil, "show", "live")
		},
	}
	for name, come := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, Config{})
			c := dialRaw(t, s.addr).shake()
			come(c)
			if code, text := c.status(); code != "NetStream.Publish.Start" {
				t.Fatalf("%s: %s", code, text)
			}
			c.publishH264(0)
			waitFor(t, "the stream", func() bool { return s.hub.Stream("live/show") != nil })
			if k := s.hub.Stream("live/show").Tracks(); len(k) != 2 {
				t.Errorf("tracks %+v", k)
			}
			c.call("FCUnpublish", 10, nil, "show")
			c.call("deleteStream", 11, nil, 1.0)
			c.wait("onFCUnpublish")
			if code, _ := c.status(); code != "NetStream.Unpublish.Success" {
				t.Error(code)
			}
			// The same connection may publish again.
			c.call("publish", 12, nil, "again", "live")
			if code, text := c.status(); code != "NetStream.Publish.Start" {
				t.Fatalf("%s: %s", code, text)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	cases := []struct{ app, tcURL, stream, name, key string }{
		{"live", "rtmp://h/live", "show", "live/show", ""},
		{"live", "rtmp://h/live", "show?key=K", "live/show", "K"},
		{"live/", "rtmp://h/live/", "/show", "live/show", ""},
		{"live", "rtmp://h/live", "show/?key=K", "live/show", "K"},
		{"live", "rtmp://h/live", " show ", "live/show", ""},
		{"live?key=K", "rtmp://h/live?key=K", "show", "live/show", "K"},
		{"live", "rtmp://h/live?key=K", "show", "live/show", "K"},
		{"live/show?key=K", "rtmp://h/live/show?key=K", "", "live/show", "K"},
		{"live/show?key=K/", "rtmp://h/live/show?key=K/", "", "live/show", "K"},
		{"live/show", "rtmp://h/live/show", "?key=K", "live/show", "K"},
		{"live/show", "rtmp://h/live/show", "/", "live/show", ""},
		{"", "rtmp://h:1935/live", "show", "live/show", ""},
		{"", "rtmp://h:1935/", "show", "show", ""},
		{"", "", "show", "show", ""},
		{"a/b", "rtmp://h/a/b", "c/d", "a/b/c/d", ""},
		{"a//b/", "rtmp://h/a//b/", "//c", "a/b/c", ""},
		{"live", "rtmp://h/live", "show?vhost=x&key=K&token=T", "live/show", "K"},
		{"live?vhost=x", "rtmp://h/live?vhost=x", "show?key=a%2Bb", "live/show", "a+b"},
		{"live", "rtmp://h/live", "show?key=100%", "live/show", "100%"},
		{"live", "rtmp://h/live", "show?key=a=b", "live/show", "a=b"},
		{"live?key=old", "rtmp://h/live?key=old", "show?key=new", "live/show", "new"},
		{"live", "rtmp://h/live", "mp4:show", "live/show", ""},
		{"直播", "rtmp://h/直播", "节目?key=K", "直播/节目", "K"},
	}
	for _, c := range cases {
		a := parseAddress(c.app, c.tcURL, c.stream)
		if a.name != c.name || a.key != c.key || a.form == "" {
			t.Errorf("%q %q %q: %q with key %q (%s)", c.app, c.tcURL, c.stream, a.name, a.key, a.form)
		}
	}
	if a := parseAddress("live", "", "show?key=K&x=1"); a.args != "key=K&x=1" || a.query.Get("x") != "1" {
		t.Errorf("%+v", a)
	}
	if a := parseAddress("live", "", "s?"+strings.Repeat("a=1&", 10)+strings.Repeat("bb=1&cc=2&dd=3&", 1000)); len(a.query) > 32 {
		t.Errorf("%d values", len(a.query))
	}
}

// TestPublishedFromTraps: streams that begin in odd ways are published all the same.
func TestPublishedFromTraps(t *testing.T) {
	t.Parallel()
	avc := unhex(t, avcHex)
	meta := func(pairs ...rtmpmsg.Pair) []byte {
		return rtmpmsg.AppendAMF0(nil, "@setDataFrame", "onMetaData", rtmpmsg.Array(pairs))
	}
	both := meta(rtmpmsg.Pair{Key: "videocodecid", Value: 7}, rtmpmsg.Pair{Key: "audiocodecid", Value: 10})
	video := func(c *raw, from, to uint32) {
		for ms := from; ms < to; ms += 40 {
			c.media(9, ms, avcInter)
		}
	}
	cases := map[string]struct {
		send func(c *raw)
		want []media.Codec
	}{
		"metadata announces audio that never comes": {func(c *raw) {
			c.media(18, 0, both)
			c.media(9, 0, cat(avcStart, avc))
			c.media(9, 0, avcKey)
			video(c, 40, 1200)
		}, []media.Codec{media.H264}},
		"audio alone for two seconds, then video": {func(c *raw) {
			c.media(18, 0, both)
			c.media(8, 0, aacStart)
			for ms := uint32(0); ms < 2000; ms += 23 {
				c.media(8, ms, aacFrame)
			}
			c.media(9, 2000, cat(avcStart, avc))
			c.media(9, 2000, avcKey)
		}, []media.Codec{media.H264, media.AAC}},
		"metadata says video only": {func(c *raw) {
			c.media(18, 0, meta(rtmpmsg.Pair{Key: "videocodecid", Value: 7}))
			c.media(9, 0, cat(avcStart, avc))
			c.media(9, 0, avcKey)
		}, []media.Codec{media.H264}},
		"ffmpeg's timecode packet and broken metadata": {func(c *raw) {
			c.media(18, 0, []byte{0, 0, 0, 1})
			c.media(18, 0, []byte{2, 0, 10, 'o', 'n', 'M', 'e', 't', 'a', 'D', 'a', 't', 'a', 7})
			c.publishH264(0)
		}, []media.Codec{media.H264, media.AAC}},
		"a late second track": {func(c *raw) {
			c.media(9, 0, cat(avcStart, avc))
			c.media(9, 0, avcKey)
			video(c, 40, 1200)
			c.media(8, 1200, aacStart)
			c.media(8, 1200, aacFrame)
			c.media(9, 1240, avcKey)
		}, []media.Codec{media.H264, media.AAC}},
		"HEVC as codec id 12": {func(c *raw) {
			c.media(18, 0, meta(rtmpmsg.Pair{Key: "videocodecid", Value: 12}))
			c.media(9, 0, cat([]byte{0x1C, 0, 0, 0, 0}, unhex(t, hevcHex)))
			c.media(9, 0, []byte{0x1C, 1, 0, 0, 0, 0, 0, 0, 4, 0x26, 1, 0xaf, 8})
		}, []media.Codec{media.HEVC}},
		"an aggregate message": {func(c *raw) {
			c.media(8, 0, aacStart)
			c.media(9, 0, cat(avcStart, avc))
			tag := func(kind byte, ms byte, b []byte) []byte {
				return cat([]byte{kind, 0, 0, byte(len(b)), 0, 0, ms, 0, 0, 0, 0}, b, []byte{0, 0, 0, byte(11 + len(b))})
			}
			c.media(22, 0, cat(tag(9, 0, avcKey), tag(8, 0, aacFrame), tag(9, 40, avcInter)))
		}, []media.Codec{media.H264, media.AAC}},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, Config{})
			c := dialRaw(t, s.addr).shake()
			c.connect("live")
			c.call("publish", 2, nil, "show", "live")
			c.status()
			k.send(c)
			waitFor(t, "the tracks", func() bool {
				st := s.hub.Stream("live/show")
				if st == nil {
					return false
				}
				var have []media.Codec
				for _, tr := range st.Tracks() {
					have = append(have, tr.Codec)
				}
				return slices.Equal(have, k.want)
			})
		})
	}
}

// TestConfigurationChange: other parameter sets in mid-stream begin a new run; the same ones do not.
func TestConfigurationChange(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	c := s.published(t)
	st := s.hub.Stream("live/show")
	waitFor(t, "the frames", func() bool { return st.Stats().Frames >= 50 })
	first := st.Run().ID
	c.media(9, 1000, cat(avcStart, unhex(t, avcHex))) // repeated
	c.media(9, 1000, avcStart)                        // empty
	c.media(9, 1000, avcKey)
	waitFor(t, "the frame", func() bool { return st.Stats().Frames >= 51 })
	if st.Run().ID != first {
		t.Error("a repeated configuration began a run")
	}
	changed := unhex(t, avcHex)
	changed[11] = 0x0B
	c.media(9, 1040, cat(avcStart, changed))
	c.media(9, 1040, avcKey)
	waitFor(t, "the new run", func() bool { return st.Run().ID != first })
	if k := st.Tracks()[0]; !bytes.Equal(k.Config, changed) {
		t.Errorf("%x", k.Config)
	}
}

// TestRefusals: each has its sentence, and the connection ends.
func TestRefusals(t *testing.T) {
	t.Parallel()
	policy, err := access.NewPolicy(access.Config{Rules: []string{"deny publish all", "deny play all"}})
	if err != nil {
		t.Fatal(err)
	}
	s := newStack(t, Config{PlayWait: 50 * time.Millisecond})
	closed := newStack(t, Config{})
	closed.door.SetConfig(session.Config{Policy: policy})
	half, err := access.NewPolicy(access.Config{Rules: []string{"deny publish all"}})
	if err != nil {
		t.Fatal(err)
	}
	noPublish := newStack(t, Config{})
	noPublish.door.SetConfig(session.Config{Policy: half})

	t.Run("connect", func(t *testing.T) {
		c := dialRaw(t, closed.addr).shake()
		c.call("connect", 1, rtmpmsg.Object{{Key: "app", Value: "live"}})
		if o := statusOf(c.wait("_error")); o.String("code") != "NetConnection.Connect.Rejected" || len(o.String("description")) < 10 {
			t.Errorf("%v", o)
		}
		c.closed()
	})
	ask := func(s *stack, call, name string) (*raw, string, string) {
		c := dialRaw(t, s.addr).shake()
		c.connect("live")
		c.call(call, 2, nil, name)
		code, text := c.status()
		return c, code, text
	}
	for _, k := range []struct {
		name         string
		s            *stack
		call, stream string
		code         string
	}{
		{"address", noPublish, "publish", "show", "NetStream.Publish.Unauthorized"},
		{"dots", s, "publish", "../../etc", "NetStream.Publish.BadName"},
		{"reserved word", s, "publish", "index.m3u8", "NetStream.Publish.BadName"},
		{"missing stream", s, "play", "nothing", "NetStream.Play.StreamNotFound"},
		{"a name to play that is none", s, "play", "a\x01b", "NetStream.Play.Failed"},
	} {
		t.Run(k.name, func(t *testing.T) {
			c, code, text := ask(k.s, k.call, k.stream)
			if code != k.code || len(text) < 10 {
				t.Errorf("%s: %q", code, text)
			}
			c.closed()
		})
	}
	t.Run("publish before connect", func(t *testing.T) {
		c := dialRaw(t, s.addr).shake()
		c.call("publish", 2, nil, "show")
		if code, text := c.status(); code != "NetStream.Publish.BadName" || text == "" {
			t.Errorf("%s: %q", code, text)
		}
		c.closed()
	})
	t.Run("connect twice", func(t *testing.T) {
		c := dialRaw(t, s.addr).shake()
		c.connect("live")
		c.call("connect", 2, rtmpmsg.Object{{Key: "app", Value: "other"}})
		c.closed()
	})
	t.Run("an unsupported codec", func(t *testing.T) {
		c, _, _ := ask(s, "publish", "speex")
		c.media(8, 0, []byte{0xB2, 1, 2, 3})
		if code, text := c.status(); code != "NetStream.Publish.Rejected" || !strings.Contains(text, "Speex") {
			t.Errorf("%s: %q", code, text)
		}
		c.closed()
	})
	t.Run("a second publisher", func(t *testing.T) {
		c, _, _ := ask(s, "publish", "busy")
		c.publishH264(0)
		waitFor(t, "the stream", func() bool { return s.hub.Stream("live/busy") != nil })
		d, _, _ := ask(s, "publish", "busy")
		d.publishH264(0)
		if code, text := d.status(); code != "NetStream.Publish.BadName" || !strings.Contains(text, "live/busy") {
			t.Errorf("%s: %q", code, text)
		}
		d.closed()
	})
	if s.server.Stats().Refused == 0 {
		t.Error("refusals are not counted")
	}
}

func TestTakeOver(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{TakeOver: true})
	var peers [2]*raw
	for i := range peers {
		c := dialRaw(t, s.addr).shake()
		c.connect("live")
		c.call("publish", 2, nil, "show", "live")
		c.status()
		c.publishH264(0)
		peers[i] = c
		waitFor(t, "the stream", func() bool {
			st := s.hub.Stream("live/show")
			return st != nil && st.Publisher().Remote == c.conn.LocalAddr().String()
		})
	}
	peers[0].media(9, 2000, avcKey)
	if code, text := peers[0].status(); code != "NetStream.Publish.BadName" || !strings.Contains(text, "took over") {
		t.Errorf("%s: %q", code, text)
	}
	peers[0].closed()
}

func TestKick(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	c := s.published(t)
	p := dialRaw(t, s.addr).shake()
	p.connect("live")
	p.call("play", 2, nil, "show")
	for code := ""; code != "NetStream.Play.Start"; {
		code, _ = p.status()
	}
	waitFor(t, "both sessions", func() bool { return len(s.door.Sessions(nil)) == 2 })
	cause := fault.New(fault.Forbidden, "kicked", "The owner ended this.", "")
	for _, i := range s.door.Sessions(nil) {
		s.door.Kick(i.ID, cause)
	}
	for _, peer := range []*raw{c, p} {
		if code, text := peer.status(); !strings.Contains(text, "The owner ended this.") {
			t.Errorf("%s: %q", code, text)
		}
		peer.closed()
	}
	waitFor(t, "all to be gone", func() bool { return s.server.Stats().Connections == 0 && len(s.door.Sessions(nil)) == 0 })
}

// TestPlayerGreeting: what players must get, in order, and what they must not.
func TestPlayerGreeting(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	pub := dialRaw(t, s.addr).shake()
	pub.connect("live")
	pub.call("publish", 2, nil, "show", "live")
	pub.status()
	pub.publishH264(0)
	for flash, more := range map[bool][]rtmpmsg.Pair{false: nil, true: {{Key: "flashVer", Value: "WIN 32,0,0,1"}, {Key: "swfUrl", Value: "http://x/p.swf"}}} {
		c := dialRaw(t, s.addr).shake()
		c.connect("live", more...)
		c.call("createStream", 2, nil)
		c.wait("_result")
		c.write(rtmpmsg.AppendEvent(nil, rtmpmsg.EventPingRequest, 99))
		c.call("play", 3, nil, "show", -2000.0)
		var seen []string
		for !slices.Contains(seen, "video") {
			m, err := c.r.Read()
			if err != nil {
				t.Fatal(err)
			}
			switch m.Type {
			case rtmpmsg.TypeUserControl:
				e, _ := rtmpmsg.ParseEvent(m.Payload)
				seen = append(seen, map[uint16]string{0: "begin", 7: "pong"}[e.Kind])
			case rtmpmsg.TypeCommandAMF0:
				cmd, _ := rtmpmsg.ParseCommand(m)
				seen = append(seen, statusOf(cmd).String("code"))
			case rtmpmsg.TypeDataAMF0:
				v, _ := rtmpmsg.ParseData(m)
				seen = append(seen, v[0].(string))
			case rtmpmsg.TypeVideo:
				seen = append(seen, "video")
				if m.StreamID != 1 {
					t.Errorf("message stream %d", m.StreamID)
				}
			}
		}
		want := []string{"pong", "begin", "NetStream.Play.Reset", "NetStream.Play.Start", "onMetaData", "video"}
		if flash {
			want = slices.Insert(want, 4, "|RtmpSampleAccess")
		}
		if !slices.Equal(seen, want) {
			t.Errorf("flash %t: %v", flash, seen)
		}
		_ = c.conn.Close()
	}
}

// TestAcknowledgements: a publisher that stops at the end of its window never gets there.
func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	c := dialRaw(t, s.addr).shake()
	c.write(rtmpmsg.AppendControl(nil, rtmpmsg.TypeWindowAckSize, 10_000))
	c.connect("live")
	c.call("publish", 2, nil, "show", "live")
	c.status()
	c.media(9, 0, cat(avcStart, unhex(t, avcHex)))
	c.media(9, 0, append(bytes.Clone(avcKey), make([]byte, 9000)...))
	for {
		m, err := c.r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if m.Type == rtmpmsg.TypeAcknowledgement {
			if n, _ := rtmpmsg.ParseControl(m.Payload); n < 9000 {
				t.Errorf("%d bytes acknowledged", n)
			}
			return
		}
	}
}

// TestPublisherReturns: a player keeps its connection and its clock over a publisher's absence.
func TestPublisherReturns(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	s.hub.Close()
	s.hub = hub.New(hub.Config{Grace: 10 * time.Second}, s.server.log)
	s.server.hub = s.hub
	publish := func() *raw {
		c := dialRaw(t, s.addr).shake()
		c.connect("live")
		c.call("publish", 2, nil, "show", "live")
		c.status()
		c.publishH264(0)
		return c
	}
	c := publish()
	p := dialRaw(t, s.addr).shake()
	p.connect("live")
	p.call("play", 2, nil, "show")
	var last uint32
	pictures := 0
	read := func(n int) {
		for n > 0 {
			m, err := p.r.Read()
			if err != nil {
				t.Fatal(err)
			}
			if m.Type != rtmpmsg.TypeVideo || m.Payload[1] == 0 {
				continue
			}
			if pictures > 0 && m.Timestamp <= last {
				t.Errorf("the time goes from %d to %d", last, m.Timestamp)
			}
			last = m.Timestamp
			pictures++
			n--
		}
	}
	read(20)
	for range 3 {
		_ = c.conn.Close()
		waitFor(t, "the publisher to be gone", func() bool { return s.hub.Stream("live/show").State() == hub.Away })
		c = publish()
		read(25)
	}
}

// TestEndIsTold: at the end of the stream a player is told, then let go.
func TestEndIsTold(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	c := dialRaw(t, s.addr).shake()
	c.connect("live")
	c.call("publish", 2, nil, "show", "live")
	c.status()
	c.publishH264(0)
	p := dialRaw(t, s.addr).shake()
	p.connect("live")
	p.call("play", 2, nil, "show")
	for code := ""; code != "NetStream.Play.Start"; {
		code, _ = p.status()
	}
	waitFor(t, "the player", func() bool { return s.fan.Stats().Viewers == 1 })
	_ = c.conn.Close()
	if code, _ := p.status(); code != "NetStream.Play.UnpublishNotify" {
		t.Error(code)
	}
	p.closed()
}

// TestSlowPlayerReadsTheEnd: a player that is behind when its stream ends gets the rest, although it still acknowledges.
func TestSlowPlayerReadsTheEnd(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	c := dialRaw(t, s.addr).shake()
	c.connect("live")
	c.call("publish", 2, nil, "show", "live")
	c.status()
	c.publishH264(0)
	p := dialRaw(t, s.addr).shake()
	p.connect("live")
	p.call("play", 2, nil, "show")
	for code := ""; code != "NetStream.Play.Start"; {
		code, _ = p.status()
	}
	waitFor(t, "the player", func() bool { return s.fan.Stats().Viewers == 1 })
	_ = c.conn.Close()
	waitFor(t, "the end of the stream", func() bool { return s.hub.Stream("live/show") == nil && s.fan.Stats().Viewers == 0 })
	for range 20 {
		p.write(rtmpmsg.AppendControl(nil, rtmpmsg.TypeAcknowledgement, 1000))
	}
	pictures := 0
	for {
		m, err := p.r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d pictures: %v", pictures, err)
		}
		if m.Type == rtmpmsg.TypeVideo && m.Payload[1] == 1 {
			pictures++
		}
	}
	if pictures != 25 {
		t.Errorf("%d pictures of 25", pictures)
	}
}

// TestStopIsNoFault: a publisher hears that the server stops, and not of a fault that nobody has.
func TestStopIsNoFault(t *testing.T) {
	kicked := fault.New(fault.Forbidden, "kicked", "Ended by the owner.", "")
	for cause, code := range map[error]string{context.Canceled: "server_stopping", fmt.Errorf("serving: %w", context.Canceled): "server_stopping", kicked: "kicked", io.ErrNoProgress: "internal"} {
		if got := fault.Code(said(cause)); got != code {
			t.Errorf("%v is told as %s, want %s", cause, got, code)
		}
	}
}
