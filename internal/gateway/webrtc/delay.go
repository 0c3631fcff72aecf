package webrtc

import (
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"
)

// playoutDelayURI names the header extension by which a sender tells how long pictures are to be held before they are shown.
// Chromium's source describes it (docs/native-code/rtp-hdrext/playout-delay of WebRTC).
const playoutDelayURI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

// convertedDelay is for how long browsers hold pictures whose sound was converted here: FFmpeg gives sound out 20 to 40 ms
// after the picture, and a browser keeps about 40 ms of it and passes it to the sound card in blocks. Browsers find the
// difference by our sender reports too, but they close it over 10 to 20 s, and end with the same delay.
const convertedDelay = 100 * time.Millisecond

// mostDelay bounds what a browser adds on a bad network.
const mostDelay = 10 * time.Second

// playoutDelay is a header extension block of one element (RFC 8285 section 4.2): least and greatest delay, 12 bits each, in
// units of 10 ms.
func playoutDelay(id uint8, least time.Duration) []byte {
	low, high := least/(10*time.Millisecond), mostDelay/(10*time.Millisecond)
	v := uint32(low)<<12 | uint32(high)
	return []byte{0xbe, 0xde, 0, 1, id<<4 | 2, byte(v >> 16), byte(v >> 8), byte(v)}
}

// readExtension finds the ID that a media section gives to a header extension; 0 where it has none, or one that the
// one-byte form of RFC 8285 cannot carry.
func readExtension(m *sdp.MediaDescription, uri string) uint8 {
	for _, a := range m.Attributes {
		if a.Key != "extmap" {
			continue
		}
		head, rest, _ := strings.Cut(a.Value, " ")
		if name, _, _ := strings.Cut(strings.TrimSpace(rest), " "); name != uri {
			continue
		}
		id, direction, _ := strings.Cut(head, "/")
		if n, err := strconv.ParseUint(id, 10, 8); err == nil && n >= 1 && n <= 14 && (direction == "" || direction == "recvonly" || direction == "sendrecv") {
			return uint8(n)
		}
	}
	return 0
}
