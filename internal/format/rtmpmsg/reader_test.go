package rtmpmsg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// wireBuilder writes chunks by hand, so that the reader is not judged by this package's writer.
type wireBuilder struct{ bytes.Buffer }

func (w *wireBuilder) raw(parts ...any) *wireBuilder {
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			w.WriteByte(byte(p))
		case string:
			w.WriteString(p)
		case []byte:
			w.Write(p)
		case u24:
			w.Write([]byte{byte(p >> 16), byte(p >> 8), byte(p)})
		case u32:
			w.Write(binary.BigEndian.AppendUint32(nil, uint32(p)))
		}
	}
	return w
}

type (
	u24 uint32
	u32 uint32
)

const stream1 = "\x01\x00\x00\x00" // little-endian

func readAll(t *testing.T, b []byte, l Limits) ([]Message, error) {
	t.Helper()
	r := NewReader(bytes.NewReader(b), 512, l)
	var out []Message
	for {
		m, err := r.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
}

// TestChunkTraps is field/live's list for the chunk stream, each from raw bytes.
func TestChunkTraps(t *testing.T) {
	long := strings.Repeat("x", 200)
	const big = 20_000_000 // over 2^24
	cases := []struct {
		name  string
		wire  *wireBuilder
		times []uint32
		data  []string
	}{
		{"all four types", new(wireBuilder).raw(
			0x04, u24(1000), u24(3), 8, stream1, "abc",
			0x44, u24(20), u24(2), 8, "de",
			0x84, u24(30), "fg",
			0xC4, "hi"),
			[]uint32{1000, 1020, 1050, 1080}, []string{"abc", "de", "fg", "hi"}},
		{"a type 3 after a type 0 repeats its time as a delta (FMLE)", new(wireBuilder).raw(
			0x04, u24(26), u24(1), 8, stream1, "a", 0xC4, "b", 0xC4, "c"),
			[]uint32{26, 52, 78}, []string{"a", "b", "c"}},
		{"but not a large one", new(wireBuilder).raw(
			0x04, u24(600_000), u24(1), 8, stream1, "a", 0xC4, "b"),
			[]uint32{600_000, 600_000}, []string{"a", "b"}},
		{"extended timestamp, repeated in type 3 (Adobe)", new(wireBuilder).raw(
			0x06, u24(0xFFFFFF), u24(200), 9, stream1, u32(big), long[:128], 0xC6, u32(big), long[128:]),
			[]uint32{big}, []string{long}},
		{"extended timestamp, not repeated (old librtmp)", new(wireBuilder).raw(
			0x06, u24(0xFFFFFF), u24(200), 9, stream1, u32(big), long[:128], 0xC6, long[128:],
			0x06, u24(0xFFFFFF), u24(130), 9, stream1, u32(big+40), long[:128], 0xC6, "yz"),
			[]uint32{big, big + 40}, []string{long, long[:128] + "yz"}},
		{"extended timestamp cut to 31 bits in type 3", new(wireBuilder).raw(
			0x06, u24(0xFFFFFF), u24(200), 9, stream1, u32(0x80000010), long[:128], 0xC6, u32(0x10), long[128:]),
			[]uint32{0x80000010}, []string{long}},
		{"extended delta in type 1, and absolute time repeated in type 3", new(wireBuilder).raw(
			0x06, u24(5), u24(1), 9, stream1, "a",
			0x46, u24(0xFFFFFF), u24(200), 9, u32(big), long[:128], 0xC6, u32(big+5), long[128:]),
			[]uint32{5, big + 5}, []string{"a", long}},
		{"type 3 that starts a message carries the next extended time", new(wireBuilder).raw(
			0x06, u24(0xFFFFFF), u24(1), 9, stream1, u32(big), "a", 0xC6, u32(big+40), "b", 0xC6, u32(big+80), "c"),
			[]uint32{big, big + 40, big + 80}, []string{"a", "b", "c"}},
		{"the time wraps at 2^32", new(wireBuilder).raw(
			0x04, u24(0xFFFFFF), u24(1), 8, stream1, u32(0xFFFFFFF0), "a", 0x44, u24(32), u24(1), 8, "b"),
			[]uint32{0xFFFFFFF0, 16}, []string{"a", "b"}},
		{"a fresh chunk stream begins with type 1 (librtmp's ping)", new(wireBuilder).raw(
			0x45, u24(7), u24(2), 8, "ab"), []uint32{7}, []string{"ab"}},
		{"a fresh chunk stream begins with type 2 (DJI)", new(wireBuilder).raw(
			0xA1, u24(9), 0x04, u24(1), u24(1), 8, stream1, "a"), []uint32{9, 1}, []string{"", "a"}},
		{"chunk stream ids of two and three bytes", new(wireBuilder).raw(
			0x00, 6, u24(1), u24(1), 8, stream1, "a", 0x01, 6, 2, u24(2), u24(1), 8, stream1, "b", 0xC0, 6, "c"),
			[]uint32{1, 2, 2}, []string{"a", "b", "c"}},
		{"set chunk size between the chunks of a message (Wirecast)", new(wireBuilder).raw(
			0x06, u24(1), u24(200), 9, stream1, long[:128],
			0x02, u24(0), u24(4), 1, "\x00\x00\x00\x00", u32(30), 0xC6, long[128:158],
			0x02, u24(0), u24(4), 1, "\x00\x00\x00\x00", u32(40), 0xC6, long[158:198], 0xC6, long[198:]),
			[]uint32{1}, []string{long}},
		{"set chunk size with the high bit", new(wireBuilder).raw(
			0x02, u24(0), u24(4), 1, "\x00\x00\x00\x00", u32(0x80000000|300), 0x06, u24(1), u24(200), 9, stream1, long),
			[]uint32{1}, []string{long}},
		{"set chunk size of one byte", new(wireBuilder).raw(
			0x02, u24(0), u24(4), 1, "\x00\x00\x00\x00", u32(1), 0x06, u24(1), u24(3), 9, stream1, "a", 0xC6, "b", 0xC6, "c"),
			[]uint32{1}, []string{"abc"}},
		{"set chunk size over 65536", new(wireBuilder).raw(
			0x02, u24(0), u24(4), 1, "\x00\x00\x00\x00", u32(100_000), 0x06, u24(1), u24(90_000), 9, stream1, strings.Repeat("y", 90_000)),
			[]uint32{1}, []string{strings.Repeat("y", 90_000)}},
		{"abort drops the message in progress", new(wireBuilder).raw(
			0x06, u24(1), u24(200), 9, stream1, long[:128],
			0x02, u24(0), u24(4), 2, "\x00\x00\x00\x00", u32(6), 0x06, u24(2), u24(1), 9, stream1, "a"),
			[]uint32{2}, []string{"a"}},
		{"a repeated header inside a message", new(wireBuilder).raw(
			0x06, u24(1), u24(200), 9, stream1, long[:128], 0x46, u24(0), u24(200), 9, long[128:]),
			[]uint32{1}, []string{long}},
		{"interleaved messages", new(wireBuilder).raw(
			0x06, u24(1), u24(200), 9, stream1, long[:128], 0x04, u24(2), u24(1), 8, stream1, "a", 0xC6, long[128:]),
			[]uint32{2, 1}, []string{"a", long}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := readAll(t, c.wire.Bytes(), PeerLimits())
			if err != nil {
				t.Fatal(err)
			}
			var times []uint32
			var data []string
			for _, m := range got {
				times = append(times, m.Timestamp)
				data = append(data, string(m.Payload))
			}
			if !slices.Equal(times, c.times) || !slices.Equal(data, c.data) {
				t.Errorf("times %v, %d messages; want %v, %d messages", times, len(data), c.times, len(c.data))
			}
		})
	}
}

