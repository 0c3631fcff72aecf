package hls

import (
	"strconv"
	"strings"
	"time"
)

// Append appends the playlist's text to dst.
func (m *Multivariant) Append(dst []byte) []byte {
	dst = append(dst, "#EXTM3U\n#EXT-X-VERSION:7\n"...)
	if m.Independent {
		dst = append(dst, "#EXT-X-INDEPENDENT-SEGMENTS\n"...)
	}
	if m.Start != nil {
		dst = m.Start.append(dst)
	}
	if s := m.Steering; s != nil {
		// The steering manifest counts viewers of its own; our token is none of its business.
		dst = appendURI(append(dst, "#EXT-X-CONTENT-STEERING:SERVER-URI="...), s.URI, "")
		if s.Pathway != "" {
			dst = appendText(append(dst, ",PATHWAY-ID="...), s.Pathway)
		}
		dst = append(dst, '\n')
	}
	for i := range m.Renditions {
		dst = m.Renditions[i].append(dst, m.Query)
	}
	for i := range m.Variants {
		dst = m.Variants[i].append(dst, m.Query)
	}
	for i := range m.IFrames {
		dst = m.IFrames[i].append(dst, m.Query)
	}
	return dst
}

func (s *Start) append(dst []byte) []byte {
	dst = append(dst, "#EXT-X-START:TIME-OFFSET="...)
	if s.Offset < 0 {
		dst = append(dst, '-')
	}
	dst = appendSeconds(dst, s.Offset.Abs())
	if s.Precise {
		dst = append(dst, ",PRECISE=YES"...)
	}
	return append(dst, '\n')
}

