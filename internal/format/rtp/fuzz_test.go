package rtp

import (
	"testing"
	"time"

	pion "github.com/pion/rtp"

	"weir/internal/media"
)

// A fuzz input is a row of packets: two bytes of payload length, one byte of flags (marker, new
// timestamp, how far the sequence number jumps), then the payload.
const (
	fuzzMarker = 0x80
	fuzzStamp  = 0x40
	fuzzJump   = 0x0f
)

func fuzzSeed(t testing.TB, c media.Codec) (seed []byte) {
	track, frames := clip(t, c)
	stamp := uint32(0)
	for i, b := range packets(t, track, frames[:3]) {
		if i > 12 {
			break
		}
		flags := byte(1)
		if Marker(b) {
			flags |= fuzzMarker
		}
		if h := Read(b); h.Timestamp != stamp {
			flags, stamp = flags|fuzzStamp, h.Timestamp
		}
		body := b[HeaderSize:min(len(b), HeaderSize+90)] // small seeds: what follows means nothing here
		seed = append(append(seed, byte(len(body)>>8), byte(len(body)), flags), body...)
	}
	return seed
}

func fuzz(f *testing.F, c media.Codec) {
	f.Add(fuzzSeed(f, c))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := NewAssembler(Config{Codec: c, MaxUnit: 1 << 16})
		if err != nil {
			t.Fatal(err)
		}
		sequence, stamp, now, in, out := uint16(0), uint32(0), int64(0), 0, 0
		for len(data) >= 3 {
			n, flags := min(int(data[0])<<8|int(data[1]), len(data)-3), data[2]
			sequence += uint16(flags & fuzzJump)
			if flags&fuzzStamp != 0 {
				stamp += 3000
			}
			now += int64(40 * time.Millisecond)
			a.Push(now, &pion.Packet{Header: pion.Header{SequenceNumber: sequence, Timestamp: stamp, Marker: flags&fuzzMarker != 0}, Payload: data[3 : 3+n]})
			in, data = in+n, data[3+n:]
			for u, ok := a.Pop(now); ok; u, ok = a.Pop(now) {
				out += len(u.Data)
				checkUnit(t, c, u)
			}
			if missing := a.Missing(now, nil); len(missing) > window || len(a.asked) > 2*window {
				t.Fatalf("%d packets are asked for, %d requests are kept", len(missing), len(a.asked))
			}
		}
		if out > 6*in+64 {
			t.Fatalf("%d bytes became %d", in, out)
		}
		a.Sets()
	})
}

func checkUnit(t *testing.T, c media.Codec, u Unit) {
	t.Helper()
	if len(u.Data) == 0 {
		t.Fatal("an empty unit")
	}
	total := 0
	switch c {
	case media.H264, media.HEVC:
		for _, n := range nals(nil, u.Data) {
			total += 4 + len(n)
		}
	case media.AV1:
		var again []byte
		for _, o := range obus(nil, u.Data) {
			again = append(append(again, o.header...), o.payload...)
			total++
		}
		if total == 0 || len(again) >= len(u.Data) {
			t.Fatalf("%x is no row of sized OBUs", u.Data)
		}
		return
	default:
		return
	}
	if total != len(u.Data) {
		t.Fatalf("%d of %d bytes are NAL units", total, len(u.Data))
	}
}

func FuzzH264(f *testing.F) { fuzz(f, media.H264) }
func FuzzHEVC(f *testing.F) { fuzz(f, media.HEVC) }
func FuzzVP8(f *testing.F)  { fuzz(f, media.VP8) }
func FuzzVP9(f *testing.F)  { fuzz(f, media.VP9) }
func FuzzAV1(f *testing.F)  { fuzz(f, media.AV1) }
func FuzzOpus(f *testing.F) { fuzz(f, media.Opus) }

// FuzzPacketize: whatever the frame, packets stay within the limit and no byte is made up.
func FuzzPacketize(f *testing.F) {
	for i, c := range video {
		track, frames := clip(f, c)
		f.Add(byte(i), track.Config, frames[0].Data[:min(1500, len(frames[0].Data))])
	}
	f.Fuzz(func(t *testing.T, which byte, config, data []byte) {
		c := video[int(which)%len(video)]
		p, err := NewPacketizer(media.Track{Kind: media.Video, Codec: c, TimeScale: 90000, Config: config}, 96, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range p.Append(nil, &media.Frame{Key: true, Data: data}) {
			if len(b) <= HeaderSize || len(b) > HeaderSize+MaxPayload {
				t.Fatalf("%v: a packet of %d bytes", c, len(b))
			}
		}
	})
}