func TestChunkRefusals(t *testing.T) {
	many := new(wireBuilder)
	for i := range 65 {
		many.raw(0x00, i, u24(0), u24(0), 8, stream1)
	}
	bomb := new(wireBuilder)
	bomb.raw(0x02, u24(0), u24(4), 1, "\x00\x00\x00\x00", u32(1))
	for i := range 5 {
		bomb.raw(0x00, i, u24(0), u24(16<<20-1), 9, stream1, "a")
	}
	cases := []struct {
		name   string
		wire   *wireBuilder
		limits Limits
		want   error
	}{
		{"type 0 inside a message", new(wireBuilder).raw(0x06, u24(1), u24(200), 9, stream1, make([]byte, 128), 0x06, u24(1), u24(200), 9, stream1), PeerLimits(), ErrBadChunk},
		{"another length inside a message", new(wireBuilder).raw(0x06, u24(1), u24(200), 9, stream1, make([]byte, 128), 0x46, u24(1), u24(201), 9), PeerLimits(), ErrBadChunk},
		{"chunk size zero", new(wireBuilder).raw(0x02, u24(0), u24(4), 1, "\x00\x00\x00\x00", u32(0)), PeerLimits(), ErrBadControl},
		{"chunk size cut short", new(wireBuilder).raw(0x02, u24(0), u24(2), 1, "\x00\x00\x00\x00", "ab"), PeerLimits(), ErrBadControl},
		{"abort cut short", new(wireBuilder).raw(0x02, u24(0), u24(2), 2, "\x00\x00\x00\x00", "ab"), PeerLimits(), ErrBadControl},
		{"a message of 65 KiB from a stranger", new(wireBuilder).raw(0x04, u24(0), u24(65<<10), 20, stream1), StrangerLimits(), ErrMessageTooLarge},
		{"65 chunk streams", many, PeerLimits(), ErrTooManyStreams},
		{"much claimed on many chunk streams", bomb, Limits{Message: 16 << 20, ChunkSize: 1 << 20, ChunkStreams: 64, Pending: 256 << 10}, ErrTooMuchPending},
		{"the end inside a message", new(wireBuilder).raw(0x06, u24(1), u24(200), 9, stream1, "abc"), PeerLimits(), io.ErrUnexpectedEOF},
		{"the end inside a header", new(wireBuilder).raw(0x01, 3), PeerLimits(), io.ErrUnexpectedEOF},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := readAll(t, c.wire.Bytes(), c.limits); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestClaimedLengthCostsNothing: memory grows with what arrives, not with the length a header claims.
func TestClaimedLengthCostsNothing(t *testing.T) {
	b := new(wireBuilder).raw(0x06, u24(1), u24(16<<20-1), 9, stream1, "abc").Bytes()
	got := testing.AllocsPerRun(1, func() {
		r := NewReader(bytes.NewReader(b), 512, PeerLimits())
		_, _ = r.Read()
		if r.pending > firstAllocation {
			t.Errorf("%d bytes held for 3 received", r.pending)
		}
	})
	if got > 20 {
		t.Errorf("%v allocations", got)
	}
}

func TestGrowingMessage(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 40_000) // 640 KB: the buffer grows twice
	w := AppendMessage(nil, Header{CSID: 6, Type: 9, StreamID: 1, Timestamp: 3, ChunkSize: 128}, payload)
	r := NewReader(bytes.NewReader(w), 512, StrangerLimits())
	r.Admit(PeerLimits(), 4096)
	m, err := r.Read()
	if err != nil || !bytes.Equal(m.Payload, payload) || m.StreamID != 1 {
		t.Fatalf("%v, %d bytes", err, len(m.Payload))
	}
	if r.pending != 0 || r.Received() != uint64(len(w)) || r.ChunkSize() != 128 {
		t.Errorf("pending %d, received %d of %d, chunk size %d", r.pending, r.Received(), len(w), r.ChunkSize())
	}
}

func TestWriterIsReadBack(t *testing.T) {
	payload := []byte(strings.Repeat("media", 100))
	for _, ts := range []uint32{0, 40, 0xFFFFFE, 0xFFFFFF, 0x1000000, 0xFFFFFFFF} {
		for _, size := range []int{1, 7, 128, 499, 500, 501, 60000} {
			h := Header{CSID: 6, Type: 9, StreamID: 1, Timestamp: ts, ChunkSize: size}
			var c Chunker
			shared := c.Append(nil, h, payload[:5], payload[5:])
			shared = c.Append(shared, h, payload[:2], nil)
			flat := AppendMessage(AppendMessage(nil, h, payload), h, payload[:2])
			if got := bytes.Join(shared, nil); !bytes.Equal(got, flat) && size > 5 {
				t.Fatalf("ts %d, chunk size %d: the two writers differ", ts, size)
			}
			set := AppendControl(nil, TypeSetChunkSize, uint32(size))
			for _, wire := range [][]byte{bytes.Join(shared, nil), flat} {
				got, err := readAll(t, append(bytes.Clone(set), wire...), PeerLimits())
				if err != nil || len(got) != 2 || !bytes.Equal(got[0].Payload, payload) || got[0].Timestamp != ts || got[1].Timestamp != ts {
					t.Fatalf("ts %d, chunk size %d: %v, %d messages", ts, size, err, len(got))
				}
			}
		}
	}
}

func TestChunkerRefersToData(t *testing.T) {
	data := bytes.Repeat([]byte{7}, 100)
	var c Chunker
	out := c.Append(nil, Header{CSID: 6, Type: 9, ChunkSize: 60}, []byte{1, 2}, data)
	if &out[1][0] != &data[0] {
		t.Error("the data was copied")
	}
	first := bytes.Clone(out[0])
	c.Append(nil, Header{CSID: 4, Type: 8, ChunkSize: 60}, []byte{9, 9}, data)
	if !bytes.Equal(first, out[0]) {
		t.Error("a later message changed an earlier one's bytes")
	}
}

func TestControls(t *testing.T) {
	var b []byte
	b = AppendControl(b, TypeWindowAckSize, 2_500_000)
	b = AppendPeerBandwidth(b, 5)
	b = AppendEvent(b, EventSetBufferLength, 1, 3000)
	b = AppendEvent(b, EventPingRequest, 77)
	got, err := readAll(t, b, StrangerLimits())
	if err != nil || len(got) != 4 {
		t.Fatal(err, len(got))
	}
	if v, err := ParseControl(got[0].Payload); err != nil || v != 2_500_000 {
		t.Error(v, err)
	}
	if e, err := ParseEvent(got[2].Payload); err != nil || e != (Event{EventSetBufferLength, 1, 3000}) {
		t.Error(e, err)
	}
	if e, err := ParseEvent(got[3].Payload); err != nil || e != (Event{EventPingRequest, 77, 0}) {
		t.Error(e, err)
	}
	if _, err := ParseEvent([]byte{1}); err == nil {
		t.Error("an event of one byte")
	}
	if _, err := ParseControl([]byte{1, 2, 3}); err == nil {
		t.Error("a control message of three bytes")
	}
}

func TestSplitAggregate(t *testing.T) {
	body := new(wireBuilder).raw(
		8, u24(2), u24(1000), 0, u24(0), "ab", u32(13),
		9, u24(1), u24(1040), 0, u24(0), "c").Bytes() // without the last back pointer
	got, err := SplitAggregate(Message{Type: TypeAggregate, Timestamp: 5000, Payload: body})
	if err != nil || len(got) != 2 || got[0].Timestamp != 5000 || got[1].Timestamp != 5040 ||
		string(got[0].Payload) != "ab" || string(got[1].Payload) != "c" || got[1].Type != TypeVideo {
		t.Errorf("%+v %v", got, err)
	}
	for cut := range len(body) - 1 {
		if got, err := SplitAggregate(Message{Payload: body[:cut]}); err == nil && cut > 0 && cut != 13 && cut < 14 {
			t.Errorf("cut at %d: %d messages and no error", cut, len(got))
		}
	}
}

func BenchmarkReadChunks(b *testing.B) {
	h := Header{CSID: 6, Type: 9, StreamID: 1, ChunkSize: 4096}
	one := AppendMessage(nil, h, make([]byte, 12_000))
	wire := AppendControl(nil, TypeSetChunkSize, 4096)
	for range 100 {
		wire = append(wire, one...)
	}
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(bytes.NewReader(wire), 16<<10, PeerLimits())
		for range 100 {
			if _, err := r.Read(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkAppendChunks(b *testing.B) {
	var c Chunker
	data, head := make([]byte, 12_000), []byte{0x27, 1, 0, 0, 0}
	dst := make([][]byte, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		dst = c.Append(dst[:0], Header{CSID: 6, Type: 9, StreamID: 1, Timestamp: 7, ChunkSize: 60000}, head, data)
	}
}
