package rtp

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	pion "github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"pgregory.net/rapid"

	"weir/internal/fault"
	"weir/internal/media"
)

var video = []media.Codec{media.H264, media.HEVC, media.VP8, media.VP9, media.AV1}

func packets(t testing.TB, track media.Track, frames []media.Frame) (wire [][]byte) {
	t.Helper()
	p, err := NewPacketizer(track, 96, 7)
	if err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		wire = p.Append(wire, &frames[i])
	}
	return wire
}

func parse(t testing.TB, b []byte) *pion.Packet {
	t.Helper()
	p := &pion.Packet{}
	if err := p.Unmarshal(bytes.Clone(b)); err != nil {
		t.Fatal(err)
	}
	return p
}

func assemble(t testing.TB, c media.Codec, wire [][]byte) (units []Unit, a *Assembler) {
	t.Helper()
	a, err := NewAssembler(Config{Codec: c})
	if err != nil {
		t.Fatal(err)
	}
	now := int64(0)
	for _, b := range wire {
		a.Push(now, parse(t, b))
		now += int64(time.Millisecond)
		for u, ok := a.Pop(now); ok; u, ok = a.Pop(now) {
			units = append(units, u)
		}
	}
	now += int64(time.Second)
	for u, ok := a.Pop(now); ok; u, ok = a.Pop(now) {
		units = append(units, u)
	}
	return units, a
}

func same(t *testing.T, units []Unit, frames []media.Frame) {
	t.Helper()
	if len(units) != len(frames) {
		t.Fatalf("%d units of %d frames", len(units), len(frames))
	}
	for i, u := range units {
		if !bytes.Equal(u.Data, frames[i].Data) || u.Key != frames[i].Key {
			t.Fatalf("frame %d: %d bytes key %v became %d bytes key %v", i, len(frames[i].Data), frames[i].Key, len(u.Data), u.Key)
		}
		if i > 0 && u.Time-units[i-1].Time != frames[i].PTS-frames[i-1].PTS {
			t.Fatalf("frame %d: %d ticks after the last", i, u.Time-units[i-1].Time)
		}
	}
}

func TestFramesComeBackInOrderTwiceAndShuffled(t *testing.T) {
	for _, c := range append([]media.Codec{media.Opus}, video...) {
		t.Run(c.String(), func(t *testing.T) {
			track, frames := clip(t, c)
			wire := packets(t, track, frames)
			units, _ := assemble(t, c, wire)
			same(t, units, frames)

			rng := rand.New(rand.NewPCG(1, 2))
			shuffled := append([][]byte{wire[0]}, wire...)
			for i := 2; i+4 < len(shuffled); i += 4 {
				rng.Shuffle(4, func(a, b int) { shuffled[i+a], shuffled[i+b] = shuffled[i+b], shuffled[i+a] })
			}
			units, a := assemble(t, c, shuffled)
			same(t, units, frames)
			if n := a.Counters(); n.Duplicates != 1 || n.Lost != 0 {
				t.Errorf("counters %+v", n)
			}
		})
	}
}

func TestPacketsFitEverybody(t *testing.T) {
	for _, c := range video {
		track, frames := clip(t, c)
		p, _ := NewPacketizer(track, 100, 9)
		sequence := uint16(0)
		for i := range frames {
			wire := p.Append(nil, &frames[i])
			if len(wire) == 0 {
				t.Fatalf("%v: frame %d gave no packet", c, i)
			}
			for j, b := range wire {
				h := Read(b)
				want := Header{PayloadType: 100, Sequence: sequence, Timestamp: uint32(frames[i].PTS), SSRC: 9}
				if h != want || len(b) > HeaderSize+MaxPayload || Marker(b) != (j == len(wire)-1) {
					t.Fatalf("%v: frame %d packet %d: %+v, %d bytes, marker %v", c, i, j, h, len(b), Marker(b))
				}
				sequence++
			}
		}
	}
}

