// Package g711 holds the constants of ITU-T G.711 audio (RFC 3551 4.5.14). What
// belongs here: what describes such a track. What does not: companding tables.
package g711

// Rate is the usual sample rate, Hz; one byte is one sample of one channel.
const Rate = 8000

// CODECS parameters: the sample entry codes of QuickTime files.
const (
	ALaw  = "alaw"
	MuLaw = "ulaw"
)

// Samples is the length of a frame of size bytes.
func Samples(size, channels int) int {
	if channels < 1 {
		channels = 1
	}
	return size / channels
}

// SilentALaw reports that all samples are the smallest there are, of either sign.
func SilentALaw(frame []byte) bool { return all(frame, 0xD5, 0x55) }

// SilentMuLaw reports that all samples are zero, of either sign.
func SilentMuLaw(frame []byte) bool { return all(frame, 0xFF, 0x7F) }

func all(frame []byte, a, b byte) bool {
	for _, v := range frame {
		if v != a && v != b {
			return false
		}
	}
	return len(frame) > 0
}
