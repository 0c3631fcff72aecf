package dash

import (
	"math"
	"strconv"
	"strings"
	"time"
)

const head = `<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:mpeg:dash:schema:mpd:2011 DASH-MPD.xsd"`

const dynamic = ` type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z"`

const utcScheme = "urn:mpeg:dash:utc:http-iso:2014"

// writer appends XML. Attribute values are escaped; element names are constants.
type writer struct {
	b      []byte
	query  string
	utc    string
	origin time.Time // what Period starts count from
}

// Append appends the description's text to dst. The elements stand in the order of
// the schema (ISO/IEC 23009-1 annex B).
func (m *MPD) Append(dst []byte) []byte {
	w := &writer{b: append(dst, head...), query: m.Query, utc: m.UTCTiming, origin: time.Unix(0, 0)}
	if m.Static && len(m.Periods) > 0 {
		w.origin = m.Periods[0].Start
	}
	m.attributes(w)
	w.text(">\n")
	if m.Location != "" {
		w.text(" <Location>")
		w.escape(m.Location)
		w.text("</Location>\n")
	}
	if m.Latency != nil {
		m.Latency.write(w)
	}
	for i := range m.Periods {
		m.Periods[i].write(w)
	}
	if m.UTCTiming != "" {
		w.text(" ")
		w.timing()
	}
	w.text("</MPD>\n")
	return w.b
}

func (m *MPD) attributes(w *writer) {
	if m.Static {
		w.text(` type="static"`)
	} else {
		w.text(dynamic)
	}
	profiles := "urn:mpeg:dash:profile:isoff-live:2011"
	if m.LowLatency {
		profiles += ",http://www.dashif.org/guidelines/low-latency-live-v5"
	}
	w.attr("profiles", profiles)
	w.time("publishTime", m.PublishTime)
	w.duration("minBufferTime", m.MinBufferTime)
	if m.MinimumUpdatePeriod > 0 {
		w.duration("minimumUpdatePeriod", m.MinimumUpdatePeriod)
	} else if !m.End.IsZero() {
		w.duration("mediaPresentationDuration", m.End.Sub(w.origin))
	}
	w.optional("timeShiftBufferDepth", m.TimeShiftBufferDepth)
	w.optional("suggestedPresentationDelay", m.SuggestedDelay)
	w.optional("maxSegmentDuration", m.MaxSegmentDuration)
}

func (l *Latency) write(w *writer) {
	w.text(` <ServiceDescription id="0">` + "\n  <Latency")
	w.int("referenceId", 0)
	w.int("target", l.Target.Milliseconds())
	if l.Max > 0 {
		w.int("max", l.Max.Milliseconds())
	}
	if l.Min > 0 {
		w.int("min", l.Min.Milliseconds())
	}
	w.text("/>\n")
	if l.MaxRate > 0 {
		w.text("  <PlaybackRate")
		w.float("max", l.MaxRate)
		w.float("min", l.MinRate)
		w.text("/>\n")
	}
	w.text(" </ServiceDescription>\n")
}

func (p *Period) write(w *writer) {
	w.text(" <Period")
	w.attr("id", p.ID)
	w.duration("start", p.Start.Sub(w.origin))
	if !p.End.IsZero() {
		w.duration("duration", p.End.Sub(p.Start))
	}
	w.text(">\n")
	for i := range p.Sets {
		p.Sets[i].write(w)
	}
	w.text(" </Period>\n")
}

func (a *AdaptationSet) write(w *writer) {
	w.text("  <AdaptationSet")
	w.int("id", int64(a.ID))
	w.attr("contentType", a.ContentType)
	w.attr("mimeType", a.ContentType+"/mp4")
	if a.Language != "" {
		w.attr("lang", a.Language)
	}
	w.text(` segmentAlignment="true"`)
	if !a.Dependent {
		w.text(` startWithSAP="1"`)
	}
	w.text(">\n")
	if p := a.Producer; p != nil {
		w.text("   <ProducerReferenceTime")
		w.int("id", int64(p.ID))
		w.text(` type="encoder"`)
		w.time("wallClockTime", p.Wall)
		w.int("presentationTime", p.Media)
		if w.utc == "" {
			w.text("/>\n")
		} else {
			w.text(">\n    ")
			w.timing()
			w.text("   </ProducerReferenceTime>\n")
		}
	}
	w.text(`   <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>` + "\n")
	for i := range a.Representations {
		a.Representations[i].write(w)
	}
	w.text("  </AdaptationSet>\n")
}

func (r *Representation) write(w *writer) {
	w.text("   <Representation")
	w.attr("id", r.ID)
	w.int("bandwidth", int64(max(r.Bandwidth, 1)))
	if r.Codecs != "" {
		w.attr("codecs", r.Codecs)
	}
	if r.Width > 0 && r.Height > 0 {
		w.int("width", int64(r.Width))
		w.int("height", int64(r.Height))
	}
	if r.FrameRate > 0 {
		w.text(` frameRate="`)
		w.b = appendRate(w.b, r.FrameRate)
		w.text(`"`)
	}
	if r.SampleRate > 0 {
		w.int("audioSamplingRate", int64(r.SampleRate))
	}
	w.text(">\n")
	if c := channelConfiguration(r.Channels); c > 0 {
		w.text(`    <AudioChannelConfiguration schemeIdUri="urn:mpeg:mpegB:cicp:ChannelConfiguration"`)
		w.int("value", int64(c))
		w.text("/>\n")
	}
	r.Template.write(w)
	w.text("   </Representation>\n")
}

