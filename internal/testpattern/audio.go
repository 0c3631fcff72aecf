package testpattern

import _ "embed" // the sound

const (
	sampleRate   = 48000
	channels     = 2
	frameSamples = 1024 // of each AAC frame
	loopSeconds  = 8    // the shortest whole number of seconds that is a whole number of frames
	loopFrames   = loopSeconds * sampleRate / frameSamples

	adtsHeader = 7
)

// beepLoop is eight seconds of a beep at each full second, as ADTS frames made by gen.sh. A decoder that adds no delay
// of its own gives out, for frame k, the samples from 1024·k on.
//
//go:embed beep.adts
var beepLoop []byte

// audioConfig is the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1): AAC-LC, 48 kHz, stereo.
func audioConfig() []byte { return []byte{0x11, 0x90} }

// soundLoop cuts the loop into raw AAC frames, which share its memory.
func soundLoop() [][]byte {
	frames := make([][]byte, 0, loopFrames)
	for b := beepLoop; len(b) >= adtsHeader; {
		size := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5])>>5 // aac_frame_length (1.A.2.2)
		frames = append(frames, b[adtsHeader:size:size])
		b = b[size:]
	}
	return frames
}
