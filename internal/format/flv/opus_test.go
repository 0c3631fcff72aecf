package flv

import (
	"bytes"
	"testing"
)

// The header is little-endian (RFC 7845 5.1), but not all publishers write it so. An unusual rate of the original is no reason
// to take it for the other order.
func TestOpusHeads(t *testing.T) {
	for name, c := range map[string]struct{ head, want []byte }{
		"as it should be": {join("OpusHead", 1, 2, 0x38, 1, 0x80, 0xBB, 0, 0, 0, 0, 0), []byte{0, 2, 1, 0x38, 0, 0, 0xBB, 0x80, 0, 0, 0}},
		"the other order": {join("OpusHead", 1, 2, 1, 0x38, 0, 0, 0xBB, 0x80, 0, 0, 0), []byte{0, 2, 1, 0x38, 0, 0, 0xBB, 0x80, 0, 0, 0}},
		"44.1 kHz":        {join("OpusHead", 1, 2, 0x38, 1, 0x44, 0xAC, 0, 0, 0, 0, 0), []byte{0, 2, 1, 0x38, 0, 0, 0xAC, 0x44, 0, 0, 0}},
		"no rate":         {join("OpusHead", 1, 1, 0x38, 1, 0, 0, 0, 0, 0, 0, 0), []byte{0, 1, 1, 0x38, 0, 0, 0, 0, 0, 0, 0}},
	} {
		if got := readOpus(c.head); !bytes.Equal(got, c.want) {
			t.Errorf("%s: % x, want % x", name, got, c.want)
		}
	}
}
