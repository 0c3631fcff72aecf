// Package hls writes and reads HLS playlists (RFC 8216bis, with the low-latency
// extensions) from and into plain structs. What belongs here: the text format and
// its limits. What does not: which segments a playlist lists, addresses, caching,
// clocks; internal/deliver/hls decides those.
package hls

import "time"

// MIMEType is the Content-Type of a playlist (RFC 8216bis section 10).
const MIMEType = "application/vnd.apple.mpegurl"

// Multivariant is a multivariant playlist.
type Multivariant struct {
	Independent bool // every segment of every rendition starts with a random access point
	Renditions  []Rendition
	Variants    []Variant
	IFrames     []IFrame
	Start       *Start    // where to begin; nil = the player's choice
	Steering    *Steering // content steering; nil = none
	Query       string    // appended to every URI after "?", already encoded; "" = none
}

// Start is EXT-X-START.
type Start struct {
	Offset  time.Duration // from the beginning; negative: from the end
	Precise bool          // not from the start of the segment, but from that very instant
}

// Steering is EXT-X-CONTENT-STEERING: where a player learns which pathway to use.
type Steering struct {
	URI     string
	Pathway string // the one to begin with; "" = left out
}

// IFrame is one EXT-X-I-FRAME-STREAM-INF.
type IFrame struct {
	URI              string
	Bandwidth        int
	AverageBandwidth int // bit/s; 0 = left out
	Codecs           string
	Width, Height    int
}

// The values of EXT-X-PLAYLIST-TYPE.
const (
	TypeVOD   = "VOD"   // nothing changes any more
	TypeEvent = "EVENT" // segments are only added
)

// Rendition is one EXT-X-MEDIA line.
type Rendition struct {
	Type     string // AUDIO, SUBTITLES; empty means AUDIO
	Group    string
	Name     string
	Language string
	URI      string
	Channels string // CHANNELS, audio only: "2"
	Default  bool
}

// Variant is one EXT-X-STREAM-INF with its URI.
type Variant struct {
	URI              string
	Bandwidth        int // peak segment bit rate, bit/s
	AverageBandwidth int // bit/s; 0 = left out
	Codecs           string
	Width, Height    int
	FrameRate        float64
	Audio            string // group of the audio renditions; "" = none
	NoCaptions       bool   // says that there are no closed captions; else nothing is said of them
}

// Media is a media playlist. Durations are printed to the microsecond.
type Media struct {
	Version               int // EXT-X-VERSION; 0 = the lowest that the content needs
	TargetDuration        int // seconds
	MediaSequence         int64
	DiscontinuitySequence int
	Independent           bool
	Ended                 bool
	Type                  string // TypeVOD, TypeEvent or "" = none
	IFramesOnly           bool   // every segment is one random access picture, up to the next one

	// Low latency. All lists of a presentation say the same of PartHoldBack, SkipUntil and BlockReload (RFC 8216bis section
	// 6.2.4), also those that have no parts; PartHoldBack 0 = none of it.
	PartTarget   time.Duration // 0 = no parts
	PartHoldBack time.Duration
	SkipUntil    time.Duration // CAN-SKIP-UNTIL; 0 = no delta playlists
	BlockReload  bool

	Skipped  int // segments left out of a delta playlist
	Segments []Segment
	Hint     string   // URI of the next part; "" = none
	Reports  []Report // one per other rendition

	Query string // appended to every URI after "?", already encoded; "" = none
}

// Segment is one media segment. An open one has Parts but no URI yet.
type Segment struct {
	URI           string
	Duration      time.Duration
	Time          time.Time // EXT-X-PROGRAM-DATE-TIME; zero = left out
	Map           string    // URI of the init segment, where it changes (and on the first line of a playlist)
	Discontinuity bool
	Gap           bool
	Length        int64 // EXT-X-BYTERANGE: so many bytes from the resource's first on; 0 = all of it
	Parts         []Part
}

// Part is one EXT-X-PART.
type Part struct {
	URI         string
	Duration    time.Duration
	Independent bool
	Gap         bool
}

// Report is one EXT-X-RENDITION-REPORT.
type Report struct {
	URI      string
	LastMSN  int64
	LastPart int // -1 = left out (the rendition has no parts)
}
