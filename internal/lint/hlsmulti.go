package lint

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

var (
	channelsForm = regexp.MustCompile(`^[1-9][0-9]*(/.*)?$`)
	captionForm  = regexp.MustCompile(`^(CC[1-4]|SERVICE([1-9]|[1-5][0-9]|6[0-3]))$`)
	// languageForm is how a tag of RFC 5646 is written; whether its parts are registered is not looked up.
	languageForm = regexp.MustCompile(`^([A-Za-z]{2,8}|[xi])(-[A-Za-z0-9]{1,8})*$`)
)

// checkMulti holds a multivariant playlist against the rules that need nothing else.
func checkMulti(s scope, p *playlist) {
	s.addAll(p.problems)
	if p.media {
		s.add("hls.mixed")
	}
	checkVersion(s, p)
	if len(p.variants) == 0 {
		s.add("hls.variants_missing")
	}
	if len(p.iframes) == 0 && slices.ContainsFunc(p.variants, func(v variant) bool { return shows(v.tag) }) {
		s.add("hls.iframes_missing")
	}
	groups := checkRenditions(s, p)
	none := 0
	for _, v := range p.variants {
		checkVariant(s, v.tag, groups)
		if v.tag.get("CLOSED-CAPTIONS") == "NONE" {
			none++
		}
	}
	if none > 0 && none < len(p.variants) {
		s.add("hls.captions_none", none, len(p.variants))
	}
	for _, t := range p.iframes {
		checkBandwidths(s, t)
		checkGroups(s, t, groups)
		for _, name := range []string{"CODECS", "RESOLUTION"} {
			if !t.has(name) {
				s.addLine(t.line, "hls.iframe_attribute", name)
			}
		}
	}
	checkMembers(s, p)
	checkChoice(s, p)
	checkSession(s, p)
}

// membersDiffer are the attributes in which a rendition may differ from its like in another group (section 4.4.6.1.1).
const membersDiffer = "URI|GROUP-ID|CHANNELS|BIT-DEPTH|STABLE-RENDITION-ID|INSTREAM-ID|SAMPLE-RATE"

// checkMembers holds the groups of a type against each other: they offer the same renditions.
func checkMembers(s scope, p *playlist) {
	members, line := map[string][]string{}, map[string]int{}
	var names []string
	for _, t := range p.renders {
		id := t.get("TYPE") + "\x00" + t.get("GROUP-ID")
		if members[id] == nil {
			names = append(names, id)
		}
		var like []string
		for i := range t.attrs {
			if !oneOf(t.attrs[i].name, membersDiffer) {
				like = append(like, t.attrs[i].name+"="+t.attrs[i].value)
			}
		}
		slices.Sort(like)
		members[id], line[id] = append(members[id], strings.Join(like, ",")), t.line
	}
	first := map[string]string{}
	for _, id := range names {
		kind, group, _ := strings.Cut(id, "\x00")
		slices.Sort(members[id])
		if before, ok := first[kind]; !ok {
			first[kind] = group
		} else if !slices.Equal(members[kind+"\x00"+before], members[id]) {
			s.addLine(line[id], "hls.groups_differ", kind, before, group)
		}
	}
}

// checkChoice looks at what helps a player to choose a variant: SCORE and pathways.
func checkChoice(s scope, p *playlist) {
	scores := 0
	pathways := map[string]bool{}
	for _, v := range p.variants {
		if v.tag.has("SCORE") {
			scores++
		}
		pathways[cmp.Or(v.tag.get("PATHWAY-ID"), ".")] = true
	}
	if scores > 0 && scores < len(p.variants) {
		s.add("hls.score_partly", scores, len(p.variants))
	}
	if t := p.find("EXT-X-CONTENT-STEERING"); t != nil && t.has("PATHWAY-ID") && !pathways[t.get("PATHWAY-ID")] {
		s.addLine(t.line, "hls.pathway_unknown", t.get("PATHWAY-ID"))
	}
}

func checkSession(s scope, p *playlist) {
	seen := map[string]bool{}
	for _, t := range p.tags {
		if t.name != "EXT-X-SESSION-DATA" {
			continue
		}
		if t.has("VALUE") == t.has("URI") {
			s.addLine(t.line, "hls.session_data", t.get("DATA-ID"))
		}
		id := t.get("DATA-ID") + "\x00" + t.get("LANGUAGE")
		if seen[id] {
			s.addLine(t.line, "hls.session_twice", t.get("DATA-ID"))
		}
		seen[id] = true
	}
}

