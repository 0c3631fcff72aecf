package hls

import (
	"cmp"
	"strconv"
	"time"

	"weir/internal/codec"
	"weir/internal/fault"
	format "weir/internal/format/hls"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"

	"weir/internal/deliver"
)

// carries reports whether fMP4 segments of HLS can hold the codec. VP8 and G.711 have no player.
func carries(c media.Codec) bool {
	switch c {
	case media.H264, media.HEVC, media.AV1, media.VP9,
		media.AAC, media.Opus, media.MP3, media.AC3, media.EAC3, media.FLAC:
		return true
	}
	return false
}

// line is one rendition with what its playlist entry tells.
type line struct {
	rendition *timeline.Rendition
	codecs    string
	rate      presentation.Rate
}

// Scene is what a multivariant playlist describes: the renditions of a Period, measured over all that is listed.
type Scene struct {
	*presentation.Period
	view deliver.View
}

// Now is the scene of a live stream.
func Now(v deliver.View) Scene { return Scene{v.Described(), v} }

// declared is what to say of the bit rate of a rendition.
func (p Scene) declared(r presentation.Rate) presentation.Rate {
	if p.view.Live {
		return r.Ahead()
	}
	return r
}

// target is the target duration of the media playlists.
func (p Scene) target() time.Duration {
	return time.Duration(targetDuration(p.view.Segment, nominal(p.view))) * time.Second
}

// Multivariant describes a scene: every video rendition with the audio renditions as a group, or the audio
// renditions alone.
func Multivariant(p Scene) (format.Multivariant, error) {
	video, audio, left := lines(p)
	if len(video)+len(audio) == 0 {
		return format.Multivariant{}, notCarried(left)
	}
	m := format.Multivariant{Independent: independent(p)}
	if len(video) == 0 {
		for i := range audio {
			m.Variants = append(m.Variants, variant(nil, &audio[i], ""))
		}
		return m, nil
	}
	groups := addGroups(&m, audio)
	for i := range video {
		if len(groups) == 0 {
			m.Variants = append(m.Variants, variant(&video[i], nil, ""))
		}
		for _, g := range groups {
			m.Variants = append(m.Variants, variant(&video[i], &g.widest, g.name))
		}
	}
	// The sound alone, for lines that carry no more; last, because simple players take the first.
	for _, g := range groups {
		m.Variants = append(m.Variants, variant(nil, &g.widest, g.name))
	}
	return m, nil
}

// lines sorts the renditions that have something to play; left names the codecs that HLS cannot carry.
func lines(p Scene) (video, audio []line, left []media.Codec) {
	for i := range p.Run.Run.Renditions {
		r := &p.Run.Run.Renditions[i]
		if !carries(r.Track.Codec) {
			left = append(left, r.Track.Codec)
			continue
		}
		if !anything(p.Run.Renditions[i].Segments) {
			continue // declared by the publisher, but nothing has come
		}
		l := line{rendition: r, codecs: codec.String(&r.Track), rate: p.declared(p.view.Rate(r.Name, p.target()))}
		switch r.Track.Kind {
		case media.Video:
			video = append(video, l)
		case media.Audio:
			audio = append(audio, l)
		}
	}
	return video, audio, left
}

func notCarried(left []media.Codec) error {
	if len(left) == 0 {
		return deliver.ErrNotYet
	}
	return fault.New(fault.Unsupported, "codec_not_in_hls", "HLS cannot carry "+left[0].String()+", and the stream has nothing else.",
		"Publish H.264 with AAC, or watch over WebRTC or HTTP-FLV.")
}

func independent(p Scene) bool {
	for i := range p.Run.Renditions {
		for _, s := range p.Run.Renditions[i].Segments {
			if !s.Independent && !s.Gap {
				return false
			}
		}
	}
	return true
}

// group is the audio renditions of one codec: all of a group must be decodable alike (RFC 8216bis section 4.4.6.2.1).
type group struct {
	name   string
	codecs string
	widest line
}

func addGroups(m *format.Multivariant, audio []line) []group {
	var groups []group
	names := map[string]bool{}
	for i := range audio {
		l := &audio[i]
		at := -1
		for j := range groups {
			if groups[j].codecs == l.codecs {
				at = j
			}
		}
		first := at < 0
		if first {
			at = len(groups)
			groups = append(groups, group{name: "audio" + strconv.Itoa(at), codecs: l.codecs, widest: *l})
		}
		g := &groups[at]
		g.widest.rate.Peak = max(g.widest.rate.Peak, l.rate.Peak)
		g.widest.rate.Average = max(g.widest.rate.Average, l.rate.Average)
		m.Renditions = append(m.Renditions, format.Rendition{
			Type: "AUDIO", Group: g.name, Name: label(&l.rendition.Track, g.name, names, i), Language: l.rendition.Track.Language,
			URI: deliver.Address{Kind: deliver.Playlist, Rendition: l.rendition.Name}.String(), Channels: channels(&l.rendition.Track), Default: first,
		})
	}
	return groups
}

// label is a name for people, unique within its group.
func label(t *media.Track, group string, taken map[string]bool, i int) string {
	name := cmp.Or(t.Name, t.Language, "Audio")
	if taken[group+"/"+name] {
		name += " " + strconv.Itoa(i+1)
	}
	taken[group+"/"+name] = true
	return name
}

func channels(t *media.Track) string {
	if t.Channels <= 0 {
		return ""
	}
	return strconv.Itoa(t.Channels)
}

func variant(video, audio *line, group string) format.Variant {
	v := format.Variant{Audio: group}
	for _, l := range [...]*line{video, audio} {
		if l == nil {
			continue
		}
		v.Bandwidth += l.rate.Peak
		v.AverageBandwidth += l.rate.Average
		if l.codecs != "" {
			if v.Codecs != "" {
				v.Codecs += ","
			}
			v.Codecs += l.codecs
		}
		if v.URI == "" {
			v.URI = deliver.Address{Kind: deliver.Playlist, Rendition: l.rendition.Name}.String()
		}
	}
	if video != nil {
		v.Width, v.Height = video.rendition.Track.Width, video.rendition.Track.Height
		v.FrameRate = video.rendition.Track.FrameRate
	}
	return v
}