func (t *Template) write(w *writer) {
	w.text("    <SegmentTemplate")
	w.int("timescale", int64(t.TimeScale))
	if t.Offset != 0 {
		w.int("presentationTimeOffset", t.Offset)
	}
	if t.AvailabilityOffset > 0 {
		w.float("availabilityTimeOffset", t.AvailabilityOffset.Seconds())
		w.text(` availabilityTimeComplete="false"`)
	}
	w.address("initialization", t.Init)
	w.address("media", t.Media)
	w.int("startNumber", t.StartNumber)
	w.text(">\n     <SegmentTimeline>\n")
	w.timeline(t.Segments)
	w.text("     </SegmentTimeline>\n    </SegmentTemplate>\n")
}

// timeline joins equal durations that follow each other without a hole into one S with @r.
func (w *writer) timeline(segments []Segment) {
	next := int64(math.MinInt64)
	for i := 0; i < len(segments); {
		s := segments[i]
		n := 1
		for i+n < len(segments) && segments[i+n].Duration == s.Duration && segments[i+n].Start == s.Start+int64(n)*s.Duration {
			n++
		}
		w.text("      <S")
		if s.Start != next {
			w.int("t", s.Start)
		}
		w.int("d", s.Duration)
		if n > 1 {
			w.int("r", int64(n-1))
		}
		w.text("/>\n")
		next = s.Start + int64(n)*s.Duration
		i += n
	}
}

func (w *writer) timing() {
	w.text("<UTCTiming")
	w.attr("schemeIdUri", utcScheme)
	w.attr("value", w.utc)
	w.text("/>\n")
}

func (w *writer) text(s string) { w.b = append(w.b, s...) }

func (w *writer) attr(name, value string) {
	w.b = append(append(append(w.b, ' '), name...), '=', '"')
	w.escape(value)
	w.b = append(w.b, '"')
}

// address writes a media address with the query; "$" would start an identifier of the template.
func (w *writer) address(name, value string) {
	w.b = append(append(append(w.b, ' '), name...), '=', '"')
	w.escape(value)
	if w.query != "" {
		sep := "?"
		if strings.IndexByte(value, '?') >= 0 {
			sep = "&"
		}
		w.escape(sep)
		w.escape(strings.ReplaceAll(w.query, "$", "%24"))
	}
	w.b = append(w.b, '"')
}

// escape writes an attribute value; characters that XML 1.0 cannot hold are left out.
func (w *writer) escape(s string) {
	for _, r := range s {
		switch {
		case r == '&':
			w.text("&amp;")
		case r == '<':
			w.text("&lt;")
		case r == '"':
			w.text("&quot;")
		case r < ' ' || r == 0xfffe || r == 0xffff:
		default:
			w.b = append(w.b, string(r)...)
		}
	}
}

func (w *writer) int(name string, v int64) {
	w.b = append(append(append(w.b, ' '), name...), '=', '"')
	w.b = append(strconv.AppendInt(w.b, v, 10), '"')
}

func (w *writer) float(name string, v float64) {
	w.b = append(append(append(w.b, ' '), name...), '=', '"')
	w.b = append(strconv.AppendFloat(w.b, math.Round(v*1e6)/1e6, 'f', -1, 64), '"')
}

func (w *writer) time(name string, t time.Time) {
	w.b = append(append(append(w.b, ' '), name...), '=', '"')
	w.b = append(AppendTime(w.b, t), '"')
}

func (w *writer) optional(name string, d time.Duration) {
	if d > 0 {
		w.duration(name, d)
	}
}

// duration writes an xs:duration in seconds, to the millisecond.
func (w *writer) duration(name string, d time.Duration) {
	w.b = append(append(append(w.b, ' '), name...), `="PT`...)
	ms := max(d, 0).Milliseconds()
	w.b = strconv.AppendInt(w.b, ms/1000, 10)
	if rest := ms % 1000; rest > 0 {
		w.b = append(w.b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
	w.b = append(w.b, `S"`...)
}

// AppendTime writes t as xs:dateTime in UTC to the millisecond.
func AppendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// appendRate writes a frame rate as DASH wants it: an integer, or a fraction such as 30000/1001.
func appendRate(dst []byte, rate float64) []byte {
	whole := math.Round(rate)
	if math.Abs(rate-whole) < 0.002 {
		return strconv.AppendInt(dst, int64(max(whole, 1)), 10)
	}
	if up := math.Ceil(rate); math.Abs(rate-up*1000/1001) < 0.002 {
		return append(strconv.AppendInt(dst, int64(up)*1000, 10), "/1001"...)
	}
	return append(strconv.AppendInt(dst, int64(math.Round(rate*1000)), 10), "/1000"...)
}

// channelConfiguration is the CICP number (ISO/IEC 23091-3) of the usual layout of n channels; 0 = none.
func channelConfiguration(n int) int {
	switch {
	case n >= 1 && n <= 6:
		return n
	case n == 7:
		return 11
	case n == 8:
		return 12
	default:
		return 0
	}
}