// checkRenditions looks at EXT-X-MEDIA and returns the groups by type and name.
func checkRenditions(s scope, p *playlist) map[string]bool {
	groups, names, defaults := map[string]bool{}, map[string]bool{}, map[string]int{}
	used := map[string]bool{}
	for _, list := range [][]*tag{p.iframes, variantTags(p)} {
		for _, t := range list {
			for _, kind := range []string{"AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"} {
				used[kind+"\x00"+t.get(kind)] = true
			}
		}
	}
	for _, t := range p.renders {
		kind, group := t.get("TYPE"), t.get("TYPE")+"\x00"+t.get("GROUP-ID")
		if !groups[group] && !used[group] {
			s.addLine(t.line, "hls.group_unused", kind, t.get("GROUP-ID"))
		}
		groups[group] = true
		if name := group + "\x00" + t.get("NAME"); names[name] {
			s.addLine(t.line, "hls.rendition_name", kind, t.get("GROUP-ID"), t.get("NAME"))
		} else {
			names[name] = true
		}
		if t.get("DEFAULT") == "YES" {
			if defaults[group]++; defaults[group] == 2 {
				s.addLine(t.line, "hls.rendition_defaults", kind, t.get("GROUP-ID"))
			}
			if t.get("AUTOSELECT") == "NO" {
				s.addLine(t.line, "hls.rendition_autoselect", t.get("NAME"))
			}
		}
		checkRendition(s, t, kind)
	}
	return groups
}

func variantTags(p *playlist) (list []*tag) {
	for _, v := range p.variants {
		list = append(list, v.tag)
	}
	return list
}

func checkRendition(s scope, t *tag, kind string) {
	name := t.get("NAME")
	switch kind {
	case "CLOSED-CAPTIONS":
		if t.has("URI") {
			s.addLine(t.line, "hls.rendition_attribute", kind, name, "must not have URI")
		}
		if !t.has("INSTREAM-ID") {
			s.addLine(t.line, "hls.rendition_attribute", kind, name, "needs INSTREAM-ID")
		} else if !captionForm.MatchString(t.get("INSTREAM-ID")) {
			s.addLine(t.line, "hls.rendition_attribute", kind, name, "has an INSTREAM-ID that is neither CC1 to CC4 nor SERVICE1 to SERVICE63")
		}
	case "SUBTITLES":
		if !t.has("URI") {
			s.addLine(t.line, "hls.rendition_attribute", kind, name, "needs URI")
		}
	case "AUDIO":
		if !t.has("CHANNELS") {
			s.addLine(t.line, "hls.channels_missing", name)
		} else if !channelsForm.MatchString(t.get("CHANNELS")) {
			s.addLine(t.line, "hls.attribute_value", t.name, "CHANNELS", clip(t.get("CHANNELS")))
		}
	}
	for _, only := range []string{"BIT-DEPTH", "SAMPLE-RATE", "CHANNELS"} {
		if kind != "AUDIO" && t.has(only) {
			s.addLine(t.line, "hls.rendition_attribute", kind, name, "must not have "+only)
		}
	}
	for _, attr := range []string{"LANGUAGE", "ASSOC-LANGUAGE"} {
		if t.has(attr) && !languageForm.MatchString(t.get(attr)) {
			s.addLine(t.line, "hls.language_form", attr, t.get(attr))
		}
	}
	if kind != "SUBTITLES" && t.has("FORCED") {
		s.addLine(t.line, "hls.rendition_attribute", kind, name, "must not have FORCED")
	}
	if (kind == "AUDIO" || kind == "SUBTITLES") && !t.has("LANGUAGE") {
		s.addLine(t.line, "hls.language_missing", kind, name)
	}
}

// shows says whether a variant may have a picture, by its CODECS.
func shows(t *tag) bool {
	codecs := splitCodecs(t.get("CODECS"))
	return len(codecs) == 0 || slices.ContainsFunc(codecs, isVideo)
}

func checkVariant(s scope, t *tag, groups map[string]bool) {
	checkBandwidths(s, t)
	checkGroups(s, t, groups)
	codecs := splitCodecs(t.get("CODECS"))
	if len(codecs) == 0 {
		s.addLine(t.line, "hls.codecs_missing")
	}
	video := shows(t)
	if video && !t.has("RESOLUTION") {
		s.addLine(t.line, "hls.resolution_missing")
	}
	if video && !t.has("FRAME-RATE") {
		s.addLine(t.line, "hls.frame_rate_missing")
	}
	if !t.has("AVERAGE-BANDWIDTH") {
		s.addLine(t.line, "hls.average_missing")
	}
}

func checkBandwidths(s scope, t *tag) {
	if t.has("BANDWIDTH") && t.float("BANDWIDTH") == 0 {
		s.addLine(t.line, "hls.attribute_value", t.name, "BANDWIDTH", clip(t.get("BANDWIDTH")))
	}
	if t.float("AVERAGE-BANDWIDTH") > t.float("BANDWIDTH") {
		s.addLine(t.line, "hls.average_over_peak", t.get("AVERAGE-BANDWIDTH"), t.get("BANDWIDTH"))
	}
}

func checkGroups(s scope, t *tag, groups map[string]bool) {
	for _, kind := range []string{"AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"} {
		if id := t.get(kind); t.has(kind) && id != "NONE" && !groups[kind+"\x00"+id] {
			s.addLine(t.line, "hls.group_unresolved", kind, id)
		}
	}
}

func splitCodecs(s string) (list []string) {
	for c := range strings.SplitSeq(s, ",") {
		if c = strings.TrimSpace(c); c != "" {
			list = append(list, c)
		}
	}
	return list
}

func isVideo(codec string) bool {
	switch family(codec) {
	case "avc1", "avc3", "hvc1", "hev1", "av01", "vp09", "vp08", "dvh1", "dvhe", "mp4v":
		return true
	}
	return false
}
