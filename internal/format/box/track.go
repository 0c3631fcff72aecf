package box

// TrackHeader reads a tkhd up to the duration (8.3.2); rest is what follows, from the reserved words before the layer on.
func TrackHeader(body []byte) (id uint32, rest Fields) {
	f := NewFields(body)
	version, _ := f.Full()
	f.times(version)
	id = f.U32()
	f.Take(8 + 4*int(version&1)) // reserved, duration
	return id, f
}

// MediaHeader reads a mdhd, or a mvhd, which begins alike, up to the duration (8.2.2, 8.4.2); rest is what follows.
func MediaHeader(body []byte) (scale uint32, rest Fields) {
	f := NewFields(body)
	version, _ := f.Full()
	f.times(version)
	scale = f.U32()
	f.Take(4 + 4*int(version&1)) // duration
	return scale, f
}

// times passes over when something was made and changed.
func (f *Fields) times(version byte) { f.Take(8 + 8*int(version&1)) }

// TrackExtends reads a trex (8.8.3); ok is false if it is cut off.
func TrackExtends(body []byte) (id uint32, d Defaults, ok bool) {
	f := NewFields(body)
	f.Full()
	id = f.U32()
	f.U32()
	d = Defaults{Duration: f.U32(), Size: f.U32(), Flags: f.U32()}
	return id, d, !f.Short()
}
