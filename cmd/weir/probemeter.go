package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/codec"
	"weir/internal/fault"
	"weir/internal/media"
)

type probeReport struct {
	URL        string       `json:"url"`
	Tracks     []probeTrack `json:"tracks"`
	AVOffsetMS *float64     `json:"av_offset_ms"` // null where it cannot be seen: one kind only, or segments, which are cut alike
}

type probeTrack struct {
	ID         int     `json:"id"`
	Kind       string  `json:"kind"`
	Codec      string  `json:"codec"`
	Codecs     string  `json:"codecs"`
	Width      int     `json:"width,omitempty"`
	Height     int     `json:"height,omitempty"`
	SampleRate int     `json:"sample_rate,omitempty"`
	Channels   int     `json:"channels,omitempty"`
	FPS        float64 `json:"fps"`
	BitrateBPS int     `json:"bitrate_bps"`
	GOPSeconds float64 `json:"gop_s,omitempty"` // 0: no two key frames were seen
	BFrames    bool    `json:"b_frames"`
	Seconds    float64 `json:"seconds"` // of media that were measured
}

// probeMeter counts what arrives.
type probeMeter struct {
	length time.Duration
	begun  time.Time
	tracks []media.Track
	counts map[media.TrackID]*probeCount

	newest map[media.Kind]time.Duration // DTS
	apart  time.Duration
	pairs  int
}

type probeCount struct {
	frames, bytes int
	first, last   time.Duration // DTS
	firstKey      time.Duration
	lastKey       time.Duration
	keys          int
	cts           [2]time.Duration // least and most
	coded         bool             // a frame says so itself
}

func newProbeMeter(length time.Duration) *probeMeter {
	return &probeMeter{length: length, counts: map[media.TrackID]*probeCount{}, newest: map[media.Kind]time.Duration{}}
}

func (m *probeMeter) frames() int {
	n := 0
	for _, c := range m.counts {
		n += c.frames
	}
	return n
}

// take counts a frame and reports whether enough was seen.
func (m *probeMeter) take(tracks []media.Track, f media.Frame, now time.Time) bool {
	m.tracks = tracks
	t := media.Find(tracks, f.Track)
	if t == nil {
		return false
	}
	if m.begun.IsZero() {
		m.begun = now
	}
	dts, cts := t.Duration(f.DTS), t.Duration(f.CTS())
	m.count(t, dts, cts, len(f.Data), f.Key)
	if t.Kind == media.Video && !f.Key && codec.IsB(t.Codec, f.Data) {
		m.counts[t.ID].coded = true
	}
	m.newest[t.Kind] = dts
	audio, a := m.newest[media.Audio]
	video, v := m.newest[media.Video]
	if a && v && now.Sub(m.begun) > m.length/3 { // the first burst is in no order of time
		m.apart += audio - video
		m.pairs++
	}
	seen := now.Sub(m.begun)
	return seen > probeAtMost || seen > m.length && m.keysSeen()
}

func (m *probeMeter) count(t *media.Track, dts, cts time.Duration, size int, key bool) {
	c := m.counts[t.ID]
	if c == nil {
		c = &probeCount{first: dts, cts: [2]time.Duration{cts, cts}}
		m.counts[t.ID] = c
	}
	c.frames++
	c.bytes += size
	c.last = dts
	c.cts[0], c.cts[1] = min(c.cts[0], cts), max(c.cts[1], cts)
	if key {
		if c.keys == 0 {
			c.firstKey = dts
		}
		c.keys++
		c.lastKey = dts
	}
}

// same reports whether two tracks had the very same frames.
func (m *probeMeter) same(a, b int) bool {
	x, y := m.counts[media.TrackID(a)], m.counts[media.TrackID(b)]
	return x != nil && y != nil && x.bytes == y.bytes && x.frames == y.frames && x.first == y.first && x.last == y.last
}

// keysSeen reports whether each picture has shown two key frames.
func (m *probeMeter) keysSeen() bool {
	for i := range m.tracks {
		if c := m.counts[m.tracks[i].ID]; m.tracks[i].Kind == media.Video && (c == nil || c.keys < 2) {
			return false
		}
	}
	return true
}

func (m *probeMeter) report(address string) *probeReport {
	r := &probeReport{URL: address, Tracks: []probeTrack{}}
	for i := range m.tracks {
		t := &m.tracks[i]
		p := probeTrack{
			ID: int(t.ID), Kind: t.Kind.String(), Codec: t.Codec.String(), Codecs: codec.String(t),
			Width: t.Width, Height: t.Height, SampleRate: t.SampleRate, Channels: t.Channels,
		}
		p.measured(m.counts[t.ID])
		r.Tracks = append(r.Tracks, p)
	}
	if m.pairs > 0 {
		ms := float64(m.apart.Microseconds()) / 1000 / float64(m.pairs)
		r.AVOffsetMS = &ms
	}
	return r
}

