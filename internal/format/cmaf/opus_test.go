package cmaf

import (
	"bytes"
	"testing"

	"weir/internal/codec/opus"
	"weir/internal/media"
)

// Chromium refuses Opus whose original rate is not that of the sample entry.
func TestOpusNamesOneRate(t *testing.T) {
	for _, rate := range []int{0, 44100, 48000} {
		c := opus.New(2)
		c.InputRate = rate
		b, err := Init(media.Track{ID: 1, Kind: media.Audio, Codec: media.Opus, TimeScale: 48000, SampleRate: 48000, Channels: 2, Config: opus.Build(c)})
		if err != nil {
			t.Fatal(err)
		}
		_, box, found := bytes.Cut(b, []byte("dOps"))
		if got, err := opus.Parse(box); !found || err != nil || got.InputRate != 48000 || got.PreSkip != 312 || got.Channels != 2 {
			t.Errorf("%d Hz: %+v %v", rate, got, err)
		}
	}
}
