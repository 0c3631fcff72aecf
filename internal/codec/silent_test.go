package codec_test

import (
	"testing"

	"weir/internal/codec"
	"weir/internal/codec/aac"
	"weir/internal/codec/mp3"
	"weir/internal/media"
	"weir/internal/outside"
)

// cutADTS, cutMP3 and cutPCM cut a stream of frames that tell their size, or of 20 ms.
func cutADTS(b []byte) (frame, rest []byte) {
	h, err := aac.ParseADTS(b)
	if err != nil || h.FrameSize > len(b) {
		return nil, nil
	}
	return b[h.HeaderSize:h.FrameSize], b[h.FrameSize:]
}

func cutMP3(b []byte) (frame, rest []byte) {
	h, err := mp3.Parse(b)
	if err != nil || h.Size == 0 || h.Size > len(b) {
		return nil, nil
	}
	return b[:h.Size], b[h.Size:]
}

func cutPCM(b []byte) (frame, rest []byte) {
	if len(b) < 160 {
		return nil, nil
	}
	return b[:160], b[160:]
}

// TestSilent has FFmpeg encode silence and a soft tone, 60 dB under full scale.
func TestSilent(t *testing.T) {
	for _, c := range []struct {
		name  string
		codec media.Codec
		args  []string
		cut   func([]byte) (frame, rest []byte)
	}{
		{"AAC", media.AAC, []string{"-ac", "2", "-c:a", "aac", "-f", "adts"}, cutADTS},
		{"AAC mono", media.AAC, []string{"-ac", "1", "-c:a", "aac", "-f", "adts"}, cutADTS},
		{"MP3", media.MP3, []string{"-ac", "2", "-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"}, cutMP3},
		{"MP3 mono", media.MP3, []string{"-ac", "1", "-c:a", "libmp3lame", "-b:a", "64k", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"}, cutMP3},
		{"A-law", media.PCMA, []string{"-ac", "1", "-ar", "8000", "-f", "alaw"}, cutPCM},
		{"µ-law", media.PCMU, []string{"-ac", "1", "-ar", "8000", "-f", "mulaw"}, cutPCM},
	} {
		t.Run(c.name, func(t *testing.T) {
			for source, want := range map[string]bool{"anullsrc=r=48000": true, "aevalsrc='0.001*sin(2000*t)':s=48000": false} {
				b := outside.Run(t, "ffmpeg", append([]string{"-v", "error", "-f", "lavfi", "-i", source, "-t", "2"}, append(c.args, "-")...)...)
				n, silent := 0, 0
				for frame, rest := c.cut(b); frame != nil; frame, rest = c.cut(rest) {
					if n++; n <= 3 {
						continue // the encoder begins
					}
					if codec.Silent(&media.Track{Codec: c.codec, Channels: 1}, frame) {
						silent++
					}
				}
				if n < 50 || want && silent != n-3 || !want && silent > 1 { // the last frame may have little of the tone
					t.Errorf("%s: %d of %d frames are silent", source, silent, n)
				}
			}
		})
	}
}

// What other encoders make of silence, and what only looks like it.
func TestSilentFrames(t *testing.T) {
	for _, c := range []struct {
		codec media.Codec
		frame string
		want  bool
	}{
		{media.Opus, "\xfc", true},                                         // DTX: the TOC byte
		{media.Opus, "\xfc\xff\xfe\x00", true},                             // CELT's silence flag
		{media.Opus, "\xfc\xff\xfd\x00", false},                            // not quite
		{media.Opus, "\x7c\xff\xfe\x00", false},                            // SILK has no such flag
		{media.Opus, "\xfd\xff\xfe\x00", false},                            // two frames
		{media.FLAC, "\xff\xf8\xc9\x18\x00\xc2\x00\x00\x00\x00\x00", true}, // a constant subframe
		{media.FLAC, "\xff\xf8\xc9\x18\x00\xc2\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", false},
		{media.AAC, "", false},
		{media.AAC, "\x20\x00", false},                 // cut off within a pair
		{media.AAC, "\x01\x18\x01\x04", false},         // one channel, its spectrum is not of the zero codebook
		{media.AAC, "\xe0", false},                     // nothing but the end
		{media.MP3, "\xff\xfb\x90\x00", false},         // a header alone
		{media.AC3, "\x0b\x77\x00\x00\x00\x40", false}, // cannot be told
		{media.PCMA, "\xd5\x55\xd5\x54", false},
		{media.PCMU, "", false},
	} {
		if got := codec.Silent(&media.Track{Codec: c.codec, Channels: 2}, []byte(c.frame)); got != c.want {
			t.Errorf("codec %d, %x: %v", c.codec, c.frame, got)
		}
	}
}
