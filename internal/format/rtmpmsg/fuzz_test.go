package rtmpmsg

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the seed corpora")

// seeds writes the seeds of a fuzz target when asked, so that they are committed files.
func seeds(t *testing.T, target string, list ...[]byte) {
	t.Helper()
	dir := filepath.Join("testdata", "fuzz", target)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, b := range list {
		text := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", b)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("seed%02d", i)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSeeds(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	const big = 20_000_000
	long := string(bytes.Repeat([]byte("x"), 200))
	seeds(t, "FuzzReader",
		new(wireBuilder).raw(0x04, u24(1000), u24(3), 8, stream1, "abc", 0x44, u24(20), u24(2), 8, "de", 0x84, u24(30), "fg", 0xC4, "hi").Bytes(),
		new(wireBuilder).raw(0x06, u24(0xFFFFFF), u24(200), 9, stream1, u32(big), long[:128], 0xC6, u32(big), long[128:]).Bytes(),
		new(wireBuilder).raw(0x06, u24(0xFFFFFF), u24(200), 9, stream1, u32(big), long[:128], 0xC6, long[128:], 0x06, u24(0xFFFFFF), u24(130), 9, stream1, u32(big+40), long[:128], 0xC6, "yz").Bytes(),
		new(wireBuilder).raw(0x06, u24(0xFFFFFF), u24(1), 9, stream1, u32(big), "a", 0xC6, u32(big+40), "b").Bytes(),
		new(wireBuilder).raw(0x00, 6, u24(1), u24(1), 8, stream1, "a", 0x01, 6, 2, u24(2), u24(1), 8, stream1, "b").Bytes(),
		new(wireBuilder).raw(0x06, u24(1), u24(200), 9, stream1, long[:128], 0x02, u24(0), u24(4), 1, "\x00\x00\x00\x00", u32(30), 0xC6, long[128:158], 0x02, u24(0), u24(4), 2, "\x00\x00\x00\x00", u32(6)).Bytes(),
		new(wireBuilder).raw(0x06, u24(1), u24(200), 9, stream1, long[:128], 0x06, u24(1), u24(200), 9, stream1).Bytes(),
		new(wireBuilder).raw(0x04, u24(0), u24(0xFFFFFF), 20, stream1).Bytes(),
		new(wireBuilder).raw(0x04, u24(7), u24(30), 22, stream1, 8, u24(2), u24(1000), 0, u24(0), "ab", u32(13), 9, u24(1), u24(1040), 0, u24(0), "c", "1").Bytes(),
		new(wireBuilder).raw(0x02, u24(0), u24(4), 1, "\x00\x00\x00\x00", u32(0x10000), 0x06, u24(0), u24(66_000), 9, stream1, make([]byte, 70_000)).Bytes(),
		AppendPeerBandwidth(AppendEvent(AppendControl(nil, TypeWindowAckSize, 9), EventSetBufferLength, 1, 2), 3),
	)
	seeds(t, "FuzzAMF0",
		AppendAMF0(nil, "s", 1.0, true, false, nil, Object{{"a", Object{{"b", []any{1.0}}}}}, Array{{"c", Date(3)}}),
		new(wireBuilder).raw(12, u32(3), "abc", 15, u32(1), "x", 6, 13, 16, 0, 1, "t", 0, 0, 9).Bytes(),
		new(wireBuilder).raw(8, u32(99), 0, 1, "a", 1, 1).Bytes(),
		new(wireBuilder).raw(7, 0, 0).Bytes(), new(wireBuilder).raw(10, u32(1<<31)).Bytes(), new(wireBuilder).raw(12, u32(math.MaxUint32)).Bytes(),
		bytes.Repeat([]byte{10, 0, 0, 0, 1}, 40), bytes.Repeat([]byte{5}, 1025),
	)
	seeds(t, "FuzzAMF3",
		new(wireBuilder).raw(9, 5, 1, 10, 0x13, 1, 3, "a", 6, 5, "hi", 10, 1, 6, 2).Bytes(),
		new(wireBuilder).raw(10, 0x0B, 1, 3, "k", 3, 1).Bytes(), new(wireBuilder).raw(9, 1, 3, "k", 2, 1).Bytes(),
		new(wireBuilder).raw(9, 0x0D, 1, 0, 1, 2, 3, 4, 0xFF, 0xFF, 0xFF, 0xFF, 5, "\x3f\xf0\x00\x00\x00\x00\x00\x00").Bytes(),
		new(wireBuilder).raw(9, 7, 1, 8, 1, "\x3f\xf0\x00\x00\x00\x00\x00\x00", 12, 5, "ab", 7, 3, "c").Bytes(),
		new(wireBuilder).raw(10, 7, 1).Bytes(), new(wireBuilder).raw(10, 0).Bytes(), new(wireBuilder).raw(10, 5).Bytes(),
		new(wireBuilder).raw(6, 4).Bytes(), new(wireBuilder).raw(9, 0xFF, 0xFF, 0xFF, 0xFF).Bytes(), new(wireBuilder).raw(10, 0xFF, 0xFF, 0xFF, 0xF3, 1).Bytes(),
	)
	command := AppendAMF0(nil, "connect", 1.0, Object{{"app", "live"}}, "x")
	seeds(t, "FuzzCommand",
		append([]byte{TypeCommandAMF0}, command...), append([]byte{TypeCommandAMF3, 0}, command...),
		append([]byte{TypeDataAMF0}, AppendAMF0(nil, "@setDataFrame", "onMetaData", Array{{"width", 640.0}})...),
		append([]byte{TypeUserControl}, 0, 3, 0, 0, 0, 1, 0, 0, 0, 9), []byte{TypeUserControl, 0}, []byte{TypeAcknowledgement, 0, 0, 0, 1},
		append([]byte{TypeCommandAMF0}, AppendAMF0(nil, 5.0)...), []byte{TypeCommandAMF0},
	)
	seeds(t, "FuzzHandshake", ClientHello(noise(2, HandshakeSize), 7), digestHello(772), digestHello(8), []byte("GET / HTTP/1.1\r\n"))
}

// FuzzReader: whatever comes, the reader stays within its limits, and what it read
// is the same after this package's two writers wrote it.
func FuzzReader(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := PeerLimits()
		r := NewReader(bytes.NewReader(b), 64, limits)
		var flat []byte
		var shared [][]byte
		var c Chunker
		var want []Message
		for {
			m, err := r.Read()
			if r.pending < 0 || r.pending > limits.Pending || len(r.streams) > limits.ChunkStreams {
				t.Fatalf("pending %d in %d streams", r.pending, len(r.streams))
			}
			if err != nil {
				break
			}
			if m.Type == TypeAggregate {
				_, _ = SplitAggregate(m)
			}
			if m.Type == TypeSetChunkSize || m.Type == TypeAbort {
				t.Fatal("a message about the chunk stream got out")
			}
			h := Header{CSID: 6, Type: m.Type, StreamID: m.StreamID, Timestamp: m.Timestamp, ChunkSize: 128}
			flat = AppendMessage(flat, h, m.Payload)
			cut := min(len(m.Payload), 5)
			shared = c.Append(shared, h, m.Payload[:cut], m.Payload[cut:])
			want = append(want, m)
		}
		if r.Received() > uint64(len(b)) {
			t.Fatalf("%d of %d bytes received", r.Received(), len(b))
		}
		for _, wire := range [][]byte{flat, bytes.Join(shared, nil)} {
			r := NewReader(bytes.NewReader(wire), 64, limits)
			for _, w := range want {
				got, err := r.Read()
				if err != nil || got.Type != w.Type || got.Timestamp != w.Timestamp || got.StreamID != w.StreamID || !bytes.Equal(got.Payload, w.Payload) {
					t.Fatalf("read back %+v, %v", got, err)
				}
			}
		}
	})
}

