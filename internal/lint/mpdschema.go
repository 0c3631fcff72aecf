package lint

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// element is what the schema of ISO/IEC 23009-1 allows: children in their order, and attributes as "name form[!]", where form
// is dur, date, uint, int, num, bool, rate, ratio, range, name, text or words separated by |; ! means required.
type element struct {
	order []string
	attrs []string
}

var commonAttrs = []string{"profiles text", "width uint", "height uint", "sar ratio", "frameRate rate", "audioSamplingRate text", "mimeType text", "segmentProfiles text",
	"codecs text", "containerProfiles text", "maximumSAPPeriod num", "startWithSAP 0|1|2|3|4|5|6", "maxPlayoutRate num", "codingDependency bool", "scanType progressive|interlaced|unknown",
	"selectionPriority uint", "tag text"}

var commonOrder = []string{"FramePacking", "AudioChannelConfiguration", "ContentProtection", "OutputProtection", "EssentialProperty", "SupplementalProperty", "InbandEventStream",
	"Switching", "RandomAccess", "GroupLabel", "Label", "ProducerReferenceTime", "ContentPopularityRate", "Resync"}

var baseAttrs = []string{"timescale uint", "eptDelta int", "pdDelta int", "presentationTimeOffset uint", "presentationDuration uint", "timeShiftBufferDepth dur", "indexRange range",
	"indexRangeExact bool", "availabilityTimeOffset num", "availabilityTimeComplete bool"}

var descriptor = element{attrs: []string{"schemeIdUri text!", "value text", "id text"}}

// elements is the schema as far as its facts are public and of use to a player.
var elements = map[string]element{
	"MPD": {[]string{"ProgramInformation", "BaseURL", "Location", "PatchLocation", "ServiceDescription", "InitializationSet", "InitializationGroup", "InitializationPresentation",
		"ContentProtection", "Period", "Metrics", "EssentialProperty", "SupplementalProperty", "UTCTiming", "LeapSecondInformation"},
		[]string{"id text", "profiles text!", "type static|dynamic", "availabilityStartTime date", "availabilityEndTime date", "publishTime date", "mediaPresentationDuration dur",
			"minimumUpdatePeriod dur", "minBufferTime dur!", "timeShiftBufferDepth dur", "suggestedPresentationDelay dur", "maxSegmentDuration dur", "maxSubsegmentDuration dur"}},
	"Period": {[]string{"BaseURL", "SegmentBase", "SegmentList", "SegmentTemplate", "AssetIdentifier", "EventStream", "ServiceDescription", "ContentProtection", "AdaptationSet",
		"Subset", "SupplementalProperty", "EmptyAdaptationSet", "GroupLabel", "Preselection"}, []string{"id text", "start dur", "duration dur", "bitstreamSwitching bool"}},
	"AdaptationSet": {slices.Concat(commonOrder, []string{"Accessibility", "Role", "Rating", "Viewpoint", "ContentComponent", "BaseURL", "SegmentBase", "SegmentList", "SegmentTemplate", "Representation"}),
		slices.Concat(commonAttrs, []string{"id uint", "group uint", "lang text", "contentType text", "par ratio", "minBandwidth uint", "maxBandwidth uint", "minWidth uint", "maxWidth uint",
			"minHeight uint", "maxHeight uint", "minFrameRate rate", "maxFrameRate rate", "segmentAlignment bool", "bitstreamSwitching bool", "subsegmentAlignment bool",
			"subsegmentStartsWithSAP uint", "initializationSetRef text", "initializationPrincipal text"})},
	"Representation": {slices.Concat(commonOrder, []string{"BaseURL", "ExtendedBandwidth", "SubRepresentation", "SegmentBase", "SegmentList", "SegmentTemplate"}),
		slices.Concat(commonAttrs, []string{"id name!", "bandwidth uint!", "qualityRanking uint", "dependencyId text", "associationId text", "associationType text", "mediaStreamStructureId text"})},
	"SegmentBase": {[]string{"Initialization", "RepresentationIndex", "FailoverContent"}, baseAttrs},
	"SegmentList": {[]string{"Initialization", "RepresentationIndex", "FailoverContent", "SegmentTimeline", "BitstreamSwitching", "SegmentURL"},
		slices.Concat(baseAttrs, []string{"duration uint", "startNumber uint", "endNumber uint"})},
	"SegmentTemplate": {[]string{"Initialization", "RepresentationIndex", "FailoverContent", "SegmentTimeline", "BitstreamSwitching"},
		slices.Concat(baseAttrs, []string{"duration uint", "startNumber uint", "endNumber uint", "media text", "index text", "initialization text", "bitstreamSwitching text", "nbOfSegments uint"})},
	"SegmentTimeline":           {[]string{"Pattern", "S"}, nil},
	"S":                         {nil, []string{"t uint", "n uint", "d uint!", "r int", "k uint", "p uint", "pE uint"}},
	"SegmentURL":                {nil, []string{"media text", "mediaRange range", "index text", "indexRange range"}},
	"Initialization":            {nil, []string{"sourceURL text", "range range"}},
	"BaseURL":                   {nil, []string{"serviceLocation text", "byteRange text", "availabilityTimeOffset num", "availabilityTimeComplete bool", "timeShiftBufferDepth dur", "rangeAccess bool"}},
	"ServiceDescription":        {[]string{"Scope", "Latency", "PlaybackRate", "OperatingQuality", "OperatingBandwidth", "ContentSteering", "ClientDataReporting"}, []string{"id uint"}},
	"Latency":                   {[]string{"QualityLatency"}, []string{"referenceId uint", "target uint", "max uint", "min uint"}},
	"PlaybackRate":              {nil, []string{"max num", "min num"}},
	"ProducerReferenceTime":     {[]string{"UTCTiming"}, []string{"id uint!", "inband bool", "type encoder|captured|application", "applicationScheme text", "wallClockTime text!", "presentationTime uint!"}},
	"UTCTiming":                 descriptor,
	"Role":                      descriptor,
	"Accessibility":             descriptor,
	"AudioChannelConfiguration": descriptor,
	"EssentialProperty":         descriptor,
	"SupplementalProperty":      descriptor,
	"InbandEventStream":         {nil, []string{"schemeIdUri text!", "value text", "id text", "timescale uint", "presentationTimeOffset uint"}},
	"ContentProtection":         {nil, []string{"schemeIdUri text!", "value text", "id text", "robustness text", "refId text", "ref text"}},
	"EventStream":               {[]string{"Event"}, []string{"schemeIdUri text!", "value text", "timescale uint", "presentationTimeOffset uint"}},
	"Resync":                    {nil, []string{"type uint", "dT uint", "dImax num", "dImin num", "marker bool"}},
}

