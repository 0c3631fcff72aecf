package cmaf

import (
	"weir/internal/codec/av1"
	"weir/internal/codec/h264"
	"weir/internal/codec/hevc"
	"weir/internal/codec/opus"
	"weir/internal/fault"
	"weir/internal/media"
)

// MPEG-4 object type indications (ISO/IEC 14496-1 table 5, mp4ra.org).
const (
	objectAAC = 0x40
	objectMP3 = 0x6B
)

// entryKind is the sample entry's four characters and those of the box that holds the
// decoder configuration ("" = none or written by other means).
func entryKind(c media.Codec) (entry, config string) {
	switch c {
	case media.H264:
		return "avc1", "avcC"
	case media.HEVC:
		return "hvc1", "hvcC" // not hev1, which Apple's players refuse
	case media.AV1:
		return "av01", "av1C"
	case media.VP9:
		return "vp09", "vpcC"
	case media.VP8:
		return "vp08", "vpcC"
	case media.AAC, media.MP3:
		return "mp4a", ""
	case media.Opus:
		return "Opus", "dOps"
	case media.AC3:
		return "ac-3", "dac3"
	case media.EAC3:
		return "ec-3", "dec3"
	case media.FLAC:
		return "fLaC", ""
	case media.PCMA:
		return "alaw", ""
	case media.PCMU:
		return "ulaw", ""
	}
	return "", ""
}

// needsConfig says whether a codec cannot be described without its configuration.
func needsConfig(c media.Codec) bool {
	switch c {
	case media.VP8, media.MP3, media.PCMA, media.PCMU:
		return false
	}
	return true
}

// Supports returns nil if frames of the codec can be carried, else the reason. That they
// can be carried does not say that players play them: no browser plays G.711 in MP4.
func Supports(t *media.Track) error {
	entry, _ := entryKind(t.Codec)
	switch {
	case entry == "":
		return fault.New(fault.Unsupported, "cmaf_codec_unsupported",
			t.Codec.String()+" cannot be carried in MP4 segments.", "Publish another codec, for example H.264 with AAC.")
	case t.TimeScale == 0, needsConfig(t.Codec) && len(t.Config) == 0:
		return fault.New(fault.Invalid, "codec_config_missing",
			"The "+t.Codec.String()+" track came without its decoder configuration.",
			"Let the encoder send its parameter sets or headers at the start of the stream.")
	}
	return nil
}

func (w *writer) sampleEntry(t *media.Track) error {
	if err := Supports(t); err != nil {
		return err
	}
	entry, _ := entryKind(t.Codec)
	at := w.open(entry)
	w.zero(6)
	w.u16(1) // data reference
	if t.Kind == media.Video {
		w.visual(t)
	} else {
		w.audio(t)
	}
	if t.Bitrate > 0 {
		btrt := w.open("btrt")
		w.u32(0)
		w.u32(uint32(t.Bitrate))
		w.u32(uint32(t.Bitrate))
		w.close(btrt)
	}
	w.close(at)
	return nil
}

// visual writes VisualSampleEntry (14496-12 12.1.3) and the boxes in it.
func (w *writer) visual(t *media.Track) {
	w.zero(16)
	w.u16(uint16(min(t.Width, 0xFFFF)))
	w.u16(uint16(min(t.Height, 0xFFFF)))
	w.u32(0x480000)
	w.u32(0x480000)
	w.u32(0)
	w.u16(1)
	w.zero(32)
	w.u16(0x18)
	w.u16(0xFFFF)
	_, kind := entryKind(t.Codec)
	config := t.Config
	if t.Codec == media.VP8 && len(config) == 0 {
		// VP8 has one profile's worth of facts: 8 bits, 4:2:0, unspecified colours
		// (VP Codec ISO Media File Format Binding 1.0).
		config = []byte{1, 0, 0, 0, 0, 10, 0x82, 2, 2, 2, 0, 0}
	}
	w.box(kind, config)
	if c, ok := colour(t); ok {
		at := w.open("colr")
		w.str("nclx")
		w.u16(uint16(c.Primaries))
		w.u16(uint16(c.Transfer))
		w.u16(uint16(c.Matrix))
		if c.FullRange {
			w.u8(0x80)
		} else {
			w.u8(0)
		}
		w.close(at)
	}
	if h, v := aspect(t); h > 0 && v > 0 {
		at := w.open("pasp")
		w.u32(uint32(h))
		w.u32(uint32(v))
		w.close(at)
	}
}