func (f *IFrame) append(dst []byte, query string) []byte {
	dst = append(dst, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH="...)
	dst = strconv.AppendInt(dst, int64(f.Bandwidth), 10)
	dst = appendPicture(dst, f.AverageBandwidth, f.Codecs, f.Width, f.Height)
	return append(appendURI(append(dst, ",URI="...), f.URI, query), '\n')
}

// appendPicture writes the attributes that variants and I-frame playlists share.
func appendPicture(dst []byte, average int, codecs string, width, height int) []byte {
	if average > 0 {
		dst = append(dst, ",AVERAGE-BANDWIDTH="...)
		dst = strconv.AppendInt(dst, int64(average), 10)
	}
	if codecs != "" {
		dst = appendText(append(dst, ",CODECS="...), codecs)
	}
	if width > 0 && height > 0 {
		dst = append(dst, ",RESOLUTION="...)
		dst = strconv.AppendInt(dst, int64(width), 10)
		dst = append(dst, 'x')
		dst = strconv.AppendInt(dst, int64(height), 10)
	}
	return dst
}

func (r *Rendition) append(dst []byte, query string) []byte {
	kind := r.Type
	if kind == "" {
		kind = "AUDIO"
	}
	dst = append(dst, "#EXT-X-MEDIA:TYPE="...)
	dst = append(dst, kind...)
	dst = appendText(append(dst, `,GROUP-ID=`...), r.Group)
	dst = appendText(append(dst, `,NAME=`...), r.Name)
	if r.Language != "" {
		dst = appendText(append(dst, `,LANGUAGE=`...), r.Language)
	}
	if r.Default {
		dst = append(dst, ",DEFAULT=YES"...)
	}
	dst = append(dst, ",AUTOSELECT=YES"...)
	if r.Channels != "" {
		dst = appendText(append(dst, `,CHANNELS=`...), r.Channels)
	}
	if r.URI != "" {
		dst = appendURI(append(dst, ",URI="...), r.URI, query)
	}
	return append(dst, '\n')
}

func (v *Variant) append(dst []byte, query string) []byte {
	dst = append(dst, "#EXT-X-STREAM-INF:BANDWIDTH="...)
	dst = strconv.AppendInt(dst, int64(v.Bandwidth), 10)
	dst = appendPicture(dst, v.AverageBandwidth, v.Codecs, v.Width, v.Height)
	if v.FrameRate > 0 {
		dst = append(dst, ",FRAME-RATE="...)
		dst = strconv.AppendFloat(dst, v.FrameRate, 'f', 3, 64)
	}
	if v.Audio != "" {
		dst = appendText(append(dst, ",AUDIO="...), v.Audio)
	}
	if v.NoCaptions {
		dst = append(dst, ",CLOSED-CAPTIONS=NONE"...)
	}
	dst = append(dst, '\n')
	return append(appendAddress(dst, v.URI, query), '\n')
}

// Append appends the playlist's text to dst. It allocates only to grow dst.
func (m *Media) Append(dst []byte) []byte {
	dst = m.AppendHead(dst)
	for i := range m.Segments {
		dst = m.Segments[i].Append(dst, m.Query)
	}
	return m.AppendEnd(dst)
}

// AppendEnd appends what follows the segments.
func (m *Media) AppendEnd(dst []byte) []byte {
	if m.Hint != "" && !m.Ended {
		dst = append(dst, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI="...)
		dst = append(appendURI(dst, m.Hint, m.Query), '\n')
	}
	for i := range m.Reports {
		dst = m.Reports[i].append(dst, m.Query)
	}
	if m.Ended {
		dst = append(dst, "#EXT-X-ENDLIST\n"...)
	}
	return dst
}

// version is the lowest EXT-X-VERSION of the content: EXT-X-MAP in a list that is
// not I-frames only needs 6, EXT-X-SKIP needs 9 (RFC 8216bis section 8).
func (m *Media) version() int {
	switch {
	case m.Version > 0:
		return m.Version
	case m.SkipUntil > 0 || m.Skipped > 0:
		return 9
	default:
		return 7
	}
}

// AppendHead appends what comes before the segments.
func (m *Media) AppendHead(dst []byte) []byte {
	dst = appendTag(append(dst, "#EXTM3U\n"...), "#EXT-X-VERSION:", int64(m.version()))
	dst = appendTag(dst, "#EXT-X-TARGETDURATION:", int64(m.TargetDuration))
	if m.Type != "" {
		dst = append(append(append(dst, "#EXT-X-PLAYLIST-TYPE:"...), m.Type...), '\n')
	}
	if m.IFramesOnly {
		dst = append(dst, "#EXT-X-I-FRAMES-ONLY\n"...)
	}
	if m.PartHoldBack > 0 {
		dst = append(dst, "#EXT-X-SERVER-CONTROL:"...)
		if m.BlockReload {
			dst = append(dst, "CAN-BLOCK-RELOAD=YES,"...)
		}
		dst = appendSeconds(append(dst, "PART-HOLD-BACK="...), m.PartHoldBack)
		if m.SkipUntil > 0 {
			dst = appendSeconds(append(dst, ",CAN-SKIP-UNTIL="...), m.SkipUntil)
		}
		dst = append(dst, '\n')
	}
	if m.PartTarget > 0 {
		dst = append(appendSeconds(append(dst, "#EXT-X-PART-INF:PART-TARGET="...), m.PartTarget), '\n')
	}
	dst = appendTag(dst, "#EXT-X-MEDIA-SEQUENCE:", m.MediaSequence)
	// Segments may leave a list without a type, and then a discontinuity may too (RFC 8216bis section 6.2.2).
	if m.DiscontinuitySequence > 0 || m.Type == "" {
		dst = appendTag(dst, "#EXT-X-DISCONTINUITY-SEQUENCE:", int64(m.DiscontinuitySequence))
	}
	if m.Independent {
		dst = append(dst, "#EXT-X-INDEPENDENT-SEGMENTS\n"...)
	}
	if m.Skipped > 0 {
		dst = append(dst, "#EXT-X-SKIP:SKIPPED-SEGMENTS="...)
		dst = append(strconv.AppendInt(dst, int64(m.Skipped), 10), '\n')
	}
	return dst
}

// Append appends the segment's lines to dst; query as in Media.
func (s *Segment) Append(dst []byte, query string) []byte {
	if s.Discontinuity {
		dst = append(dst, "#EXT-X-DISCONTINUITY\n"...)
	}
	if s.Map != "" {
		dst = append(appendURI(append(dst, "#EXT-X-MAP:URI="...), s.Map, query), '\n')
	}
	if !s.Time.IsZero() {
		dst = append(dst, "#EXT-X-PROGRAM-DATE-TIME:"...)
		dst = append(AppendTime(dst, s.Time), '\n')
	}
	if s.Gap && s.URI != "" {
		dst = append(dst, "#EXT-X-GAP\n"...)
	}
	for i := range s.Parts {
		p := &s.Parts[i]
		dst = appendSeconds(append(dst, "#EXT-X-PART:DURATION="...), p.Duration)
		dst = appendURI(append(dst, ",URI="...), p.URI, query)
		if p.Independent {
			dst = append(dst, ",INDEPENDENT=YES"...)
		}
		if p.Gap {
			dst = append(dst, ",GAP=YES"...)
		}
		dst = append(dst, '\n')
	}
	if s.URI == "" {
		return dst
	}
	dst = appendSeconds(append(dst, "#EXTINF:"...), s.Duration)
	dst = append(dst, ",\n"...)
	if s.Length > 0 {
		dst = strconv.AppendInt(append(dst, "#EXT-X-BYTERANGE:"...), s.Length, 10)
		dst = append(dst, "@0\n"...)
	}
	return append(appendAddress(dst, s.URI, query), '\n')
}

func (r *Report) append(dst []byte, query string) []byte {
	dst = appendURI(append(dst, "#EXT-X-RENDITION-REPORT:URI="...), r.URI, query)
	dst = strconv.AppendInt(append(dst, ",LAST-MSN="...), r.LastMSN, 10)
	if r.LastPart >= 0 {
		dst = strconv.AppendInt(append(dst, ",LAST-PART="...), int64(r.LastPart), 10)
	}
	return append(dst, '\n')
}

func appendTag(dst []byte, tag string, n int64) []byte {
	return append(strconv.AppendInt(append(dst, tag...), n, 10), '\n')
}

// appendURI writes a quoted URI attribute value.
func appendURI(dst []byte, uri, query string) []byte {
	return append(appendAddress(append(dst, '"'), uri, query), '"')
}

func appendAddress(dst []byte, uri, query string) []byte {
	dst = append(dst, uri...)
	if query == "" {
		return dst
	}
	sep := byte('?')
	if strings.IndexByte(uri, '?') >= 0 {
		sep = '&'
	}
	return append(append(dst, sep), query...)
}

// appendText writes a quoted string, which can hold neither a quote nor a line
// break nor a control character (RFC 8216bis section 4.2): those are left out.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c != '"' && c != 0x7f {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// appendSeconds writes a decimal-floating-point value, rounded to the microsecond.
func appendSeconds(dst []byte, d time.Duration) []byte {
	us := int64(d+time.Microsecond/2) / int64(time.Microsecond)
	if d < 0 {
		us = 0
	}
	dst = strconv.AppendInt(dst, us/1e6, 10)
	frac := us % 1e6
	dst = append(dst, '.')
	for scale := int64(1e5); scale > 0; scale /= 10 {
		dst = append(dst, byte('0'+frac/scale%10))
		if frac%scale == 0 {
			break
		}
	}
	return dst
}

// AppendTime writes t as EXT-X-PROGRAM-DATE-TIME does here: UTC to the millisecond.
func AppendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}
