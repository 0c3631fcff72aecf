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
