package mpegts

import (
	"weir/internal/codec"
	"weir/internal/codec/aac"
	"weir/internal/codec/ac3"
	"weir/internal/codec/h264"
	"weir/internal/codec/mp3"
	"weir/internal/codec/opus"
	"weir/internal/media"
)

const (
	maxAudioFrame = 64 << 10
	nearlyFull    = 60000 // a PES packet so long may be cut by its length field

	// Answers of measureAudio in place of a number of samples.
	noFrame = -1
	foreign = -2 // a frame of another codec than announced: MPEG audio layer I or II
)

// splitter cuts the payload of PES packets into frames. Audio frames may lie across PES
// packets and several in one; a time belongs to the first frame that begins in its packet.
type splitter struct {
	codec media.Codec
	rest  []byte // of an audio frame
	next  int64  // 90 kHz time of the frame that begins in rest
	part  int64  // what next leaves out, in samples of the frames since
	timed bool
	video videoUnit
}

// videoUnit is an access unit that may go on in the next PES packet.
type videoUnit struct {
	data     []byte
	pts, dts int64
}

func (p *splitter) lose(s *stream) {
	p.rest, p.timed = p.rest[:0], false
	p.video.data = s.d.release(p.video.data)
}

func (p *splitter) add(s *stream, b []byte, pts, dts int64, timed bool) error {
	switch p.codec {
	case media.H264, media.HEVC:
		return p.addVideo(s, b, pts, dts, timed)
	case media.Opus:
		return p.addOpus(s, b, pts, timed)
	}
	return p.addAudio(s, b, pts, timed)
}

// addVideo takes one access unit. A packet without a time, or with that of the one before,
// goes on with the access unit before: some encoders cut large ones into packets of 64 KB.
func (p *splitter) addVideo(s *stream, b []byte, pts, dts int64, timed bool) error {
	v := &p.video
	if len(v.data) > 0 && (!timed || pts == v.pts && dts == v.dts) && len(v.data)+len(b) <= maxPES {
		v.data = append(v.data, b...)
		s.d.pending += len(b)
		return nil
	}
	if !timed {
		s.d.stats.Damaged++
		return nil
	}
	if err := p.flushVideo(s); err != nil {
		return err
	}
	v.data, v.pts, v.dts = append(v.data[:0], b...), pts, dts
	s.d.pending += len(b)
	if s.need > 0 && s.need < nearlyFull {
		return p.flushVideo(s) // it says where it ends; why wait
	}
	return nil
}

func (p *splitter) flush(s *stream) error {
	if p.codec.Kind() == media.Video {
		return p.flushVideo(s)
	}
	return nil
}

func (p *splitter) flushVideo(s *stream) error {
	v := &p.video
	if len(v.data) == 0 {
		return nil
	}
	sample, err := codec.Normalize(p.codec, v.data, 0) // Annex B: always a copy
	v.data = s.d.release(v.data)
	if err != nil || len(sample) == 0 {
		s.d.stats.Damaged++
		return nil
	}
	key := codec.IsKey(p.codec, sample) || openGroup(p.codec, sample)
	if config := codec.InBandConfig(&s.track, sample); config != nil {
		if err := s.configure(config, sample); err != nil {
			return err
		}
	}
	return s.d.tracks.frame(s, media.Frame{Track: s.track.ID, Key: key, DTS: v.dts, PTS: v.pts, Data: sample})
}

// openGroup reports whether decoding can begin at a picture that is no IDR: broadcast
// encoders send I pictures with a recovery point instead.
func openGroup(c media.Codec, sample []byte) bool {
	if c != media.H264 {
		return false
	}
	frames, ok := h264.RecoveryPoint(sample)
	return ok && frames == 0 && !h264.IsB(sample)
}

// addAudio cuts a byte stream of self-describing frames.
func (p *splitter) addAudio(s *stream, b []byte, pts int64, timed bool) error {
	carried := len(p.rest)
	p.rest = append(p.rest, b...)
	data := p.rest
	if timed && carried == 0 {
		p.next, p.part, p.timed = pts, 0, true
	}
	begin := -carried // where the present frame begins, relative to b
	for len(data) > 0 {
		if begin >= 0 && timed && carried > 0 {
			p.next, p.part, p.timed = pts, 0, true
			carried = 0
		}
		head, body, samples, rate := measureAudio(p.codec, data)
		switch {
		case body == 0: // not enough to tell, or no frame
			if samples == foreign {
				return s.d.tracks.ignore(s)
			}
			if samples == noFrame {
				data, begin = data[1:], begin+1
				continue
			}
		case len(data) >= body:
			if err := p.emit(s, data[:body], head, samples, rate); err != nil {
				return err
			}
			data, begin = data[body:], begin+body
			continue
		}
		break
	}
	if len(data) > maxAudioFrame {
		data = nil
	}
	p.rest = p.rest[:copy(p.rest, data)]
	return nil
}

