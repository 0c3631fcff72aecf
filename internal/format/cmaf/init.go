package cmaf

import (
	"weir/internal/fault"
	"weir/internal/media"
)

const (
	movieScale = 1000
	maxTracks  = 32
)

// Init writes the header of a track file: ftyp and moov. Track IDs are 1, 2, … in the
// order given. Its only errors are codecs that cannot be carried and more than 32 tracks.
func Init(tracks ...media.Track) ([]byte, error) {
	if len(tracks) == 0 || len(tracks) > maxTracks {
		return nil, fault.New(fault.Unsupported, "cmaf_tracks",
			"A file needs 1 to 32 tracks.", "Select fewer tracks.")
	}
	w := writer{b: make([]byte, 0, 640*len(tracks)+128)}
	// No brand above cmfc: it would want composition times moved to begin at the
	// decode time (23000-19 7.7.2), and time here is what the publisher's frames say.
	at := w.open("ftyp")
	w.str("iso6")
	w.u32(0)
	w.str("iso6cmfcmp41")
	w.close(at)

	moov := w.open("moov")
	w.mvhd(uint32(len(tracks) + 1))
	for i := range tracks {
		if err := w.trak(&tracks[i], uint32(i+1)); err != nil {
			return nil, err
		}
	}
	mvex := w.open("mvex")
	for i := range tracks {
		at := w.openFull("trex", 0, 0)
		w.u32(uint32(i + 1))
		w.u32(1) // sample description
		w.u32(0)
		w.u32(0)
		w.u32(0)
		w.close(at)
	}
	w.close(mvex)
	w.close(moov)
	return w.b, nil
}

func (w *writer) mvhd(next uint32) {
	at := w.openFull("mvhd", 0, 0)
	w.u32(0)
	w.u32(0)
	w.u32(movieScale)
	w.u32(0) // duration: all of it is in fragments
	w.u32(0x10000)
	w.u16(0x100)
	w.zero(10)
	w.matrix()
	w.zero(24)
	w.u32(next)
	w.close(at)
}

func (w *writer) trak(t *media.Track, id uint32) error {
	trak := w.open("trak")
	w.tkhd(t, id)
	mdia := w.open("mdia")
	w.mdhd(t)
	w.hdlr(t)
	minf := w.open("minf")
	if t.Kind == media.Video {
		at := w.openFull("vmhd", 0, 1)
		w.zero(8)
		w.close(at)
	} else {
		at := w.openFull("smhd", 0, 0)
		w.zero(4)
		w.close(at)
	}
	dinf := w.open("dinf")
	dref := w.openFull("dref", 0, 0)
	w.u32(1)
	w.close(w.openFull("url ", 0, 1)) // flag 1: the media is in this file
	w.close(dref)
	w.close(dinf)
	stbl := w.open("stbl")
	stsd := w.openFull("stsd", 0, 0)
	w.u32(1)
	if err := w.sampleEntry(t); err != nil {
		return err
	}
	w.close(stsd)
	for _, kind := range [...]string{"stts", "stsc", "stsz", "stco"} {
		at := w.openFull(kind, 0, 0)
		if kind == "stsz" {
			w.u32(0)
		}
		w.u32(0)
		w.close(at)
	}
	w.close(stbl)
	w.close(minf)
	w.close(mdia)
	w.close(trak)
	return nil
}

func (w *writer) tkhd(t *media.Track, id uint32) {
	at := w.openFull("tkhd", 0, 3) // enabled, in the movie
	w.u32(0)
	w.u32(0)
	w.u32(id)
	w.u32(0)
	w.u32(0)
	w.zero(8)
	w.u16(0)
	w.u16(uint16(t.Alternate))
	if t.Kind == media.Audio {
		w.u16(0x100)
	} else {
		w.u16(0)
	}
	w.u16(0)
	w.matrix()
	width := t.Width
	if h, v := aspect(t); h > 0 && v > 0 {
		width = t.Width * h / v // the display size (14496-12 8.3.2.3)
	}
	w.u32(uint32(min(width, 0xFFFF)) << 16)
	w.u32(uint32(min(t.Height, 0xFFFF)) << 16)
	w.close(at)
}

func (w *writer) mdhd(t *media.Track) {
	at := w.openFull("mdhd", 0, 0)
	w.u32(0)
	w.u32(0)
	w.u32(t.TimeScale)
	w.u32(0)
	w.u16(packLanguage(t.Language))
	w.u16(0)
	w.close(at)
	if t.Language != "" {
		at := w.openFull("elng", 0, 0)
		w.str(t.Language)
		w.u8(0)
		w.close(at)
	}
}

func (w *writer) hdlr(t *media.Track) {
	at := w.openFull("hdlr", 0, 0)
	w.u32(0)
	if t.Kind == media.Video {
		w.str("vide")
	} else {
		w.str("soun")
	}
	w.zero(12)
	w.str(t.Name)
	w.u8(0)
	w.close(at)
}

// threeLetters maps the ISO 639-1 codes of much spoken languages to ISO 639-2/T; elng
// carries the exact tag for readers that know it.
var threeLetters = map[string]string{
	"ar": "ara", "bn": "ben", "cs": "ces", "da": "dan", "de": "deu", "el": "ell", "en": "eng", "es": "spa",
	"fa": "fas", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "it": "ita",
	"ja": "jpn", "ko": "kor", "ms": "msa", "nl": "nld", "no": "nor", "pl": "pol", "pt": "por", "ro": "ron",
	"ru": "rus", "sv": "swe", "th": "tha", "tr": "tur", "uk": "ukr", "ur": "urd", "vi": "vie", "zh": "zho",
}

// packLanguage packs an ISO 639-2/T code in 3 × 5 bits (14496-12 8.4.2.3), "und" if unknown.
func packLanguage(tag string) uint16 {
	primary := tag
	for i := range len(tag) {
		if tag[i] == '-' {
			primary = tag[:i]
			break
		}
	}
	if long, ok := threeLetters[primary]; ok {
		primary = long
	}
	if len(primary) != 3 {
		primary = "und"
	}
	v := uint16(0)
	for i := range 3 {
		c := primary[i]
		if c < 'a' || c > 'z' {
			return packLanguage("und")
		}
		v = v<<5 | uint16(c-0x60)
	}
	return v
}
