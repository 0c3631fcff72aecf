package codec

import (
	"bytes"
	"testing"

	"weir/internal/media"
)

func TestDescribeAAC(t *testing.T) {
	tr := &media.Track{Codec: media.AAC, Config: []byte{0x12, 0x10}}
	if err := Describe(tr, nil); err != nil {
		t.Fatal(err)
	}
	if tr.Kind != media.Audio || tr.SampleRate != 44100 || tr.Channels != 2 || tr.TimeScale != 44100 || String(tr) != "mp4a.40.2" || SampleDuration(tr, nil) != 1024 {
		t.Errorf("%+v %s", tr, String(tr))
	}
}

func TestNormalizeAnnexB(t *testing.T) {
	in := []byte{0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x65, 1, 2, 0, 0, 0, 0, 1, 0x41, 9}
	want := []byte{0, 0, 0, 3, 0x65, 1, 2, 0, 0, 0, 2, 0x41, 9}
	for _, size := range []int{0, 4} {
		got, err := Normalize(media.H264, in, size)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d: % x %v", size, got, err)
		}
	}
}
