package codec_test

import (
	"bytes"
	"testing"

	"weir/internal/codec/ac3"
	"weir/internal/codec/mp3"
)

// The headers say how long a frame is; the containers that the clips come from cut it there.
func TestFrameSizes(t *testing.T) {
	for _, name := range []string{"mp3_48", "mp3_22", "mp2_48"} {
		for i, s := range readClip(t, name).samples {
			if h, err := mp3.Parse(s); err != nil || h.Size != len(s) {
				t.Errorf("%s: frame %d has %d bytes, its header says %+v (%v)", name, i, len(s), h, err)
			}
		}
	}
	for _, name := range []string{"ac3_51", "ac3_44", "eac3_51"} {
		c := readClip(t, name)
		for i, s := range c.samples {
			h, err := ac3.ParseHeader(s)
			if err != nil || h.Size != len(s) {
				t.Errorf("%s: frame %d has %d bytes, its header says %+v (%v)", name, i, len(s), h, err)
			}
			if record, err := ac3.Build(s); err != nil || !bytes.Equal(record, c.config) {
				t.Errorf("%s: % x, FFmpeg has % x (%v)", name, record, c.config, err)
			}
		}
	}
}
