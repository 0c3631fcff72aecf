package lint

import "math"

// steady is the frame rate of fragmented MP4 whose frames all last equally long, which is exact; 0 if they do not.
func steady(r *rendition) (fps float64) {
	for _, d := range r.got {
		if d == nil || d.kind != "fmp4" || d.of("video") == nil {
			continue
		}
		v := d.of("video").exactRate()
		if v == 0 || fps != 0 && v != fps {
			return 0
		}
		fps = v
	}
	return fps
}

// exactRate is the frame rate of a run; 0 where durations differ, or where the time scale is too coarse to tell.
func (r *run) exactRate() float64 {
	if r.shortest != r.longest || r.longest == 0 || r.samples < 10 || r.track.timescale < 10000 {
		return 0
	}
	return float64(r.track.timescale) / float64(r.longest)
}

// checkKinds holds that a rendition carries what its TYPE says.
func checkKinds(r *rendition) {
	if len(r.media) == 0 {
		return
	}
	t := r.media[0]
	for _, d := range r.got {
		if d == nil || d.kind == "encrypted" || d.kind == "other" {
			continue
		}
		has := func(kind string) bool { return d.of(kind) != nil && d.of(kind).samples > 0 }
		switch kind := t.get("TYPE"); {
		case kind == "AUDIO" && has("video"), kind == "SUBTITLES" && has("video"):
			r.sc.add("hls.rendition_kind", kind, t.get("NAME"), "pictures")
		case kind == "SUBTITLES" && has("audio"), kind == "VIDEO" && has("audio") && !has("video"):
			r.sc.add("hls.rendition_kind", kind, t.get("NAME"), "sound")
		case kind == "AUDIO" && d.kind == "vtt":
			r.sc.add("hls.rendition_kind", kind, t.get("NAME"), "subtitles")
		default:
			continue
		}
		return
	}
}

// breaks counts the discontinuities behind the first segment.
func (p *playlist) breaks() (n int) {
	for i, g := range p.segments {
		if g.disc && i > 0 {
			n++
		}
	}
	return n
}

// checkStartOf holds an EXT-X-START that speaks for all playlists.
func checkStartOf(s scope, multi *playlist, r *rendition) {
	t, whole := multi.find("EXT-X-START"), r.list.duration()
	if at := 0.0; t != nil && whole > 0 {
		if at = t.float("TIME-OFFSET"); math.Abs(at) > whole {
			s.addLine(t.line, "hls.start_outside", seconds(at), seconds(whole))
		}
	}
}
