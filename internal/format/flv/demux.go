package flv

import (
	"bytes"
	"slices"

	"weir/internal/codec"
	"weir/internal/codec/aac"
	"weir/internal/codec/h264"
	"weir/internal/media"
)

const (
	maxTracks  = 16
	videoScale = 90000
	// Track ids: the n-th video track is 2n, the n-th audio track 2n+1.
	perKind = 2
	// Alternate groups of streams with more than one track of a kind.
	videoGroup = 1
	audioGroup = 2
)

// Demuxer follows the tags of one publisher: it learns the tracks from sequence
// headers and frames, and turns the bodies of tags into frames. Its times are
// the publisher's, with wraps undone and audio smoothed.
type Demuxer struct {
	tracks   []*trackState
	clock    unwrapper
	meta     Metadata
	revision int
	dropped  int
	packets  []packet
	frames   []media.Frame
}

// trackState is what is known of one track.
type trackState struct {
	media.Track
	number     uint8 // in Enhanced RTMP's multitrack; 0 otherwise
	id7        bool  // HEVC under AVC's codec id
	ready      bool
	lengthSize int
	header     []byte // the last sequence header, as it came
	smooth     smoother
}

// SetMetadata gives what onMetaData declared, as hints for what the bitstream does not say.
func (d *Demuxer) SetMetadata(m Metadata) { d.meta = m }

// Metadata is what SetMetadata gave.
func (d *Demuxer) Metadata() Metadata { return d.meta }

// Revision grows whenever a track appears or a configuration changes. Frames
// that Tag returns belong to the newest revision.
func (d *Demuxer) Revision() int { return d.revision }

// Dropped counts frames that could not be used: before their configuration, or damaged.
func (d *Demuxer) Dropped() int { return d.dropped }

// Incomplete reports whether a track was announced by a sequence header, or
// by frames, and cannot be described yet.
func (d *Demuxer) Incomplete() bool {
	return slices.ContainsFunc(d.tracks, func(s *trackState) bool { return !s.ready })
}

// Tracks returns the tracks that are known well enough to be played, video
// first. The slice is the caller's.
func (d *Demuxer) Tracks() []media.Track {
	var out []media.Track
	kinds := [...]struct {
		kind  media.Kind
		group int
	}{{media.Video, videoGroup}, {media.Audio, audioGroup}}
	for _, k := range kinds {
		first := len(out)
		for _, s := range d.tracks {
			if s.ready && s.Kind == k.kind {
				out = append(out, s.Track)
			}
		}
		same := out[first:]
		slices.SortFunc(same, func(a, b media.Track) int { return int(a.ID) - int(b.ID) })
		for i := range same {
			if len(same) > 1 {
				same[i].Alternate, same[i].Rank = k.group, i
			}
		}
	}
	return out
}

// Tag takes the body of an audio or video tag, which it may keep, and returns
// the frames in it, valid until the next call. Damaged frames are left out and
// counted; an error means that the stream cannot be used (codec_unsupported).
func (d *Demuxer) Tag(kind TagType, ms uint32, body []byte) ([]media.Frame, error) {
	d.packets, d.frames = d.packets[:0], d.frames[:0]
	var err error
	switch kind {
	case TagVideo:
		d.packets, err = parseVideo(d.packets, body)
	case TagAudio:
		d.packets, err = parseAudio(d.packets, body)
	}
	if err == ErrTruncated {
		d.dropped++
		err = nil
	}
	for i := range d.packets {
		if e := d.packet(&d.packets[i], ms); e != nil && err == nil {
			err = e
		}
	}
	return d.frames, err
}

func (d *Demuxer) packet(p *packet, ms uint32) error {
	s, err := d.state(p)
	if err != nil {
		return err
	}
	switch p.kind {
	case packetStart:
		d.configure(s, p)
	case packetFrames:
		d.frame(s, p, ms)
	}
	return nil
}

// state finds or makes the packet's track.
func (d *Demuxer) state(p *packet) (*trackState, error) {
	kind := p.codec.Kind()
	var s *trackState
	for _, t := range d.tracks {
		if t.Kind == kind && t.number == p.track {
			s = t
		}
	}
	if p.codec == media.H264 && (s == nil || !s.ready || p.kind == packetStart) && looksHEVC(p) {
		p.codec = media.HEVC
		if s == nil || !s.id7 {
			s = d.fresh(s, p)
			s.id7 = true
		}
		return s, nil
	}
	if s != nil && s.id7 && p.codec == media.H264 && p.kind == packetFrames {
		p.codec = media.HEVC
	}
	if s != nil && s.Codec == p.codec {
		return s, nil
	}
	if s == nil && len(d.tracks) >= maxTracks {
		return nil, ErrTooMany
	}
	return d.fresh(s, p), nil
}

// fresh starts a track over, or a new one, for the packet's codec.
func (d *Demuxer) fresh(s *trackState, p *packet) *trackState {
	if s == nil {
		s = &trackState{}
		d.tracks = append(d.tracks, s)
	}
	kind := p.codec.Kind()
	id := media.TrackID(p.track) * perKind
	if kind == media.Audio {
		id++
	}
	*s = trackState{Track: media.Track{ID: id, Kind: kind, Codec: p.codec}, number: p.track, lengthSize: 4}
	return s
}