func (p *probeTrack) measured(c *probeCount) {
	if c == nil {
		return
	}
	if s := (c.last - c.first).Seconds(); c.frames > 1 && s > 0 {
		per := s * float64(c.frames) / float64(c.frames-1) // the last frame lasts too
		p.FPS, p.BitrateBPS, p.Seconds = float64(c.frames)/per, int(float64(8*c.bytes)/per), s
	}
	if p.Kind != "video" {
		return
	}
	if c.keys > 1 {
		p.GOPSeconds = (c.lastKey - c.firstKey).Seconds() / float64(c.keys-1)
	}
	const noise = 5 * time.Millisecond // FLV rounds composition offsets to whole ms
	p.BFrames = c.coded || c.cts[1]-c.cts[0] > noise
}

// ffprobe reads what Weir has no reader for.
func (p *prober) ffprobe(ctx context.Context, u *url.URL) (*probeReport, error) {
	if _, err := exec.LookPath("ffprobe"); err != nil {
		return nil, fault.Wrap(err, fault.Unsupported, "ffprobe_missing", "Reading "+u.Redacted()+" takes ffprobe, which is not installed.", "Install FFmpeg, or probe rtmp://…, ….flv or ….ts.")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	args := []string{"-v", "error", "-of", "json", "-show_streams", "-show_packets", "-read_intervals", fmt.Sprintf("%%+%d", int(max(p.length, 5*time.Second).Seconds()))}
	if u.Scheme == "https" { // FFmpeg believes any certificate unless told otherwise, and its lists' segments even then
		if err := p.get(ctx, nil, func(io.Reader, probeSink) error { return nil }); err != nil {
			return nil, err
		}
	}
	out, err := exec.CommandContext(ctx, "ffprobe", append(args, "-i", p.url)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fault.New(fault.Unavailable, "probe_failed", "ffprobe cannot read "+u.Redacted()+": "+lastLine(exit.Stderr), "Check the address: HLS ends in index.m3u8, DASH in index.mpd.")
	}
	if err != nil {
		return nil, err
	}
	var seen ffprobed
	if err := json.Unmarshal(out, &seen); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "probe_failed", "ffprobe answered something strange.", "Try another version of FFmpeg.")
	}
	return seen.report(p.url, p.codecs(ctx, u)), nil
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

type ffprobed struct {
	Streams []ffprobedStream
	Packets []struct {
		Stream int    `json:"stream_index"`
		PTS    string `json:"pts_time"`
		DTS    string `json:"dts_time"`
		Size   string
		Flags  string
	}
}

type ffprobedStream struct {
	Index, Width, Height, Channels int
	Kind                           string `json:"codec_type"`
	Name                           string `json:"codec_name"`
	SampleRate                     string `json:"sample_rate"`
}

// probeNames are ffprobe's names of codecs.
var probeNames = map[string]media.Codec{
	"h264": media.H264, "hevc": media.HEVC, "av1": media.AV1, "vp9": media.VP9, "vp8": media.VP8, "aac": media.AAC,
	"opus": media.Opus, "mp3": media.MP3, "ac3": media.AC3, "eac3": media.EAC3, "flac": media.FLAC,
}

func (f *ffprobed) report(address string, codecs []string) *probeReport {
	m := newProbeMeter(0)
	for _, k := range f.Packets {
		dts, err1 := strconv.ParseFloat(k.DTS, 64)
		pts, err2 := strconv.ParseFloat(k.PTS, 64)
		size, err3 := strconv.Atoi(k.Size)
		if err := errors.Join(err1, err2, err3); err == nil {
			t := media.Track{ID: media.TrackID(k.Stream)}
			m.count(&t, seconds(dts), seconds(pts-dts), size, strings.HasPrefix(k.Flags, "K"))
		}
	}
	r := &probeReport{URL: address, Tracks: []probeTrack{}}
	for i, s := range f.Streams {
		if slices.ContainsFunc(f.Streams[:i], func(o ffprobedStream) bool { return m.same(o.Index, s.Index) }) {
			continue // a rendition that several variants of a playlist name is one track
		}
		p := probeTrack{ID: s.Index, Kind: s.Kind, Codec: s.Name, Width: s.Width, Height: s.Height, Channels: s.Channels}
		p.SampleRate, _ = strconv.Atoi(s.SampleRate) // video has none
		if c, ok := probeNames[s.Name]; ok {
			p.Codec = c.String()
		}
		if i := slices.IndexFunc(codecs, func(c string) bool { return isVideo(c) == (s.Kind == "video") }); i >= 0 {
			p.Codecs = codecs[i]
		}
		p.measured(m.counts[media.TrackID(s.Index)])
		r.Tracks = append(r.Tracks, p)
	}
	return r
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func isVideo(codecs string) bool {
	return slices.ContainsFunc([]string{"avc", "hvc", "hev", "av01", "vp0"}, func(p string) bool { return strings.HasPrefix(codecs, p) })
}

var codecsAttribute = regexp.MustCompile(`(?i)\bcodecs="([^"]+)"`)

// codecs are those that a playlist or a manifest names; none if it cannot be read.
func (p *prober) codecs(ctx context.Context, u *url.URL) []string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	res, err := p.http.Do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil
	}
	var list []string
	for _, found := range codecsAttribute.FindAllStringSubmatch(string(text), -1) {
		list = append(list, strings.Split(found[1], ",")...)
	}
	return list
}
