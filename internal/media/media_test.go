package media

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRescaleKeepsEpochTimes(t *testing.T) {
	epoch := int64(1_795_000_000) * 90000
	if got := Rescale(epoch+3000, 90000, 48000); got != int64(1_795_000_000)*48000+1600 {
		t.Fatalf("Rescale = %d", got)
	}
	if got := Rescale(-90001, 90000, 1000); got != -1000 {
		t.Fatalf("negative: %d", got)
	}
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scale := rapid.SampledFrom([]uint32{1000, 44100, 48000, 90000}).Draw(t, "scale")
		ticks := rapid.Int64Range(0, 4_000_000_000*int64(scale)).Draw(t, "ticks")
		d := ToDuration(ticks, scale)
		if back := FromDuration(d+time.Nanosecond, scale); back != ticks {
			t.Fatalf("%d ticks of %d -> %v -> %d", ticks, scale, d, back)
		}
	})
}

func TestCodecKind(t *testing.T) {
	for c, want := range map[Codec]Kind{H264: Video, VP8: Video, AAC: Audio, PCMU: Audio, UnknownCodec: Data} {
		if c.Kind() != want {
			t.Errorf("%v is %v", c, c.Kind())
		}
	}
}

func TestSameFormats(t *testing.T) {
	video := Track{ID: 1, Kind: Video, Codec: H264, TimeScale: 90000, Width: 1280, Height: 720, Config: []byte{1, 2}}
	audio := Track{ID: 2, Kind: Audio, Codec: AAC, TimeScale: 48000, SampleRate: 48000, Channels: 2}
	other, renamed, ranked := video, video, video
	other.Config, renamed.ID, ranked.Rank = []byte{1, 3}, 3, 7
	for _, c := range []struct {
		a, b []Track
		want bool
	}{
		{nil, nil, true},
		{[]Track{video, audio}, []Track{video, audio}, true},
		{[]Track{video}, []Track{ranked}, true},
		{[]Track{video, audio}, []Track{audio, video}, false},
		{[]Track{video, audio}, []Track{video}, false},
		{[]Track{video}, []Track{other}, false},
		{[]Track{video}, []Track{renamed}, false},
	} {
		if SameFormats(c.a, c.b) != c.want || SameFormats(c.b, c.a) != c.want {
			t.Errorf("%+v and %+v: want %v", c.a, c.b, c.want)
		}
	}
}
