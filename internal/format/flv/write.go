package flv

import (
	"weir/internal/fault"
	"weir/internal/media"
)

// Dialect says which forms of tags a reader understands.
type Dialect uint8

// The dialects, from the oldest readers to the newest.
const (
	Legacy     Dialect = iota // what Flash defined: H.264, AAC, MP3, G.711
	LegacyHEVC                // and HEVC as codec id 12, as Chinese players read it
	Enhanced                  // Enhanced RTMP v1 and v2 with one track of a kind
	Multitrack                // and several tracks of a kind
)

// Accepts reports whether the dialect has a form for the codec.
func (d Dialect) Accepts(c media.Codec) bool {
	switch c {
	case media.H264, media.AAC, media.MP3, media.PCMA, media.PCMU:
		return true
	case media.HEVC:
		return d >= LegacyHEVC
	}
	return d >= Enhanced && fourOf(c) != 0
}

// Check refuses tracks that the dialect has no form for.
func (d Dialect) Check(tracks []media.Track) error {
	for i := range tracks {
		if !d.Accepts(tracks[i].Codec) {
			return fault.New(fault.Unsupported, "codec_needs_enhanced_rtmp",
				"This stream's "+tracks[i].Kind.String()+" is "+tracks[i].Codec.String()+", and this player did not say that it reads it over RTMP or FLV.",
				"Use a player with Enhanced RTMP (FFmpeg 6.1 or later, VLC 4), or watch over HLS or WebRTC.")
		}
	}
	return nil
}

// videoID is the codec's number in onMetaData.
func (d Dialect) videoID(c media.Codec) float64 {
	switch {
	case c == media.H264:
		return videoAVC
	case c == media.HEVC && d < Enhanced:
		return videoHEVC
	}
	return float64(fourOf(c))
}

func (d Dialect) audioID(c media.Codec) float64 {
	switch c {
	case media.AAC:
		return soundAAC
	case media.MP3:
		return soundMP3
	case media.PCMA:
		return soundPCMA
	case media.PCMU:
		return soundPCMU
	}
	return float64(fourOf(c))
}

// Newest remembers how far the tags of each kind have come: what is written between them and has no time of its own, such as
// a sequence header, must not lie ahead of those that follow. The kinds are interleaved, but not to the millisecond.
type Newest struct{ video, audio uint32 }

// See takes the time of a tag, in ms.
func (n *Newest) See(kind TagType, ms uint32) {
	if kind == TagVideo {
		n.video = ms
	} else {
		n.audio = ms
	}
}

// Of returns the time of the newest tag of a kind, 0 if there was none.
func (n *Newest) Of(kind TagType) uint32 {
	if kind == TagVideo {
		return n.video
	}
	return n.audio
}

// Bodies writes the bodies of the tags of a set of tracks.
type Bodies struct {
	dialect Dialect
	tracks  []outTrack
}

type outTrack struct {
	media.Track
	number uint8 // among the tracks of its kind
	flags  byte  // legacy audio: the first byte
}

// NewBodies prepares for these tracks. Without Multitrack only the best-ranked
// track of each kind is written. It fails if a track has no form in d.
func NewBodies(d Dialect, tracks []media.Track) (*Bodies, error) {
	b := &Bodies{dialect: d}
	var video, audio uint8
	for i := range tracks {
		t := &tracks[i]
		number := &video
		if t.Kind == media.Audio {
			number = &audio
		} else if t.Kind != media.Video {
			continue
		}
		if d != Multitrack && t != media.First(tracks, t.Kind) {
			continue
		}
		if err := d.Check(tracks[i : i+1]); err != nil {
			return nil, err
		}
		b.tracks = append(b.tracks, outTrack{Track: *t, number: *number, flags: soundFlags(t)})
		*number++
	}
	return b, nil
}

// Tracks returns the tracks that are written.
func (b *Bodies) Tracks() []media.Track {
	out := make([]media.Track, len(b.tracks))
	for i := range b.tracks {
		out[i] = b.tracks[i].Track
	}
	return out
}

