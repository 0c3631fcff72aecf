package cmaf

import (
	"weir/internal/fault"
	"weir/internal/format/box"
)

// maxBoxes bounds the boxes looked at in one container, so that a file of empty boxes
// costs no more than its bytes.
const maxBoxes = 4096

func bad(why string) error {
	return fault.New(fault.Invalid, "mp4_damaged", "The MP4 data is damaged: "+why+".", "Check how the file was made or transferred.")
}

// each calls visit for every box in b.
func each(b []byte, visit func(box.Box) error) error { return box.Each(b, maxBoxes, bad, visit) }
