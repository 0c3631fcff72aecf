package rtmp

import (
	"bytes"
	"io"
	"testing"

	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// TestHeadersLieBeforeTheirFrames: the kinds are interleaved, but not to the millisecond, and the tracks change in between.
func TestHeadersLieBeforeTheirFrames(t *testing.T) {
	src, err := testpattern.New(testpattern.Options{Width: 320, Height: 180, Audio: true})
	if err != nil {
		t.Fatal(err)
	}
	tracks := src.Tracks()
	e := laneEncoder{dialect: flv.Enhanced, streamID: 1}
	wire := [][]byte{rtmpmsg.AppendControl(nil, rtmpmsg.TypeSetChunkSize, laneChunk)}
	for _, at := range []uint32{1000, 1006} {
		_, inband, err := e.Start(tracks, nil)
		if err != nil {
			t.Fatal(err)
		}
		wire = append(wire, inband...)
		for i := range tracks { // each kind is 7 ms ahead of the one before
			f := media.Frame{Track: tracks[i].ID, Key: true, Data: []byte{0, 0, 0, 1, 0x65}}
			wire = e.encodeAt(wire, &f, at+uint32(i)*7)
		}
	}
	r := rtmpmsg.NewReader(bytes.NewReader(bytes.Join(wire, nil)), 4096, rtmpmsg.PeerLimits())
	last, messages := map[uint8]uint32{}, 0
	for ; ; messages++ {
		m, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.Timestamp < last[m.Type] {
			t.Errorf("a message of type %d goes back from %d to %d ms", m.Type, last[m.Type], m.Timestamp)
		}
		last[m.Type] = m.Timestamp
	}
	if messages != 2*(1+2+2) {
		t.Errorf("%d messages", messages)
	}
}