// FuzzAMF0: a value that can be read is the same after it was written and read again.
func FuzzAMF0(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) { stableAMF(t, b) })
}

// FuzzAMF3 does the same for values behind the marker that switches to AMF3.
func FuzzAMF3(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) { stableAMF(t, append([]byte{amf0AVMPlus}, b...)) })
}

func stableAMF(t *testing.T, b []byte) {
	values, err := DecodeAMF0(b)
	if err != nil {
		return
	}
	wire := AppendAMF0(nil, values...)
	again, err := DecodeAMF0(wire)
	if err != nil {
		if len(wire) > amfBytes { // AMF3 is shorter than AMF0
			return
		}
		t.Fatal(err)
	}
	if !bytes.Equal(AppendAMF0(nil, again...), wire) {
		t.Fatalf("%#v became %#v", values, again)
	}
}

// FuzzCommand: the first byte is the message type.
func FuzzCommand(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		m := Message{Type: b[0], Payload: b[1:]}
		_, _ = ParseData(m)
		_, _ = ParseEvent(m.Payload)
		_, _ = ParseControl(m.Payload)
		c, err := ParseCommand(m)
		if err != nil {
			return
		}
		_ = c.StringArg(0)
		AsObject(c.Object).String("app")
		AsObject(c.Object).Number("app")
		wire := c.Append(nil, CSIDCommand, 0, 128)
		if _, err := NewReader(bytes.NewReader(wire), 64, PeerLimits()).Read(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzHandshake: C0 and C1 from a stranger.
func FuzzHandshake(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := ServerHello(b, make([]byte, 2*HandshakeSize), 1)
		if err != nil {
			return
		}
		if len(out) != 1+2*HandshakeSize {
			t.Fatal(len(out))
		}
		if _, err := ClientAnswer(out[:1+HandshakeSize], 1); err != nil {
			t.Fatal(err)
		}
	})
}
