// Package testpattern is the stream by which Weir is judged: it makes a test card with sound, and reads back from what arrives
// elsewhere which frames came, when, and whether sound and picture agree.
// What belongs here: drawing and encoding the picture, the sound, and the readers of both. What does not: publishing
// it, and any judgement of what a good figure is.
package testpattern

import (
	"fmt"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
)

// The tracks of a source.
const (
	VideoTrack media.TrackID = 0
	AudioTrack media.TrackID = 1

	videoScale = 90000
)

// Options say what a source makes. Zero values take the defaults.
type Options struct {
	Width, Height int           // even, from 320x180 to 4096x2304; 1280x720
	FPS           int           // frames per second, 1 to 120; 30
	GOP           time.Duration // between key frames, at least one frame; 2 s
	Bitrate       int           // bit/s of video, reached by padding; 0 = as little as it takes
	Audio         bool
}

func (o Options) withDefaults() Options {
	if o.Width == 0 && o.Height == 0 {
		o.Width, o.Height = 1280, 720
	}
	if o.FPS == 0 {
		o.FPS = 30
	}
	if o.GOP == 0 {
		o.GOP = 2 * time.Second
	}
	return o
}

func (o Options) check() error {
	var what string
	switch {
	case o.Width < markWidth || o.Width > 4096 || o.Height < 180 || o.Height > 2304 || o.Width%2+o.Height%2 > 0:
		what = fmt.Sprintf("The size %d×%d is outside 320×180 to 4096×2304, or odd.", o.Width, o.Height)
	case o.FPS < 1 || o.FPS > 120:
		what = fmt.Sprintf("%d frames per second are outside 1 to 120.", o.FPS)
	case o.GOP < 0 || o.GOP > time.Hour:
		what = fmt.Sprintf("A key frame every %v is outside one frame to one hour.", o.GOP)
	case o.Bitrate < 0 || o.Bitrate > 100_000_000:
		what = fmt.Sprintf("%d bit/s are outside 0 to 100 Mbit/s.", o.Bitrate)
	default:
		return nil
	}
	return fault.New(fault.Invalid, "pattern_options", "The test pattern cannot be made: "+what, "Choose a value inside the range.")
}

// Source makes the frames of a test pattern, one after the other. It is not safe for concurrent use.
type Source struct {
	options   Options
	gop       int64 // frames
	encoder   *h264Encoder
	config    h264Config
	card      *card
	padding   padding
	loop      [][]byte // the sound; empty without
	videoNext int64    // index of the next frame of each track
	audioNext int64
}

// New returns a source at time zero.
func New(o Options) (*Source, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	config := h264Config{Width: o.Width, Height: o.Height, FPS: o.FPS, Bitrate: o.Bitrate}
	s := &Source{
		options: o,
		gop:     max(1, int64(o.GOP*time.Duration(o.FPS)/time.Second)),
		encoder: newH264Encoder(config),
		config:  config,
		card:    newCard(o.Width, o.Height, o.FPS),
	}
	s.padding = newPadding(o.Bitrate, o.FPS, s.gop)
	if o.Audio {
		s.loop = soundLoop()
	}
	return s, nil
}

// Tracks describes what Next yields.
func (s *Source) Tracks() []media.Track {
	tracks := []media.Track{{
		ID: VideoTrack, Kind: media.Video, Codec: media.H264, TimeScale: videoScale, Config: s.config.avcc(),
		Width: s.options.Width, Height: s.options.Height, FrameRate: float64(s.options.FPS), Bitrate: s.options.Bitrate,
	}}
	if s.loop != nil {
		tracks = append(tracks, media.Track{
			ID: AudioTrack, Kind: media.Audio, Codec: media.AAC, TimeScale: sampleRate, Config: audioConfig(),
			SampleRate: sampleRate, Channels: channels,
		})
	}
	return tracks
}

// Due is when the next frame is to be sent, counted from the first: its DTS.
func (s *Source) Due() time.Duration {
	if s.audioIsNext() {
		return media.ToDuration(s.audioNext*frameSamples, sampleRate)
	}
	return media.ToDuration(s.videoTime(s.videoNext), videoScale)
}

// Next makes the next frame in the order of DTS, which begins at zero in both tracks. Now is written into the frame as its
// send time and shown on its clock; pacing is the caller's.
func (s *Source) Next(now time.Time) media.Frame {
	if s.audioIsNext() {
		return s.nextAudio(now)
	}
	return s.nextVideo(now)
}

func (s *Source) audioIsNext() bool {
	return s.loop != nil &&
		media.Rescale(s.audioNext*frameSamples, sampleRate, videoScale) < s.videoTime(s.videoNext)
}

// videoTime is the time stamp of frame n; every full second is met exactly.
func (s *Source) videoTime(n int64) int64 { return n * videoScale / int64(s.options.FPS) }

func (s *Source) nextVideo(now time.Time) media.Frame {
	n := s.videoNext
	s.videoNext++
	key := n%s.gop == 0
	mark := Mark{Counter: uint32(n), SentMS: now.UnixMilli()}
	data := appendMarkSEI(make([]byte, 0, s.padding.expect(key)), mark)
	slice := s.encoder.appendSlice(nil, s.card.draw(n, mark, now), key)
	if fill := s.padding.next(len(data)+4+len(slice), key); fill > 0 {
		data = appendFillerSEI(data, fill)
	}
	data = appendUnit(data, func(b []byte) []byte { return append(b, slice...) })
	at := s.videoTime(n)
	return media.Frame{
		Track: VideoTrack, Key: key, DTS: at, PTS: at, Duration: s.videoTime(n+1) - at,
		Wall: now.UnixNano(), Data: data,
	}
}

func (s *Source) nextAudio(now time.Time) media.Frame {
	k := s.audioNext
	s.audioNext++
	return media.Frame{
		Track: AudioTrack, Key: true, DTS: k * frameSamples, PTS: k * frameSamples, Duration: frameSamples,
		Wall: now.UnixNano(), Data: s.loop[k%int64(len(s.loop))],
	}
}
