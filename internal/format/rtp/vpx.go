package rtp

import "weir/internal/media"

// splitVP8 cuts a VP8 frame (RFC 7741 section 4.2). The descriptor is one byte: without a picture id
// receivers order by sequence number, which is all that a stream of one layer needs.
func splitVP8(b *builder, f *media.Frame) {
	start := byte(0x10)
	for rest := f.Data; len(rest) > 0; start = 0 {
		n := min(len(rest), MaxPayload-1)
		b.open()
		b.buf = append(b.buf, start)
		b.buf = append(b.buf, rest[:n]...)
		b.close()
		rest = rest[n:]
	}
}

// splitVP9 cuts a VP9 frame (RFC 9628 section 4.2): no layers, no picture id, so only P, B and E are said.
func splitVP9(b *builder, f *media.Frame) {
	flags := byte(0x08) // B: start of a frame
	if !f.Key {
		flags |= 0x40 // P: predicted from earlier pictures
	}
	for rest := f.Data; len(rest) > 0; flags &^= 0x08 {
		n := min(len(rest), MaxPayload-1)
		if n == len(rest) {
			flags |= 0x04 // E: end of the frame
		}
		b.open()
		b.buf = append(b.buf, flags)
		b.buf = append(b.buf, rest[:n]...)
		b.close()
		rest = rest[n:]
	}
}
