package cmaf

import (
	"weir/internal/codec"
	"weir/internal/fault"
	"weir/internal/format/box"
	"weir/internal/media"
)

// Header is what ParseInit found: tracks, and what their fragments leave unsaid. It
// also keeps the decode time at which each track goes on, for fragments without one.
type Header struct {
	Tracks []media.Track // ID is the track_ID; Codec is UnknownCodec for what Weir does not know, encrypted tracks too
	extra  []defaults    // parallel to Tracks
}

type defaults struct {
	box.Defaults       // trex
	shift        int64 // from the edit list: ticks to add to all times
	next         int64
}

// ParseInit reads a CMAF header or the moov of a fragmented file. Other boxes around it
// are passed over.
func ParseInit(b []byte) (*Header, error) {
	h := &Header{}
	found := false
	err := each(b, func(x box.Box) error {
		if x.Kind != "moov" || found {
			return nil
		}
		found = true
		return h.moov(x.Body)
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, bad("it has no moov box")
	case len(h.Tracks) == 0:
		return nil, fault.New(fault.Unsupported, "mp4_no_tracks", "The MP4 file has no audio or video track.", "")
	}
	return h, nil
}

func (h *Header) moov(b []byte) error {
	scale := uint32(0)
	err := each(b, func(x box.Box) error {
		switch x.Kind {
		case "mvhd":
			scale, _ = box.MediaHeader(x.Body)
		case "trak":
			return h.trak(x.Body, scale)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return each(b, func(x box.Box) error {
		if x.Kind != "mvex" {
			return nil
		}
		return each(x.Body, h.trex)
	})
}

func (h *Header) trex(x box.Box) error {
	if x.Kind != "trex" {
		return nil
	}
	id, unsaid, ok := box.TrackExtends(x.Body)
	if i := h.find(media.TrackID(id)); i >= 0 && ok {
		h.extra[i].Defaults = unsaid
	}
	return nil
}

func (h *Header) find(id media.TrackID) int {
	for i := range h.Tracks {
		if h.Tracks[i].ID == id {
			return i
		}
	}
	return -1
}

func (h *Header) trak(b []byte, movieScale uint32) error {
	var t media.Track
	var edits []byte
	err := each(b, func(x box.Box) error {
		switch x.Kind {
		case "tkhd":
			id, _ := box.TrackHeader(x.Body)
			t.ID = media.TrackID(id)
		case "edts":
			return each(x.Body, func(e box.Box) error {
				if e.Kind == "elst" {
					edits = e.Body
				}
				return nil
			})
		case "mdia":
			return mdia(&t, x.Body)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if t.Kind != media.Video && t.Kind != media.Audio {
		return nil
	}
	switch {
	case t.TimeScale == 0:
		return bad("a track has no time scale")
	case len(h.Tracks) >= maxTracks:
		return bad("more than 32 tracks")
	case h.find(t.ID) >= 0:
		return bad("two tracks have one number")
	}
	if t.Codec != media.UnknownCodec {
		// A configuration that cannot be read leaves what the sample entry says.
		_ = codec.Describe(&t, nil)
	}
	h.Tracks = append(h.Tracks, t)
	h.extra = append(h.extra, defaults{shift: editShift(edits, t.TimeScale, movieScale)})
	return nil
}

// editShift is what the edit list says about when the track begins: an empty edit delays
// it, the media time of the first edit that is not empty is what is presented at 0.
func editShift(b []byte, scale, movieScale uint32) int64 {
	if movieScale == 0 {
		return 0
	}
	f := box.NewFields(b)
	version, _ := f.Full()
	n := f.U32()
	delay := int64(0)
	for range min(n, 16) {
		var duration, start int64
		if version == 1 {
			duration, start = int64(f.U64()), int64(f.U64())
		} else {
			duration, start = int64(f.U32()), int64(int32(f.U32()))
		}
		f.U32()
		if f.Short() || start > 1<<60 {
			return 0
		}
		if start >= 0 {
			return delay - start
		}
		if duration < 0 || duration > 1<<40 {
			return 0
		}
		delay += media.Rescale(duration, movieScale, scale)
	}
	return delay
}

func mdia(t *media.Track, b []byte) error {
	return each(b, func(x box.Box) error {
		switch x.Kind {
		case "mdhd":
			mdhd(t, x.Body)
		case "elng":
			if n := len(x.Body); n > 4 && n < 64 {
				t.Language = cString(x.Body[4:])
			}
		case "hdlr":
			hdlr(t, x.Body)
		case "minf":
			return each(x.Body, func(y box.Box) error {
				if y.Kind != "stbl" {
					return nil
				}
				return each(y.Body, func(z box.Box) error {
					if z.Kind != "stsd" || len(z.Body) < 8 {
						return nil
					}
					return sampleEntries(t, z.Body[8:])
				})
			})
		}
		return nil
	})
}

func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

func mdhd(t *media.Track, b []byte) {
	scale, f := box.MediaHeader(b)
	t.TimeScale = scale
	packed := f.U16()
	if t.Language != "" || f.Short() || packed == 0 {
		return
	}
	code := string([]byte{byte(packed>>10&31) + 0x60, byte(packed>>5&31) + 0x60, byte(packed&31) + 0x60})
	if code == "und" {
		return
	}
	t.Language = code
	for two, three := range threeLetters {
		if three == code {
			t.Language = two
		}
	}
}

func hdlr(t *media.Track, b []byte) {
	f := box.NewFields(b)
	f.Take(8)
	switch string(f.Take(4)) {
	case "vide":
		t.Kind = media.Video
	case "soun":
		t.Kind = media.Audio
	}
	f.Take(12)
	if n := len(f.Rest()); n > 0 && n < 256 {
		t.Name = cString(f.Rest())
	}
}

// sampleEntries takes the first entry: a track whose entries change is played with one
// configuration only by few, and Weir's own never do.
func sampleEntries(t *media.Track, b []byte) error {
	x, ok := box.Next(b, 0)
	if !ok {
		return bad("a sample description is cut off")
	}
	t.Codec = codecOf(x.Kind)
	f := box.NewFields(x.Body)
	f.Take(8)
	if t.Kind == media.Video {
		f.Take(16)
		t.Width, t.Height = int(f.U16()), int(f.U16())
		f.Take(50)
	} else {
		version := f.U16()
		f.Take(6)
		t.Channels = int(f.U16())
		f.Take(6)
		t.SampleRate = int(f.U32() >> 16)
		if version == 1 { // QuickTime sound description
			f.Take(16)
		}
	}
	if f.Short() {
		return bad("a sample description is cut off")
	}
	if t.Codec == media.UnknownCodec {
		return nil
	}
	return each(f.Rest(), func(c box.Box) error {
		config(t, c)
		return nil
	})
}

func codecOf(entry string) media.Codec {
	switch entry {
	case "avc1", "avc3":
		return media.H264
	case "hvc1", "hev1":
		return media.HEVC
	}
	for c := media.AV1; c <= media.PCMU; c++ {
		if kind, _ := entryKind(c); kind == entry {
			return c // mp4a: AAC, until esds says otherwise
		}
	}
	return media.UnknownCodec
}

func config(t *media.Track, c box.Box) {
	switch _, kind := entryKind(t.Codec); c.Kind {
	case "esds":
		esds(t, c.Body)
	case "dfLa":
		// Full box, metadata block header, STREAMINFO.
		if t.Codec == media.FLAC && len(c.Body) >= 8+34 {
			t.Config = clone(c.Body[8 : 8+34])
		}
	case "btrt":
		f := box.NewFields(c.Body)
		f.Take(8)
		t.Bitrate = int(f.U32())
	case "":
	case kind:
		if t.Codec != media.VP8 {
			t.Config = clone(c.Body)
		}
	}
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

// esds finds object type and configuration in the descriptors (14496-1 7.2.6).
func esds(t *media.Track, b []byte) {
	f := box.NewFields(b)
	f.Full()
	for range 8 {
		tag := f.U8()
		n := 0
		for range 4 {
			c := f.U8()
			n = n<<7 | int(c&0x7F)
			if c&0x80 == 0 {
				break
			}
		}
		switch tag {
		case 3:
			f.U16()
			flags := f.U8()
			if flags&0x80 != 0 {
				f.U16()
			}
			if flags&0x40 != 0 {
				f.Take(int(f.U8()))
			}
			if flags&0x20 != 0 {
				f.U16()
			}
		case 4:
			objectType(t, f.U8())
			f.Take(12)
		case 5:
			t.Config = clone(f.Take(n))
		default:
			f.Take(n)
		}
		if f.Short() || len(f.Rest()) == 0 {
			return
		}
	}
}

func objectType(t *media.Track, v byte) {
	switch v {
	case objectAAC, 0x66, 0x67, 0x68: // MPEG-4 and the MPEG-2 profiles
		t.Codec = media.AAC
	case 0x69, objectMP3: // MPEG-2 part 3 (half rates) and MPEG-1 part 3
		t.Codec = media.MP3
	default:
		t.Codec = media.UnknownCodec
	}
}
