package rtmp

import (
	"log/slog"
	"testing"

	"weir/internal/format/flv"
	"weir/internal/hub"
	"weir/internal/media"
)

// BenchmarkIngest is a publisher's path from a whole message to the hub, one picture of 12 KB.
func BenchmarkIngest(b *testing.B) {
	h := hub.New(hub.Config{MaxBytes: 8 << 20}, slog.New(slog.DiscardHandler))
	defer h.Close()
	in := &ingest{hub: h, log: slog.Default(), offer: hub.Offer{Name: "live/bench"}}
	in.demux.SetMetadata(flv.Metadata{HasVideo: true})
	in.announced = true
	body := append([]byte{0x27, 1, 0, 0, 0, 0, 0, 0x2E, 0xE0, 0x41}, make([]byte, 12_000-1)...)
	key := append([]byte{0x17, 1, 0, 0, 0, 0, 0, 0x2E, 0xE0, 0x65}, make([]byte, 12_000-1)...)
	start := cat(avcStart, []byte("\x01\x42\xc0\x0a\xff\xe1\x00\x15\x67\x42\xc0\x0a\xda\x11\xec\x04\x40\x00\x00\x03\x00\x40\x00\x00\x0c\x83\xc4\x89\xa8\x01\x00\x04\x68\xce\x0f\xc8"))
	if err := in.media(flv.TagVideo, 0, start); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	ms := uint32(0)
	for b.Loop() {
		m := body
		if ms%1000 == 0 {
			m = key
		}
		if err := in.media(flv.TagVideo, ms, m); err != nil {
			b.Fatal(err)
		}
		ms += 40
	}
	b.StopTimer()
	in.close(nil)
}

// BenchmarkEncode is the making of a frame's shared chunks.
func BenchmarkEncode(b *testing.B) {
	e := laneEncoder{dialect: flv.Enhanced, streamID: mediaStream}
	tracks := []media.Track{{ID: 0, Kind: media.Video, Codec: media.H264, TimeScale: 90000, Config: make([]byte, 40)}}
	if _, _, err := e.Start(tracks, nil); err != nil {
		b.Fatal(err)
	}
	f := media.Frame{DTS: 1_700_000_000 * 90000, PTS: 1_700_000_000*90000 + 3600, Data: make([]byte, 12_000)}
	dst := make([][]byte, 0, 16)
	b.ReportAllocs()
	for b.Loop() {
		dst = e.encodeAt(dst[:0], &f, 1000)
	}
}