// The fragments of one unit must be equal but the last, so that the kernel can cut them (UDP_SEGMENT).
func TestFragmentsAreEqual(t *testing.T) {
	track := media.Track{Kind: media.Video, Codec: media.H264, TimeScale: 90000}
	unit := append([]byte{0x65, 0x88}, bytes.Repeat([]byte{1}, 10_000)...)
	wire := packets(t, track, []media.Frame{{Key: true, Data: append([]byte{0, 0, 0x27, 0x12}, unit...)}})
	for i, b := range wire[:len(wire)-1] {
		if len(b) != HeaderSize+MaxPayload {
			t.Errorf("packet %d of %d has %d bytes", i, len(wire), len(b))
		}
	}
}

func TestParameterSetsGoBeforeKeyFrames(t *testing.T) {
	for _, c := range []media.Codec{media.H264, media.HEVC, media.AV1} {
		track, frames := clip(t, c)
		if c == media.AV1 { // move the sequence header out of the frame
			first := obus(nil, frames[0].Data)[0]
			n := len(first.header) + 1 + len(first.payload)
			track.Config = append([]byte{0x81, 0, 0, 0}, frames[0].Data[:n]...)
			frames[0].Data = frames[0].Data[n:]
		}
		_, a := assemble(t, c, packets(t, track, frames[:1]))
		sets, version := a.Sets()
		want := map[media.Codec]int{media.H264: 2, media.HEVC: 3, media.AV1: 1}[c]
		if len(sets) != want || version != want {
			t.Errorf("%v: %d sets, version %d", c, len(sets), version)
		}
		again := a.sets(t)
		for i := range sets {
			if !bytes.Equal(sets[i], again[i]) {
				t.Errorf("%v: set %d changed", c, i)
			}
		}
	}
}

func (a *Assembler) sets(t *testing.T) [][]byte {
	t.Helper()
	s, _ := a.Sets()
	return s
}

