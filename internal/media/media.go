// Package media names what flows through Weir: tracks, frames and their time.
// What belongs here: plain values and arithmetic on them. What does not: I/O,
// clocks, goroutines, and any knowledge of a codec's or a container's bytes.
package media

import (
	"slices"
	"time"
)

// Kind is what a track carries.
type Kind uint8

// The kinds of track.
const (
	Data Kind = iota
	Video
	Audio
	Text
	Picture
)

func (k Kind) String() string {
	return [...]string{"data", "video", "audio", "text", "picture"}[k]
}

// Codec names an elementary stream format.
type Codec uint8

// The codecs Weir knows. A frame of each is in ISO BMFF sample form, see Frame.
const (
	UnknownCodec Codec = iota
	H264
	HEVC
	AV1
	VP9
	VP8
	AAC
	Opus
	MP3
	AC3
	EAC3
	FLAC
	PCMA
	PCMU
)

var codecNames = [...]string{
	"unknown", "H.264", "HEVC", "AV1", "VP9", "VP8",
	"AAC", "Opus", "MP3", "AC-3", "E-AC-3", "FLAC", "G.711 A-law", "G.711 µ-law",
}

// String gives the codec's usual name for people ("H.264").
func (c Codec) String() string { return codecNames[c] }

// Kind says whether the codec is video or audio; Data for UnknownCodec.
func (c Codec) Kind() Kind {
	switch {
	case c == UnknownCodec:
		return Data
	case c <= VP8:
		return Video
	default:
		return Audio
	}
}

// TrackID names a track within its stream. It stays the same over runs as long as
// the track plays the same part (the same kind, codec and alternate group).
type TrackID uint16

// Track describes one elementary stream. It is immutable once handed to the hub:
// a changed configuration is a new Track value in a new run.
type Track struct {
	ID        TrackID
	Kind      Kind
	Codec     Codec
	TimeScale uint32 // ticks per second of the DTS and PTS of its frames; 90000 for video, the sample rate for audio

	// Config is the decoder configuration as ISO BMFF carries it, without the box header:
	// avcC, hvcC, av1C, vpcC (from its version byte), AudioSpecificConfig (AAC), dOps, dac3, dec3,
	// dfLa's STREAMINFO metadata block (34 bytes, FLAC); empty for MP3, VP8 and G.711.
	Config []byte

	Width, Height int     // video, in luma samples after cropping; 0 = unknown
	FrameRate     float64 // video, frames per second as declared by the bitstream or the publisher; 0 = unknown
	SampleRate    int     // audio, Hz
	Channels      int     // audio
	Bitrate       int     // bit/s as declared; 0 = unknown
	Language      string  // BCP 47; "" = unknown
	Name          string  // a label for people; may be empty
	Alternate     int     // tracks of one alternate group replace each other (rungs, layers, languages)
	Rank          int     // order within the alternate group, 0 = best
	Derived       bool    // made by this server from another track (Opus from AAC, a ladder's rung)
}

// SameFormat reports whether frames of t and o can follow each other in one
// decoder without a new configuration.
func (t *Track) SameFormat(o *Track) bool {
	return t.Kind == o.Kind && t.Codec == o.Codec && t.TimeScale == o.TimeScale &&
		t.SampleRate == o.SampleRate && t.Channels == o.Channels &&
		t.Width == o.Width && t.Height == o.Height && slices.Equal(t.Config, o.Config)
}

// Duration converts ticks of the track's time scale to a duration.
func (t *Track) Duration(ticks int64) time.Duration { return ToDuration(ticks, t.TimeScale) }

// Ticks converts a duration to ticks of the track's time scale.
func (t *Track) Ticks(d time.Duration) int64 { return FromDuration(d, t.TimeScale) }

// Frame is one access unit, audio frame or cue in ISO BMFF sample form: NAL units with 4-byte
// lengths (H.264, HEVC; no start codes, no access unit delimiters), raw AAC without ADTS, one Opus
// packet, one MP3 / AC-3 / FLAC frame, AV1 low-overhead OBUs without temporal delimiter, one VP9 frame
// or superframe, one VP8 frame, G.711 samples. It is immutable once published: Data is shared by
// all readers.
//
// DTS and PTS are in the time scale of its track. A publisher writes them on its own clock; what the hub
// hands out is epoch media time: ticks since the Unix epoch, the same offset for all tracks of a run.
type Frame struct {
	Track    TrackID
	Key      bool  // random access point: IDR, CRA/BLA/IDR, AV1/VP9/VP8 key frame; true for every audio frame
	DTS, PTS int64 // ticks
	Duration int64 // ticks; 0 = unknown
	Wall     int64 // when the frame was captured or received, Unix nanoseconds
	Data     []byte
}

// CTS is the composition offset, PTS - DTS.
func (f *Frame) CTS() int64 { return f.PTS - f.DTS }

// ToDuration converts ticks of a time scale to a duration without overflow for epoch times.
func ToDuration(ticks int64, scale uint32) time.Duration {
	s := int64(scale)
	return time.Duration(ticks/s)*time.Second + time.Duration(ticks%s)*time.Second/time.Duration(s)
}

// FromDuration converts a duration to ticks of a time scale, rounded down, without overflow for epoch times.
func FromDuration(d time.Duration, scale uint32) int64 {
	s := int64(scale)
	sec, rest := int64(d/time.Second), int64(d%time.Second)
	return sec*s + rest*s/int64(time.Second)
}

// Rescale converts ticks from one time scale to another, rounded to nearest, without overflow for epoch times.
func Rescale(ticks int64, from, to uint32) int64 {
	if from == to {
		return ticks
	}
	f, t := int64(from), int64(to)
	whole, rest := ticks/f, ticks%f
	if rest < 0 {
		whole, rest = whole-1, rest+f
	}
	return whole*t + (rest*t+f/2)/f
}

// SameFormats reports whether two lists hold the same tracks, of the same formats.
func SameFormats(a, b []Track) bool {
	return slices.EqualFunc(a, b, func(x, y Track) bool { return x.ID == y.ID && x.SameFormat(&y) })
}

// Find returns the track with the given id, or nil.
func Find(tracks []Track, id TrackID) *Track {
	for i := range tracks {
		if tracks[i].ID == id {
			return &tracks[i]
		}
	}
	return nil
}

// First returns the best-ranked track of a kind, or nil.
func First(tracks []Track, kind Kind) *Track {
	var best *Track
	for i := range tracks {
		if tracks[i].Kind == kind && (best == nil || tracks[i].Rank < best.Rank) {
			best = &tracks[i]
		}
	}
	return best
}