// configure takes a sequence header. Empty, repeated and unreadable ones change nothing.
func (d *Demuxer) configure(s *trackState, p *packet) {
	if len(p.data) == 0 || bytes.Equal(p.data, s.header) {
		return
	}
	config, lengthSize, ok := readConfig(s.Codec, p.data)
	if !ok {
		return
	}
	t := d.blank(s, p)
	t.Config = config
	if codec.Describe(&t, nil) != nil {
		d.dropped++
		return
	}
	s.header = bytes.Clone(p.data)
	s.lengthSize = lengthSize
	if sizedByFrames(s.Codec) && !s.ready {
		s.Config = config
		return
	}
	d.accept(s, t)
}

// sizedByFrames: the picture's size of these codecs stands in key frames only.
func sizedByFrames(c media.Codec) bool { return c == media.VP9 || c == media.VP8 }

// blank is the track before its description.
func (d *Demuxer) blank(s *trackState, p *packet) media.Track {
	t := media.Track{ID: s.ID, Kind: s.Kind, Codec: s.Codec}
	if t.Kind == media.Video {
		t.TimeScale = videoScale
		t.FrameRate, t.Bitrate = d.meta.FrameRate, d.meta.VideoBitrate
		return t
	}
	t.Bitrate = d.meta.AudioBitrate
	if t.Codec == media.PCMA || t.Codec == media.PCMU {
		t.SampleRate, t.Channels = 8000, 1+int(p.sound&1) // the flags' rate means nothing for G.711
	}
	return t
}

func (d *Demuxer) accept(s *trackState, t media.Track) {
	if s.ready && s.Track.SameFormat(&t) {
		return
	}
	if t.TimeScale != s.TimeScale {
		s.smooth = smoother{}
	}
	s.Track, s.ready = t, true
	d.revision++
}

// entry finds the pictures where decoding can begin without an IDR picture. Encoders with open groups or intra refresh
// may send no other.
func entry(data []byte) bool {
	_, ok := h264.RecoveryPoint(data)
	return ok
}

// frame turns coded data into frames.
func (d *Demuxer) frame(s *trackState, p *packet, ms uint32) {
	if s.Kind == media.Audio {
		d.audio(s, p, ms)
		return
	}
	data, err := codec.Normalize(s.Codec, p.data, s.lengthSize)
	if err != nil || len(data) == 0 {
		d.dropped++
		return
	}
	key := codec.IsKey(s.Codec, data) || s.Codec == media.H264 && entry(data)
	if key || !s.ready && !sizedByFrames(s.Codec) {
		d.inBand(s, p, data)
	}
	if !s.ready {
		d.dropped++
		return
	}
	dts := d.clock.at(ms)*(videoScale/1000) + p.nano*videoScale/1e9
	d.frames = append(d.frames, media.Frame{
		Track: s.ID, Key: key, DTS: dts, PTS: dts + int64(p.cts)*(videoScale/1000), Data: data,
	})
}

// inBand looks for a configuration inside a frame: codecs without a sequence
// header have it only there, and where both exist the frame is right.
func (d *Demuxer) inBand(s *trackState, p *packet, data []byte) {
	t := d.blank(s, p)
	if s.ready || sizedByFrames(s.Codec) {
		config := codec.InBandConfig(&s.Track, data)
		if config == nil && !sizedByFrames(s.Codec) {
			return
		}
		if t.Config = config; config == nil {
			t.Config = s.Config
		}
	}
	if codec.Describe(&t, data) == nil {
		d.accept(s, t)
	}
}

func (d *Demuxer) audio(s *trackState, p *packet, ms uint32) {
	if s.Codec == media.AAC {
		if _, err := aac.ParseADTS(p.data); err == nil {
			d.adts(s, p, d.clock.at(ms))
			return
		}
	}
	d.sound(s, p, d.clock.at(ms), p.data)
}

// adts takes AAC that came with ADTS headers, which FLV does not have.
func (d *Demuxer) adts(s *trackState, p *packet, at int64) {
	for b := p.data; len(b) > 0; {
		h, err := aac.ParseADTS(b)
		if err != nil || h.FrameSize > len(b) {
			d.dropped++
			return
		}
		if !s.ready {
			if config, err := aac.Build(h.Config()); err == nil {
				d.configure(s, &packet{codec: media.AAC, kind: packetStart, data: config})
			}
		}
		d.sound(s, p, at, b[h.HeaderSize:h.FrameSize])
		b = b[h.FrameSize:]
	}
}

// sound emits one audio frame; at is its tag's time in ms.
func (d *Demuxer) sound(s *trackState, p *packet, at int64, data []byte) {
	if !s.ready || s.Codec == media.MP3 || s.Codec == media.FLAC || s.Codec == media.AC3 || s.Codec == media.EAC3 {
		d.inBandAudio(s, p, data)
	}
	if !s.ready || len(data) == 0 {
		d.dropped++
		return
	}
	scale := int64(s.TimeScale)
	duration := int64(codec.SampleDuration(&s.Track, data))
	if rate := int64(s.SampleRate); rate > 0 && s.Codec != media.Opus {
		duration = duration * scale / rate
	}
	ticks := media.Rescale(at, 1000, s.TimeScale) + p.nano*scale/1e9
	dts := s.smooth.stamp(ticks, duration, scale)
	d.frames = append(d.frames, media.Frame{Track: s.ID, Key: true, DTS: dts, PTS: dts, Duration: duration, Data: data})
}

func (d *Demuxer) inBandAudio(s *trackState, p *packet, data []byte) {
	t := s.Track
	if s.ready && codec.InBandConfig(&t, data) == nil {
		return
	}
	t = d.blank(s, p)
	if codec.Describe(&t, data) == nil {
		d.accept(s, t)
	}
}