// soundFlags is Annex E.4.2.1's first byte.
func soundFlags(t *media.Track) byte {
	var format byte
	switch t.Codec {
	case media.AAC:
		return soundAAC<<4 | 0x0F // always "44 kHz, 16 bit, stereo"; the configuration has the truth
	case media.MP3:
		format = soundMP3
		if t.SampleRate == 8000 {
			format = soundMP3At8k
		}
	case media.PCMA:
		format = soundPCMA
	case media.PCMU:
		format = soundPCMU
	}
	rate := byte(0)
	switch {
	case t.SampleRate >= 44100:
		rate = 3
	case t.SampleRate >= 22050:
		rate = 2
	case t.SampleRate >= 11025:
		rate = 1
	}
	flags := format<<4 | rate<<2 | 1<<1
	if t.Channels > 1 {
		flags |= 1
	}
	return flags
}

// legacy reports whether t has its Flash form: so that old readers understand
// what they can, codecs that have one keep it on the first track.
func (b *Bodies) legacy(t *outTrack) bool {
	if t.number > 0 {
		return false
	}
	switch t.Codec {
	case media.H264, media.AAC, media.MP3, media.PCMA, media.PCMU:
		return true
	}
	return t.Codec == media.HEVC && b.dialect < Enhanced
}

// SequenceHeaders calls yield with the body of each track's sequence header.
func (b *Bodies) SequenceHeaders(yield func(TagType, []byte)) {
	for i := range b.tracks {
		t := &b.tracks[i]
		config := writeConfig(&t.Track)
		if len(config) == 0 && (b.legacy(t) || t.Kind == media.Video) {
			continue
		}
		head := b.head(nil, t, packetStart, true, 0)
		yield(tagOf(t.Kind), append(head, config...))
	}
}

// AppendHead appends what stands before f.Data in the body of its tag. ok is
// false for frames of tracks that are not written.
func (b *Bodies) AppendHead(dst []byte, f *media.Frame) (head []byte, kind TagType, ok bool) {
	for i := range b.tracks {
		t := &b.tracks[i]
		if t.ID != f.Track {
			continue
		}
		cts := int64(0)
		if f.PTS != f.DTS { // both rounded, so that presentation times stay even
			cts = media.Rescale(f.PTS, t.TimeScale, 1000) - media.Rescale(f.DTS, t.TimeScale, 1000)
		}
		return b.head(dst, t, packetFrames, f.Key, int32(max(-1<<23, min(cts, 1<<23-1)))), tagOf(t.Kind), true
	}
	return dst, 0, false
}

func tagOf(k media.Kind) TagType {
	if k == media.Audio {
		return TagAudio
	}
	return TagVideo
}

func (b *Bodies) head(dst []byte, t *outTrack, packet byte, key bool, cts int32) []byte {
	if b.legacy(t) {
		return legacyHead(dst, t, packet, key, cts)
	}
	timed := packet == packetFrames && (t.Codec == media.H264 || t.Codec == media.HEVC)
	if timed && cts == 0 {
		packet, timed = packetFramesX, false
	}
	var first, multi byte
	if t.Kind == media.Audio {
		first, multi = soundEnhanced<<4, audioMultitrk
	} else {
		first, multi = exHeader|frameTypeInter<<4, packetMultitrk
		if key {
			first = exHeader | frameTypeKey<<4
		}
	}
	if t.number > 0 {
		dst = append(dst, first|multi, oneTrack<<4|packet)
	} else {
		dst = append(dst, first|packet)
	}
	four := fourOf(t.Codec)
	dst = append(dst, byte(four>>24), byte(four>>16), byte(four>>8), byte(four))
	if t.number > 0 {
		dst = append(dst, t.number)
	}
	if timed {
		dst = append(dst, byte(cts>>16), byte(cts>>8), byte(cts))
	}
	return dst
}

func legacyHead(dst []byte, t *outTrack, packet byte, key bool, cts int32) []byte {
	switch t.Codec {
	case media.H264, media.HEVC:
		first := byte(frameTypeInter<<4 | videoAVC)
		if key {
			first = frameTypeKey<<4 | videoAVC
		}
		if t.Codec == media.HEVC {
			first = first&0xF0 | videoHEVC
		}
		return append(dst, first, packet, byte(cts>>16), byte(cts>>8), byte(cts))
	case media.AAC:
		return append(dst, t.flags, packet)
	}
	return append(dst, t.flags)
}
