package rtp

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"weir/internal/media"
)

// clip reads a real stream from testdata as frames in sample form, 3000 ticks apart.
func clip(t testing.TB, c media.Codec) (media.Track, []media.Frame) {
	t.Helper()
	track := media.Track{ID: 1, Kind: media.Video, Codec: c, TimeScale: 90000}
	var samples [][]byte
	switch c {
	case media.H264:
		track.Config, samples = annexB(t, "avc.h264", false)
	case media.HEVC:
		track.Config, samples = annexB(t, "hevc.h265", true)
	case media.AV1:
		for _, s := range ivf(t, "av1.ivf") {
			var sample []byte
			for _, o := range obus(nil, s) {
				if o.kind() != obuTemporalDelimiter {
					sample = append(append(sample, o.header[0]|2), o.header[1:]...)
					sample = append(appendLEB128(sample, len(o.payload)), o.payload...)
				}
			}
			samples = append(samples, sample)
		}
	case media.VP9:
		samples = ivf(t, "vp9.ivf")
	case media.VP8: // only its first byte means anything to the payload format
		for i, s := range ivf(t, "vp9.ivf") {
			s[0] &^= 1
			if i%10 != 0 {
				s[0] |= 1
			}
			samples = append(samples, s)
		}
	case media.Opus:
		track.Kind, track.TimeScale = media.Audio, 48000
		for i := range 50 {
			samples = append(samples, bytes.Repeat([]byte{byte(i)}, 3+i))
		}
	}
	frames := make([]media.Frame, len(samples))
	for i, s := range samples {
		at := int64(1<<40) + int64(i)*3000
		frames[i] = media.Frame{Track: 1, Key: isKey(c, s), DTS: at, PTS: at, Data: s}
	}
	if len(frames) < 20 {
		t.Fatalf("%v: only %d frames", c, len(frames))
	}
	return track, frames
}

func isKey(c media.Codec, s []byte) bool {
	switch c {
	case media.H264:
		for _, u := range nals(nil, s) {
			if u[0]&0x1f == avcIDR {
				return true
			}
		}
		return false
	case media.HEVC:
		for _, u := range nals(nil, s) {
			if k := u[0] >> 1 & 0x3f; k >= hevcFirstIRAP && k <= hevcLastIRAP {
				return true
			}
		}
		return false
	case media.AV1:
		return obus(nil, s)[0].kind() == obuSequenceHeader
	case media.VP9:
		return vp9Key(s)
	case media.VP8:
		return s[0]&1 == 0
	}
	return true
}

// annexB cuts a byte stream into access units without parameter sets, and a configuration record that holds those.
func annexB(t testing.TB, name string, hevc bool) (config []byte, samples [][]byte) {
	data := read(t, name)
	var sets [3][]byte
	var sample []byte
	open := false
	for _, u := range bytes.Split(data, []byte{0, 0, 1}) {
		u = bytes.TrimRight(u, "\x00")
		if len(u) < 3 {
			continue
		}
		kind, vcl, first := int(u[0]&0x1f), u[0]&0x1f <= 5, u[1]&0x80 != 0
		if hevc {
			kind, vcl, first = int(u[0]>>1&0x3f), u[0]>>1&0x3f < 32, u[2]&0x80 != 0
		}
		if i := setIndex(kind, hevc); i >= 0 {
			sets[i] = u
			continue
		}
		if kind == avcAUD && !hevc || kind == hevcAUD && hevc {
			continue
		}
		if (vcl && first || !vcl) && open {
			samples, sample, open = append(samples, sample), nil, false
		}
		sample = append(binary.BigEndian.AppendUint32(sample, uint32(len(u))), u...)
		open = open || vcl
	}
	samples = append(samples, sample)
	if !hevc {
		config = append([]byte{1, sets[1][1], sets[1][2], sets[1][3], 0xff, 0xe1, byte(len(sets[1]) >> 8), byte(len(sets[1]))}, sets[1]...)
		config = append(append(config, 1, byte(len(sets[2])>>8), byte(len(sets[2]))), sets[2]...)
		return config, samples
	}
	config = append(make([]byte, 22), 3)
	for i, s := range sets {
		config = append(append(config, byte(hevcVPS+i), 0, 1, byte(len(s)>>8), byte(len(s))), s...)
	}
	return config, samples
}

func setIndex(kind int, hevc bool) int {
	if hevc && kind >= hevcVPS && kind <= hevcPPS {
		return kind - hevcVPS
	}
	if !hevc && (kind == avcSPS || kind == avcPPS) {
		return kind - avcSPS + 1
	}
	return -1
}

func ivf(t testing.TB, name string) (frames [][]byte) {
	for data := read(t, name)[32:]; len(data) >= 12; {
		n := int(binary.LittleEndian.Uint32(data))
		frames = append(frames, data[12:12+n])
		data = data[12+n:]
	}
	return frames
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