// audio writes AudioSampleEntry (14496-12 12.2.3) and the boxes in it.
func (w *writer) audio(t *media.Track) {
	w.zero(8)
	w.u16(uint16(max(t.Channels, 1)))
	w.u16(16)
	w.u32(0)
	rate := t.SampleRate
	if t.Codec == media.Opus {
		rate = 48000 // Opus in ISOBMFF 4.3.1
	}
	if rate > 0xFFFF {
		rate = 0 // does not fit 16.16; the codec's own box tells
	}
	w.u32(uint32(rate) << 16)
	_, kind := entryKind(t.Codec)
	switch t.Codec {
	case media.AAC:
		w.esds(objectAAC, t)
	case media.MP3:
		w.esds(objectMP3, t)
	case media.FLAC:
		at := w.openFull("dfLa", 0, 0)
		w.u8(0x80, 0, byte(len(t.Config)>>8), byte(len(t.Config))) // last metadata block, STREAMINFO
		w.raw(t.Config)
		w.close(at)
	case media.PCMA, media.PCMU:
	case media.Opus:
		w.box(kind, dOps(t.Config))
	default:
		w.box(kind, t.Config)
	}
}

// dOps names the rate of the sample entry as that of the original sound, which is for information only: Chromium refuses
// a file where the two differ.
func dOps(config []byte) []byte {
	c, err := opus.Parse(config)
	if err != nil {
		return config
	}
	c.InputRate = opus.Rate
	return opus.Build(c)
}

// esds writes the elementary stream descriptor (14496-1 7.2.6, 14496-14 5.6). Lengths
// take four bytes, as in most files, so that they can be told beforehand.
func (w *writer) esds(object byte, t *media.Track) {
	info := t.Config
	if object == objectMP3 {
		info = nil
	}
	size := 0
	if len(info) > 0 {
		size = 5 + len(info)
	}
	at := w.openFull("esds", 0, 0)
	w.descriptor(3, 3+5+13+size+5+1)
	w.u16(0)
	w.u8(0)
	w.descriptor(4, 13+size)
	w.u8(object, 5<<2|1) // audio stream
	w.u8(0, 0, 0)
	w.u32(uint32(t.Bitrate))
	w.u32(uint32(t.Bitrate))
	if size > 0 {
		w.descriptor(5, len(info))
		w.raw(info)
	}
	w.descriptor(6, 1)
	w.u8(2)
	w.close(at)
}

func (w *writer) descriptor(tag byte, n int) {
	w.u8(tag, 0x80|byte(n>>21), 0x80|byte(n>>14), 0x80|byte(n>>7), byte(n&0x7F))
}

type nclx struct {
	Primaries, Transfer, Matrix uint8
	FullRange                   bool
}

// colour is what the bitstream says about its colours; players and packagers read it
// here rather than in the bitstream.
func colour(t *media.Track) (c nclx, known bool) {
	switch t.Codec {
	case media.H264:
		if s := spsH264(t); s != nil {
			c = nclx(s.Colour)
		}
	case media.HEVC:
		if s := spsHEVC(t); s != nil {
			c = nclx(s.Colour)
		}
	case media.AV1:
		if a, err := av1.ParseConfig(t.Config); err == nil && a.Header != nil {
			c = nclx(a.Header.Colour)
		}
	}
	const unspecified = 2
	given := func(v uint8) bool { return v != 0 && v != unspecified }
	return c, given(c.Primaries) || given(c.Transfer) || given(c.Matrix)
}

// aspect is the sample aspect ratio, 0 if it is square or not stated.
func aspect(t *media.Track) (h, v int) {
	switch t.Codec {
	case media.H264:
		if s := spsH264(t); s != nil {
			h, v = s.SARWidth, s.SARHeight
		}
	case media.HEVC:
		if s := spsHEVC(t); s != nil {
			h, v = s.SARWidth, s.SARHeight
		}
	}
	if h == v {
		return 0, 0
	}
	return h, v
}

func spsH264(t *media.Track) *h264.SPS {
	c, err := h264.ParseConfig(t.Config)
	if err != nil || len(c.SPS) == 0 {
		return nil
	}
	s, err := h264.ParseSPS(c.SPS[0])
	if err != nil {
		return nil
	}
	return s
}

func spsHEVC(t *media.Track) *hevc.SPS {
	c, err := hevc.ParseConfig(t.Config)
	if err != nil || len(c.SPS) == 0 {
		return nil
	}
	s, err := hevc.ParseSPS(c.SPS[0])
	if err != nil {
		return nil
	}
	return s
}
