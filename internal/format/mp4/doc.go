// Package mp4 builds the head (ftyp, moov, the mdat's header) of a progressive MP4 from the headers and moof boxes of
// fragments, without their payload: the payload is then sent from where it lies.
//
// What belongs here: reading one-track headers and moofs, sample tables held small, writing any stretch of a head.
// What does not: which samples a clip takes, files, HTTP; fragmented MP4 (format/cmaf).
//
// Sections cited are those of ISO/IEC 14496-12.
package mp4

import (
	"weir/internal/fault"
	"weir/internal/format/box"
)

func bad(why string) error {
	return fault.New(fault.Invalid, "mp4_damaged", "The MP4 data is damaged: "+why+".", "Check the stored footage with weir check.")
}

// maxBoxes bounds the boxes looked at in one container.
const maxBoxes = 1024

// each calls visit for every box in b, with its payload and where it stands whole.
func each(b []byte, visit func(kind string, body, whole []byte) error) error {
	return box.Each(b, maxBoxes, bad, func(x box.Box) error { return visit(x.Kind, x.Body, x.Whole) })
}
