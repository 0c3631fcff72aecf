package flv

import (
	"encoding/binary"
	"math"

	"weir/internal/media"
)

// Metadata is what onMetaData declares and Weir uses.
type Metadata struct {
	HasVideo, HasAudio         bool
	FrameRate                  float64
	VideoBitrate, AudioBitrate int // bit/s
	Encoder                    string
}

// ParseMetadata picks from the members of an onMetaData object. get returns a
// member's decoded value (float64, bool, string), or nil.
func ParseMetadata(get func(key string) any) Metadata {
	number := func(key string) float64 {
		v, _ := get(key).(float64)
		if math.IsNaN(v) || v < 0 || v > 1e6 {
			return 0
		}
		return v
	}
	text := func(key string) string {
		s, _ := get(key).(string)
		return s[:min(len(s), 128)]
	}
	announces := func(key string) bool { // OBS sends a number, others a fourcc as text
		s := text(key)
		return number(key) > 0 || s != "" || isBig(get(key))
	}
	m := Metadata{
		HasVideo:     announces("videocodecid") || number("width") > 0,
		HasAudio:     announces("audiocodecid") || number("audiosamplerate") > 0,
		FrameRate:    number("framerate"),
		VideoBitrate: int(number("videodatarate") * 1000),
		AudioBitrate: int(number("audiodatarate") * 1000),
		Encoder:      text("encoder"),
	}
	if m.FrameRate == 0 {
		m.FrameRate = number("fps")
	}
	if m.FrameRate > 1000 {
		m.FrameRate = 0
	}
	return m
}

// isBig recognises a fourcc that is sent as a number.
func isBig(v any) bool {
	n, _ := v.(float64)
	return n > 1e6
}

// AppendMetadata appends the body of a script tag, or of an RTMP data message:
// onMetaData and what players show of these tracks, in AMF0.
func AppendMetadata(dst []byte, d Dialect, tracks []media.Track) []byte {
	w := amfWriter{b: append(amfKey(append(dst, 2), "onMetaData"), 8, 0, 0, 0, 0)}
	count := len(w.b) - 4
	if v := media.First(tracks, media.Video); v != nil {
		w.number("width", float64(v.Width))
		w.number("height", float64(v.Height))
		w.number("framerate", v.FrameRate)
		w.number("videodatarate", float64(v.Bitrate)/1000)
		w.number("videocodecid", d.videoID(v.Codec))
	}
	if a := media.First(tracks, media.Audio); a != nil {
		w.number("audiosamplerate", float64(a.SampleRate))
		w.number("audiosamplesize", 16)
		w.number("audiodatarate", float64(a.Bitrate)/1000)
		w.number("audiocodecid", d.audioID(a.Codec))
		w.boolean("stereo", a.Channels > 1)
	}
	w.text("encoder", "Weir")
	binary.BigEndian.PutUint32(w.b[count:], w.members)
	return append(w.b, 0, 0, 9)
}

// amfWriter writes the members of an AMF0 ECMA array. Values that are zero, that is unknown, are left out.
type amfWriter struct {
	b       []byte
	members uint32
}

func (w *amfWriter) key(key string) {
	w.b = amfKey(w.b, key)
	w.members++
}

func (w *amfWriter) number(key string, v float64) {
	if v > 0 {
		w.key(key)
		w.b = binary.BigEndian.AppendUint64(append(w.b, 0), math.Float64bits(v))
	}
}

func (w *amfWriter) boolean(key string, v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	w.key(key)
	w.b = append(w.b, 1, b)
}

func (w *amfWriter) text(key, v string) {
	w.key(key)
	w.b = amfKey(append(w.b, 2), v)
}

func amfKey(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}
