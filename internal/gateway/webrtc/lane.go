package webrtc

import (
	"encoding/json"

	"weir/internal/codec"
	"weir/internal/format/rtp"
	"weir/internal/hub"
	"weir/internal/media"
)

// The SSRCs of shared packets tell their tracks apart; each viewer's own replace them.
const (
	laneVideo = 1
	laneAudio = 2
)

// sound says which audio a packet lane carries.
type sound string

const (
	noSound   sound = "video"
	opusSound sound = "opus"
	g711Sound sound = "g711" // as the stream has it
)

func (s sound) fits(c media.Codec) bool {
	switch s {
	case opusSound:
		return c == media.Opus
	case g711Sound:
		return c == media.PCMA || c == media.PCMU
	default:
		return false
	}
}

// pick chooses the tracks of a lane: the best video and the best audio that fits.
func (s sound) pick(tracks []media.Track) (video, audio *media.Track) {
	for i := range tracks {
		t := &tracks[i]
		switch {
		case t.Kind == media.Video && rtp.ClockRate(t.Codec) != 0 && (video == nil || t.Rank < video.Rank):
			video = t
		case s.fits(t.Codec) && (audio == nil || t.Rank < audio.Rank):
			audio = t
		}
	}
	return video, audio
}

func (s sound) want() hub.Want {
	w := hub.Want{Tracks: func(tracks []media.Track) (ids []media.TrackID) {
		video, audio := s.pick(tracks)
		if video != nil {
			ids = append(ids, video.ID)
		}
		if audio != nil {
			ids = append(ids, audio.ID)
		}
		return ids
	}}
	if s == opusSound {
		w.Need = media.Opus
	}
	return w
}

// layout is what the packets after a notice are. It travels in the notice as JSON.
type layout struct {
	Video, Audio media.Codec
	Config       []byte // of the video
	BFrames      bool   // a B-frame was seen: what follows cannot be shown in a browser
}

// packetLane makes the shared RTP packets of a stream, a hub.Encoder. Between the packets it puts
// notices, buffers that are no RTP: a zero byte and a layout. Start and Encode never overlap.
type packetLane struct {
	sound        sound
	video, audio *rtp.Packetizer
	ids          [2]media.TrackID
	order        order
	layout       layout
}

// order looks for frames that are shown in another order than they are sent in.
type order struct {
	may   bool // the configuration allows it
	begun bool
	last  int64
}

// broken tells whether f is such a frame. HEVC encoders for low delay make B slices that change no order, so only
// the times count there.
func (o *order) broken(c media.Codec, f *media.Frame) bool {
	if !o.may {
		return false
	}
	back := o.begun && f.PTS < o.last
	o.begun, o.last = true, f.PTS
	return back || c == media.H264 && codec.IsB(c, f.Data)
}

func newPacketLane(s sound) func(*hub.Stream) hub.Encoder {
	return func(*hub.Stream) hub.Encoder { return &packetLane{sound: s} }
}

// Start follows a change of run or tracks.
func (p *packetLane) Start(tracks []media.Track, _ *hub.Run) (header, inband [][]byte, err error) {
	video, audio := p.sound.pick(tracks)
	p.video, p.audio, p.order, p.layout = nil, nil, order{}, layout{}
	if video != nil {
		if p.video, err = rtp.NewPacketizer(*video, 0, laneVideo); err != nil {
			return nil, nil, err
		}
		p.ids[0] = video.ID
		p.layout.Video, p.layout.Config = video.Codec, video.Config
		p.order.may = codec.Reorder(video) != 0
	}
	if audio != nil {
		if p.audio, err = rtp.NewPacketizer(*audio, 0, laneAudio); err != nil {
			return nil, nil, err
		}
		p.ids[1], p.layout.Audio = audio.ID, audio.Codec
	}
	header = [][]byte{p.layout.notice()}
	return header, header, nil
}

func (l *layout) notice() []byte {
	body, err := json.Marshal(l)
	if err != nil {
		panic(err) // a struct of plain values always encodes
	}
	return append([]byte{0}, body...)
}

// Encode appends the packets of f.
func (p *packetLane) Encode(dst [][]byte, f *media.Frame) [][]byte {
	switch {
	case p.video != nil && f.Track == p.ids[0]:
		if p.order.broken(p.layout.Video, f) && !p.layout.BFrames {
			p.layout.BFrames = true
			dst = append(dst, p.layout.notice())
		}
		return p.video.Append(dst, f)
	case p.audio != nil && f.Track == p.ids[1]:
		return p.audio.Append(dst, f)
	}
	return dst
}

// isNotice tells a notice from a packet, whose first byte has the RTP version.
func isNotice(b []byte) bool { return b[0] == 0 }

// readNotice gives the layout that a notice announces.
func readNotice(b []byte) (l layout) {
	_ = json.Unmarshal(b[1:], &l) // written by notice
	return l
}