// pion's own readers take our packets apart to the same frames.
func TestPionReadsOurPackets(t *testing.T) {
	readers := map[media.Codec]func() func([]byte) ([]byte, error){
		media.H264: func() func([]byte) ([]byte, error) { r := &codecs.H264Packet{IsAVC: true}; return r.Unmarshal },
		media.VP8:  func() func([]byte) ([]byte, error) { r := &codecs.VP8Packet{}; return r.Unmarshal },
		media.VP9:  func() func([]byte) ([]byte, error) { r := &codecs.VP9Packet{}; return r.Unmarshal },
		media.AV1:  func() func([]byte) ([]byte, error) { r := &codecs.AV1Depacketizer{}; return r.Unmarshal },
		media.Opus: func() func([]byte) ([]byte, error) { r := &codecs.OpusPacket{}; return r.Unmarshal },
	}
	for c, reader := range readers {
		track, frames := clip(t, c)
		track.Config = nil // no parameter sets to be put in
		unmarshal := reader()
		var got, want []byte
		for _, b := range packets(t, track, frames) {
			piece, err := unmarshal(parse(t, b).Payload)
			if err != nil {
				t.Fatalf("%v: %v", c, err)
			}
			got = append(got, piece...)
		}
		for _, f := range frames {
			want = append(want, f.Data...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%v: pion read %d bytes of %d, or others", c, len(got), len(want))
		}
	}
}

// We read what pion's payloaders write.
func TestWeReadPionsPackets(t *testing.T) {
	payloaders := map[media.Codec]pion.Payloader{
		media.H264: &codecs.H264Payloader{}, media.HEVC: &codecs.H265Payloader{}, media.VP8: &codecs.VP8Payloader{EnablePictureID: true},
		media.VP9: &codecs.VP9Payloader{}, media.AV1: &codecs.AV1Payloader{}, media.Opus: &codecs.OpusPayloader{},
	}
	for c, p := range payloaders {
		t.Run(c.String(), func(t *testing.T) {
			_, frames := clip(t, c)
			a, _ := NewAssembler(Config{Codec: c, HasSets: true})
			var units []Unit
			sequence := uint16(65530)
			for i, f := range frames {
				data := f.Data
				if c == media.H264 || c == media.HEVC {
					data = nil
					for _, u := range nals(nil, f.Data) {
						data = append(append(data, 0, 0, 0, 1), u...)
					}
				}
				payloads := p.Payload(1100, data)
				for j, b := range payloads {
					a.Push(0, &pion.Packet{Header: pion.Header{SequenceNumber: sequence, Timestamp: uint32(f.PTS), Marker: j == len(payloads)-1}, Payload: b})
					sequence++
				}
				u, ok := a.Pop(0)
				if !ok {
					t.Fatalf("frame %d did not come back: %+v", i, a.Counters())
				}
				units = append(units, u)
			}
			same(t, units, frames)
		})
	}
}

func TestLossWaitsForTheNextKeyFrame(t *testing.T) {
	for _, c := range video {
		track, frames := clip(t, c)
		keys := make([]media.Frame, 0, len(frames)*2)
		for round := range 3 { // three groups
			for _, f := range frames {
				f.PTS += int64(round*len(frames)) * 3000
				keys = append(keys, f)
			}
		}
		wire := packets(t, track, keys)
		lost := len(wire) / 2 // inside the second group
		units, a := assemble(t, c, append(wire[:lost:lost], wire[lost+1:]...))
		if !a.TakeLoss() || a.TakeLoss() {
			t.Errorf("%v: the loss is told once", c)
		}
		if len(units) >= len(keys) || len(units) < 2*len(frames) || a.Counters().Lost != 1 {
			t.Errorf("%v: %d units of %d, %+v", c, len(units), len(keys), a.Counters())
		}
		gap := false
		for i := 1; i < len(units); i++ {
			if units[i].Time-units[i-1].Time != 3000 {
				gap = true
				if !units[i].Key {
					t.Errorf("%v: unit %d after the gap is no key frame", c, i)
				}
			}
		}
		if !gap {
			t.Errorf("%v: no gap seen", c)
		}
	}
}

func TestAnyLossGivesOnlyWholeFrames(t *testing.T) {
	for _, c := range video {
		track, frames := clip(t, c)
		wire := packets(t, track, frames)
		whole := map[string]bool{}
		for _, f := range frames {
			whole[string(f.Data)] = true
		}
		rapid.Check(t, func(rt *rapid.T) {
			var left [][]byte
			loss := rapid.IntRange(1, 30).Draw(rt, "loss in 100")
			for _, b := range wire {
				if rapid.IntRange(0, 99).Draw(rt, "die") >= loss {
					left = append(left, b)
				}
			}
			units, _ := assemble(t, c, left)
			for _, u := range units {
				if !whole[string(u.Data)] {
					rt.Fatalf("%v: a unit of %d bytes that was never sent", c, len(u.Data))
				}
			}
		})
	}
}

func TestAudioGoesOnAfterLossAndRestart(t *testing.T) {
	track, frames := clip(t, media.Opus)
	wire := packets(t, track, frames)
	units, a := assemble(t, media.Opus, append(wire[:10:10], wire[12:]...))
	if len(units) != len(frames)-2 || a.TakeLoss() || a.Counters().Lost != 2 {
		t.Errorf("%d units of %d, %+v", len(units), len(frames), a.Counters())
	}
	for i, b := range wire[20:] { // a sender that begins anew, far away
		h := Read(b)
		h.Sequence = uint16(40_000 + i)
		h.Put(b)
	}
	if units, _ = assemble(t, media.Opus, wire); len(units) != len(frames) {
		t.Errorf("%d units of %d after a restart", len(units), len(frames))
	}
}

func TestTimestampsWrap(t *testing.T) {
	a, _ := NewAssembler(Config{Codec: media.Opus})
	for i := range 4 {
		a.Push(0, &pion.Packet{Header: pion.Header{SequenceNumber: uint16(65534 + i), Timestamp: uint32(1<<32 - 1500 + i*960)}, Payload: []byte{1}})
		if u, ok := a.Pop(0); !ok || u.Time != int64(1<<32-1500+i*960) {
			t.Errorf("packet %d: %v at %d", i, ok, u.Time)
		}
	}
}

func TestUnknownCodecsAreRefused(t *testing.T) {
	_, err := NewPacketizer(media.Track{Codec: media.AAC}, 0, 0)
	if fault.Code(err) != "codec_not_in_rtp" {
		t.Errorf("packetizer: %v", err)
	}
	if _, err = NewAssembler(Config{Codec: media.MP3}); fault.Code(err) != "codec_not_in_rtp" {
		t.Errorf("assembler: %v", err)
	}
}

func TestG711IsCutByTime(t *testing.T) {
	track := media.Track{Kind: media.Audio, Codec: media.PCMA, TimeScale: 8000}
	wire := packets(t, track, []media.Frame{{PTS: 160, Data: make([]byte, 3000)}})
	if len(wire) != 3 || Read(wire[2]).Timestamp != 160+2*MaxPayload {
		t.Errorf("%d packets, the last at %d", len(wire), Read(wire[len(wire)-1]).Timestamp)
	}
}

// VP9 spatial layers arrive as frames of one picture and leave as a superframe.
func TestVP9LayersBecomeASuperframe(t *testing.T) {
	a, _ := NewAssembler(Config{Codec: media.VP9})
	key := []byte{0x82, 1, 2, 3}
	layer := func(first byte, sid byte, body []byte) []byte {
		return append([]byte{0x80 | 0x20 | first, 0x91, 0x23, sid << 1, 5}, body...) // I, L: 15-bit id, layer, TL0PICIDX
	}
	a.Push(0, &pion.Packet{Header: pion.Header{SequenceNumber: 1, Timestamp: 9}, Payload: layer(0x0c, 0, key)})
	a.Push(0, &pion.Packet{Header: pion.Header{SequenceNumber: 2, Timestamp: 9, Marker: true}, Payload: layer(0x4c, 1, []byte{0x86, 9})})
	u, ok := a.Pop(0)
	want := append(append(bytes.Clone(key), 0x86, 9), 0xd9, 4, 0, 0, 0, 2, 0, 0, 0, 0xd9)
	if !ok || !u.Key || !bytes.Equal(u.Data, want) {
		t.Errorf("%v key %v %x, want %x", ok, u.Key, u.Data, want)
	}
}

func BenchmarkPacketize(b *testing.B) {
	for _, c := range []media.Codec{media.H264, media.VP9, media.AV1, media.Opus} {
		b.Run(c.String(), func(b *testing.B) {
			track, frames := clip(b, c)
			p, err := NewPacketizer(track, 96, 1)
			if err != nil {
				b.Fatal(err)
			}
			size := 0
			for i := range frames {
				size += len(frames[i].Data)
			}
			b.SetBytes(int64(size / len(frames)))
			b.ReportAllocs()
			dst := make([][]byte, 0, 256)
			for i := 0; b.Loop(); i++ {
				dst = p.Append(dst[:0], &frames[i%len(frames)])
			}
		})
	}
}

func BenchmarkAssemble(b *testing.B) {
	track, frames := clip(b, media.H264)
	wire := packets(b, track, frames)
	parsed := make([]*pion.Packet, len(wire))
	for i := range wire {
		parsed[i] = parse(b, wire[i])
	}
	b.ReportAllocs()
	a, _ := NewAssembler(Config{Codec: media.H264})
	for i := 0; b.Loop(); i++ {
		p := *parsed[i%len(parsed)]
		p.SequenceNumber = uint16(i)
		b.SetBytes(int64(len(p.Payload)))
		a.Push(0, &p)
		a.Pop(0)
	}
}
