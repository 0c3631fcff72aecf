package e2e

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// rawRTMP is a client that sends whatever a test wants.
type rawRTMP struct {
	conn net.Conn
	r    *rtmpmsg.Reader
}

func (w *weir) dialRTMP(t *testing.T) *rawRTMP {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.ports["rtmp"]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Minute))
	return &rawRTMP{conn: conn, r: rtmpmsg.NewReader(conn, 4096, rtmpmsg.PeerLimits())}
}

func (c *rawRTMP) shake() error {
	random := make([]byte, rtmpmsg.HandshakeSize)
	_, _ = rand.Read(random)
	if _, err := c.conn.Write(rtmpmsg.ClientHello(random, 0)); err != nil {
		return err
	}
	answer := make([]byte, 1+2*rtmpmsg.HandshakeSize)
	if _, err := io.ReadFull(c.conn, answer); err != nil {
		return err
	}
	c2, err := rtmpmsg.ClientAnswer(answer[:1+rtmpmsg.HandshakeSize], 0)
	if err == nil {
		_, err = c.conn.Write(c2)
	}
	return err
}

func (c *rawRTMP) call(name string, transaction float64, object any, args ...any) error {
	_, err := c.conn.Write(rtmpmsg.Command{Name: name, Transaction: transaction, Object: object, Args: args}.Append(nil, 3, 0, 128))
	return err
}

// status waits for the onStatus or the error that a call ends in.
func (c *rawRTMP) status() (code, text string, err error) {
	for {
		m, err := c.r.Read()
		if err != nil {
			return "", "", err
		}
		if m.Type != rtmpmsg.TypeCommandAMF0 {
			continue
		}
		r, err := rtmpmsg.ParseCommand(m)
		if err != nil {
			return "", "", err
		}
		if (r.Name == "onStatus" || r.Name == "_error") && len(r.Args) > 0 {
			o := rtmpmsg.AsObject(r.Args[0])
			return o.String("code"), o.String("description"), nil
		}
	}
}

// publish asks to publish and gives what the server said.
func (c *rawRTMP) publish(app, stream string) (code, text string, err error) {
	err = errors.Join(c.shake(),
		c.call("connect", 1, rtmpmsg.Object{{Key: "app", Value: app}, {Key: "tcUrl", Value: "rtmp://host/" + app}}),
		c.call("createStream", 2, nil),
		c.call("publish", 3, nil, stream, "live"))
	if err != nil {
		return "", "", err
	}
	return c.status()
}

// feed publishes the judge's picture with the time stamps that stamp makes of a frame's own, in ms.
type feed struct {
	c      *rawRTMP
	source *testpattern.Source
	bodies *flv.Bodies
	tracks []media.Track
	begun  time.Time
	sent   int  // pictures
	mute   bool // frames of sound are not sent
}

const feedChunk = 65536

func (w *weir) feed(t *testing.T, name, key string, o testpattern.Options) *feed {
	t.Helper()
	f := &feed{c: w.dialRTMP(t), begun: time.Now()}
	app, stream, _ := strings.Cut(name, "/")
	code, text, err := f.c.publish(app, stream+"?key="+key)
	if err != nil || code != "NetStream.Publish.Start" {
		t.Fatalf("%s: %s %s %v", name, code, text, err)
	}
	f.write(t, rtmpmsg.AppendControl(nil, rtmpmsg.TypeSetChunkSize, feedChunk))
	f.begin(t, o)
	return f
}

func (f *feed) write(t *testing.T, b []byte) {
	t.Helper()
	if _, err := f.c.conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// begin sends new sequence headers, at the first time or after a change.
func (f *feed) begin(t *testing.T, o testpattern.Options) {
	t.Helper()
	var err error
	if f.source, err = testpattern.New(o); err != nil {
		t.Fatal(err)
	}
	f.tracks, f.begun = f.source.Tracks(), time.Now()
	if f.bodies, err = flv.NewBodies(flv.Legacy, f.tracks); err != nil {
		t.Fatal(err)
	}
}

func (f *feed) headers(t *testing.T, ms uint32) {
	t.Helper()
	f.bodies.SequenceHeaders(func(kind flv.TagType, body []byte) { f.write(t, tagMessage(kind, ms, body)) })
}

func tagMessage(kind flv.TagType, ms uint32, body []byte) []byte {
	csid := uint8(6)
	if kind == flv.TagAudio {
		csid = 4
	}
	return rtmpmsg.AppendMessage(nil, rtmpmsg.Header{CSID: csid, Type: uint8(kind), StreamID: 1, Timestamp: ms, ChunkSize: feedChunk}, body)
}

// run sends in real time up to a moment of the source's own time.
func (f *feed) run(t *testing.T, until time.Duration, stamp func(ms int64) uint32) {
	t.Helper()
	timer := time.NewTimer(0)
	defer timer.Stop()
	first := f.sent == 0 || f.source.Due() == 0
	for f.source.Due() < until {
		<-timer.C
		frame := f.source.Next(time.Now())
		track := media.Find(f.tracks, frame.Track)
		ms := stamp(track.Duration(frame.DTS).Milliseconds())
		if first {
			f.headers(t, ms)
			first = false
		}
		head, kind, ok := f.bodies.AppendHead(nil, &frame)
		if !ok {
			t.Fatal("a frame without a form")
		}
		if frame.Track != testpattern.AudioTrack || !f.mute {
			f.write(t, tagMessage(kind, ms, append(head, frame.Data...)))
		}
		if frame.Track == testpattern.VideoTrack {
			f.sent++
		}
		timer.Reset(time.Until(f.begun.Add(f.source.Due())))
	}
}
