package lint

import (
	"bytes"
	"encoding/binary"
)

// parseSegment finds out what a segment is and reads it. init is nil where the playlist names none.
func parseSegment(data []byte, init *initSegment) *media {
	switch {
	case len(data) > 188 && data[0] == 0x47 && data[188] == 0x47, len(data) == 188 && data[0] == 0x47:
		return parseTS(data)
	case init != nil && len(init.tracks) > 0 && len(data) > 8 && looksLikeMP4(data):
		return parseFragments(data, init)
	case bytes.HasPrefix(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), []byte("WEBVTT")):
		return parseVTT(data)
	case bytes.HasPrefix(data, []byte("ID3")) || len(data) > 1 && data[0] == 0xff && data[1]&0xe0 == 0xe0:
		return parsePacked(data)
	case len(data) > 8 && looksLikeMP4(data):
		m := parseFragments(data, &initSegment{})
		m.problems = []problem{{rule: "hls.map_missing"}}
		return m
	}
	m := &media{kind: "other", size: len(data)}
	m.complain("hls.segment_format", clip(string(data[:min(len(data), 16)])))
	return m
}

func looksLikeMP4(data []byte) bool {
	switch string(data[4:8]) {
	case "styp", "moof", "ftyp", "sidx", "prft", "emsg", "moov", "mdat", "free":
		return true
	}
	return false
}

// parsePacked reads packed audio (RFC 8216bis section 3.1.3): an ID3 tag with the time of the first sample, then frames.
func parsePacked(data []byte) *media {
	m := &media{kind: "adts", size: len(data)}
	t := &track{id: 1, kind: "audio", timescale: 90000}
	at, rest := int64(-1), data
	for bytes.HasPrefix(rest, []byte("ID3")) && len(rest) >= 10 {
		length := int(rest[6]&127)<<21 | int(rest[7]&127)<<14 | int(rest[8]&127)<<7 | int(rest[9]&127)
		body := rest[10:min(10+length, len(rest))]
		owner := []byte("com.apple.streaming.transportStreamTimestamp\x00")
		if i := bytes.Index(body, owner); i >= 0 && len(body) >= i+len(owner)+8 {
			at = int64(binary.BigEndian.Uint64(body[i+len(owner):]) & (1<<33 - 1)) //nolint:gosec // masked
		}
		rest = rest[min(10+length, len(rest)):]
	}
	if at < 0 {
		m.complain("hls.id3_missing")
		at = 0
	}
	t.adts(rest)
	m.tracks = append(m.tracks, t)
	n := adtsFrames(rest)
	if t.rate == 0 || n == 0 {
		return m
	}
	r := m.run(t)
	r.first, r.minPTS, r.samples = at, at, n
	r.end = at + int64(n)*1024*90000/int64(t.rate)
	r.maxPTS = r.end
	return m
}