// checkSchema walks the tree and holds each known element against the table.
func checkSchema(s scope, n *node) {
	if n.space != dashSpace {
		return // other people's extensions
	}
	def, known := elements[n.name]
	if known {
		checkOrder(s, n, def.order)
		checkAttributes(s, n, def.attrs)
	}
	for _, c := range n.children {
		checkSchema(s, c)
	}
}

func checkOrder(s scope, n *node, order []string) {
	last := -1
	for _, c := range n.children {
		if c.space != dashSpace {
			continue
		}
		i := slices.Index(order, c.name)
		switch {
		case i < 0 && order != nil:
			s.addAt(c.line, n.label(), "dash.element_unknown", c.name, n.name)
		case i >= 0 && i < last:
			s.addAt(c.line, n.label(), "dash.element_order", c.name, order[last], n.name)
		}
		last = max(last, i)
	}
}

func checkAttributes(s scope, n *node, forms []string) {
	seen := map[string]bool{}
	for _, a := range n.attrs {
		if a.Name.Space != "" || a.Name.Local == "xmlns" {
			continue
		}
		if seen[a.Name.Local] {
			s.addAt(n.line, n.label(), "dash.attribute_twice", a.Name.Local, n.name)
		}
		seen[a.Name.Local] = true
		form, ok := formOf(forms, a.Name.Local)
		switch {
		case !ok && forms != nil:
			s.addAt(n.line, n.label(), "dash.attribute_unknown", a.Name.Local, n.name)
		case ok && !fits(form, a.Value):
			s.addAt(n.line, n.label(), "dash.attribute_value", a.Name.Local, n.name, clip(a.Value))
		case ok && form == "dur" && calendarForm.MatchString(a.Value):
			s.addAt(n.line, n.label(), "dash.duration_units", a.Name.Local, n.name, clip(a.Value))
		}
	}
	for _, f := range forms {
		if name, form, _ := strings.Cut(f, " "); strings.HasSuffix(form, "!") && !n.has(name) {
			s.addAt(n.line, n.label(), "dash.attribute_missing", name, n.name)
		}
	}
}

var (
	rateForm  = regexp.MustCompile(`^[0-9]+(/[1-9][0-9]*)?$`)
	ratioForm = regexp.MustCompile(`^[0-9]*:[0-9]*$`)
	rangeForm = regexp.MustCompile(`^[0-9]+-[0-9]*$`)
)

func fits(form, v string) bool {
	switch form {
	case "text":
		return true
	case "name": // StringNoWhitespaceType
		return !strings.ContainsAny(v, " \t\r\n")
	case "dur":
		d, ok := xsDuration(v)
		return ok && d >= 0
	case "date":
		_, ok := xsDate(v)
		return ok
	case "uint":
		_, err := strconv.ParseUint(v, 10, 64)
		return err == nil
	case "int":
		_, err := strconv.ParseInt(v, 10, 64)
		return err == nil
	case "num":
		f, err := strconv.ParseFloat(v, 64)
		return v == "INF" || err == nil && !math.IsNaN(f)
	case "bool":
		return oneOf(v, "true|false|1|0")
	case "rate":
		return rateForm.MatchString(v)
	case "ratio":
		return ratioForm.MatchString(v)
	case "range":
		return rangeForm.MatchString(v)
	}
	return oneOf(v, form)
}

// parseRange reads first-last.
func parseRange(s string) span {
	a, b, ok := strings.Cut(s, "-")
	from, err := strconv.ParseInt(a, 10, 64)
	to, err2 := strconv.ParseInt(b, 10, 64)
	if !ok || err != nil || err2 != nil || to < from {
		return span{}
	}
	return span{from, to - from + 1}
}