// measureAudio reads the header of the frame at the start of b: bytes of the header that do
// not belong to the frame, bytes of both, samples, sample rate. No size means that more
// bytes are needed, or noFrame or foreign instead of samples.
func measureAudio(c media.Codec, b []byte) (head, size, samples, rate int) {
	switch c {
	case media.AAC:
		if len(b) < 7 {
			return 0, 0, 0, 0
		}
		if h, err := aac.ParseADTS(b); err == nil && h.FrameSize > h.HeaderSize {
			return h.HeaderSize, h.FrameSize, 1024 * h.Blocks, h.SampleRate
		}
	case media.MP3:
		if len(b) < 4 {
			return 0, 0, 0, 0
		}
		if h, err := mp3.Parse(b); err == nil && h.Size > 4 {
			if h.Layer != 3 {
				return 0, 0, foreign, 0
			}
			return 0, h.Size, h.Samples, h.SampleRate
		}
	case media.AC3, media.EAC3:
		return measureAC3(b)
	}
	return 0, 0, noFrame, 0
}

// measureAC3 takes an independent syncframe with the dependent ones behind it as one frame
// (ETSI TS 102 366 annex F: a sample is all substreams of one time).
func measureAC3(b []byte) (head, size, samples, rate int) {
	const enough = 16
	if len(b) < enough {
		return 0, 0, 0, 0
	}
	first, err := ac3.ParseHeader(b)
	if err != nil || first.Size < 8 {
		return 0, 0, noFrame, 0
	}
	size = first.Size
	for first.Enhanced {
		if len(b) < size {
			break // the caller waits
		}
		if len(b) < size+enough {
			break // the last frame of the packet
		}
		h, err := ac3.ParseHeader(b[size:])
		if err != nil || !h.Enhanced || h.StreamType != 1 {
			break
		}
		size += h.Size
	}
	return 0, size, first.Samples, first.SampleRate
}

// emit hands over an audio frame of which data begins with head bytes of framing.
func (p *splitter) emit(s *stream, data []byte, head, samples, rate int) error {
	if !p.timed || rate <= 0 {
		return nil
	}
	scale := uint32(rate)
	if s.track.Codec == media.Opus {
		scale = opus.Rate
	}
	at := media.Rescale(p.next, clock, scale) + p.part
	p.part += int64(samples)
	frame := append([]byte(nil), data[head:]...)
	if err := s.identify(data, frame, scale); err != nil {
		return err
	}
	return s.d.tracks.frame(s, media.Frame{Track: s.track.ID, Key: true, DTS: at, PTS: at, Duration: int64(samples), Data: frame})
}

// addOpus cuts the access units, each behind a control header (Opus in MPEG-TS 4.2).
func (p *splitter) addOpus(s *stream, b []byte, pts int64, timed bool) error {
	if timed {
		p.next, p.part, p.timed = pts, 0, true
	}
	for len(b) >= 3 {
		if b[0] != 0x7F || b[1]&0xE0 != 0xE0 {
			s.d.stats.Damaged++
			return nil
		}
		flags := b[1]
		i, size := 2, 0
		for i < len(b) {
			c := b[i]
			i++
			size += int(c)
			if c != 0xFF {
				break
			}
		}
		if flags&0x10 != 0 {
			i += 2 // start_trim
		}
		if flags&0x08 != 0 {
			i += 2 // end_trim
		}
		if flags&0x04 != 0 { // control extension
			if i >= len(b) {
				return nil
			}
			i += 1 + int(b[i])
		}
		if i+size > len(b) || size == 0 {
			s.d.stats.Damaged++
			return nil
		}
		if err := p.emit(s, b[i:i+size], 0, opus.Samples(b[i:i+size]), opus.Rate); err != nil {
			return err
		}
		b = b[i+size:]
	}
	return nil
}
