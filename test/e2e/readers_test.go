package e2e

import (
	"bytes"
	"context"
	le "encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/codecs"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/coder/websocket"
	"github.com/pion/rtp"
	rtpcodecs "github.com/pion/rtp/codecs"
)

// unit is one frame as an outside library took it out of the wire.
type unit struct {
	dts, pts time.Duration
	data     []byte // as its elementary stream has it: Annex B, OBUs with sizes, a VP9 frame
}

// units collects one stream of each kind.
type units struct {
	codec        codecs.Codec
	sound        codecs.Codec
	video, audio []unit
}

// collect reads with gortmplib until the video is as long as wanted.
func collect(conn gortmplib.Conn, length time.Duration) (*units, error) {
	r := &gortmplib.Reader{Conn: conn}
	if err := r.Initialize(); err != nil {
		return nil, err
	}
	u := &units{}
	for _, track := range r.Tracks() {
		u.register(r, track)
	}
	for len(u.video) == 0 || u.video[len(u.video)-1].dts-u.video[0].dts < length {
		if err := r.Read(); err != nil {
			return nil, fmt.Errorf("after %d pictures: %w", len(u.video), err)
		}
	}
	return u, nil
}

func (u *units) register(r *gortmplib.Reader, track *gortmplib.Track) {
	if track.Codec.IsVideo() {
		u.codec = track.Codec
	} else {
		u.sound = track.Codec
	}
	nals := func(pts, dts time.Duration, au [][]byte) {
		var b []byte
		for _, n := range au {
			b = append(append(b, 0, 0, 0, 1), n...)
		}
		u.video = append(u.video, unit{dts, pts, b})
	}
	sound := func(pts time.Duration, b []byte) { u.audio = append(u.audio, unit{pts, pts, bytes.Clone(b)}) }
	switch track.Codec.(type) {
	case *codecs.H264:
		r.OnDataH264(track, nals)
	case *codecs.H265:
		r.OnDataH265(track, nals)
	case *codecs.AV1:
		r.OnDataAV1(track, func(pts time.Duration, tu [][]byte) {
			b, err := av1.Bitstream(tu).Marshal()
			if err == nil {
				u.video = append(u.video, unit{pts, pts, b})
			}
		})
	case *codecs.VP9:
		r.OnDataVP9(track, func(pts time.Duration, b []byte) { u.video = append(u.video, unit{pts, pts, bytes.Clone(b)}) })
	case *codecs.MPEG4Audio:
		r.OnDataMPEG4Audio(track, sound)
	case *codecs.MPEG1Audio:
		r.OnDataMPEG1Audio(track, sound)
	case *codecs.Opus:
		r.OnDataOpus(track, sound)
	case *codecs.AC3:
		r.OnDataAC3(track, sound)
	case *codecs.FLAC:
		r.OnDataFLAC(track, sound)
	}
}

// names of gortmplib's codecs as FFmpeg says them.
func ffmpegName(c codecs.Codec) string {
	switch c.(type) {
	case *codecs.H264:
		return "h264"
	case *codecs.H265:
		return "hevc"
	case *codecs.AV1:
		return "av1"
	case *codecs.VP9:
		return "vp9"
	case *codecs.MPEG4Audio:
		return "aac"
	case *codecs.MPEG1Audio:
		return "mp3"
	case *codecs.Opus:
		return "opus"
	case *codecs.AC3:
		return "ac3"
	case *codecs.FLAC:
		return "flac"
	}
	return fmt.Sprintf("%T", c)
}

// judgeUnits has FFmpeg decode the video, and takes the times from the units.
func judgeUnits(ctx context.Context, c cell, u *units) (*reading, error) {
	defer c.turn()()
	if u.codec == nil || u.sound == nil {
		return nil, fmt.Errorf("tracks %T and %T", u.codec, u.sound)
	}
	if h, ok := u.codec.(*codecs.H265); ok { // its parameter sets came in the sequence header, not in band
		var sets []byte
		for _, n := range [][]byte{h.VPS, h.SPS, h.PPS} {
			sets = append(append(sets, 0, 0, 0, 1), n...)
		}
		u.video[0].data = append(sets, u.video[0].data...)
	}
	r, err := decodeElementary(ctx, c.dir, ffmpegName(u.codec), u.video)
	if err != nil {
		return nil, err
	}
	r.audio = ffmpegName(u.sound)
	r.dts, r.sound = nil, nil
	for i, v := range u.video {
		// gortmplib hands the parameter sets of H.264 and HEVC out as a picture of their own before the first one.
		if i == 0 && len(u.video) > 1 && v.dts == u.video[1].dts {
			continue
		}
		r.dts = append(r.dts, v.dts)
	}
	for _, a := range u.audio {
		r.sound = append(r.sound, a.dts)
	}
	return r, nil
}

func decodeElementary(ctx context.Context, dir, codec string, list []unit) (*reading, error) {
	var b []byte
	format := codec
	if codec == "av1" || codec == "vp9" {
		format = "ivf"
		b = ivf(codec, list)
	} else {
		for _, u := range list {
			b = append(b, u.data...)
		}
	}
	path := filepath.Join(dir, "video."+format)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return nil, err
	}
	packets := filepath.Join(dir, "packets")
	r, _, err := decodeWith(ctx, packets, []string{
		"-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-f", format, "-i", path,
		"-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1",
		"-map", "0:v:0", "-c", "copy", "-f", "framemd5", packets,
	})
	return r, err
}

// ivf is the simplest container of AV1 and VP9.
func ivf(codec string, list []unit) []byte {
	four := map[string]string{"av1": "AV01", "vp9": "VP90"}[codec]
	b := append([]byte("DKIF\x00\x00\x20\x00"), four...)
	b = le.LittleEndian.AppendUint16(b, clipWidth)
	b = le.LittleEndian.AppendUint16(b, clipHeight)
	b = le.LittleEndian.AppendUint32(b, 1000)
	b = le.LittleEndian.AppendUint32(b, 1)
	b = le.LittleEndian.AppendUint64(b, uint64(len(list)))
	for _, u := range list {
		data := u.data
		if codec == "av1" {
			data = append([]byte{0x12, 0}, data...) // a temporal delimiter
		}
		b = le.LittleEndian.AppendUint32(b, uint32(len(data)))
		b = le.LittleEndian.AppendUint64(b, uint64((u.pts - list[0].pts).Milliseconds()))
		b = append(b, data...)
	}
	return b
}

// enhancedRTMP plays with gortmplib, which declares that it reads Enhanced RTMP.
func enhancedRTMP(ctx context.Context, c cell) (*reading, error) {
	u, err := url.Parse(c.w.rtmp(c.name, ""))
	if err != nil {
		return nil, err
	}
	client := &gortmplib.Client{URL: u}
	if err := client.Initialize(ctx); err != nil {
		return nil, err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, client.Close)()
	got, err := collect(client, c.length)
	if err != nil {
		return nil, err
	}
	return judgeUnits(ctx, c, got)
}

// flvConn gives the tags of an FLV stream to gortmplib as the RTMP messages that they are.
type flvConn struct {
	flv     io.Reader
	started bool
	wire    bytes.Buffer
	reader  *message.Reader
}

func (*flvConn) BytesReceived() uint64       { return 0 }
func (*flvConn) BytesSent() uint64           { return 0 }
func (*flvConn) Write(message.Message) error { return errors.New("a viewer of FLV says nothing") }

func (c *flvConn) Read() (message.Message, error) {
	if !c.started {
		c.started = true
		var head [13]byte
		if _, err := io.ReadFull(c.flv, head[:]); err != nil {
			return nil, err
		}
		c.reader = message.NewReader(&c.wire, bytecounter.NewReader(&c.wire), func(uint32) error { return nil })
		c.wire.Write([]byte{2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0x80, 0, 0}) // Set Chunk Size 8 MiB
		if _, err := c.reader.Read(); err != nil {
			return nil, err
		}
	}
	var h [11]byte
	if _, err := io.ReadFull(c.flv, h[:]); err != nil {
		return nil, err
	}
	body := make([]byte, int(h[1])<<16|int(h[2])<<8|int(h[3])+4)
	if _, err := io.ReadFull(c.flv, body); err != nil {
		return nil, err
	}
	c.wire.Write([]byte{h[0]%64 + 3, h[4], h[5], h[6], h[1], h[2], h[3], h[0], 1, 0, 0, 0})
	c.wire.Write(body[:len(body)-4])
	return c.reader.Read()
}

// httpFLV and webSocketFLV read the same bytes over two wires.
func httpFLV(ctx context.Context, c cell) (*reading, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.w.http("/"+c.name+"/stream.flv"), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return problemOf(resp)
	}
	u, err := collect(&flvConn{flv: resp.Body}, c.length)
	if err != nil {
		return nil, err
	}
	return judgeUnits(ctx, c, u)
}

func webSocketFLV(ctx context.Context, c cell) (*reading, error) {
	ws, resp, err := websocket.Dial(ctx, strings.Replace(c.w.http("/"+c.name+"/stream.flv"), "http", "ws", 1), nil)
	if err != nil {
		if resp != nil && resp.StatusCode >= 300 {
			return problemOf(resp)
		}
		return nil, err
	}
	defer ws.CloseNow() //nolint:errcheck // enough was read
	ws.SetReadLimit(1 << 24)
	u, err := collect(&flvConn{flv: websocket.NetConn(ctx, ws, websocket.MessageBinary)}, c.length)
	if err != nil {
		return nil, err
	}
	return judgeUnits(ctx, c, u)
}

// viaFFmpeg has FFmpeg open the address itself.
func viaFFmpeg(file string) func(context.Context, cell) (*reading, error) {
	return func(ctx context.Context, c cell) (*reading, error) {
		address := c.w.http("/" + c.name + "/" + file)
		if r, err := asked(address); r != nil || err != nil {
			return r, err
		}
		r, _, err := decode(ctx, c.dir, "-t", fmt.Sprintf("%.1f", c.length.Seconds()), "-i", address)
		return r, err
	}
}

// legacyRTMP: FFmpeg 5.1 declares no Enhanced RTMP. The sentence of a refusal is on the wire, its code in the log.
func legacyRTMP(ctx context.Context, c cell) (*reading, error) {
	r, complaint, err := decode(ctx, c.dir, "-t", fmt.Sprintf("%.1f", c.length.Seconds()), "-i", c.w.rtmp(c.name, ""))
	if err == nil {
		return r, nil
	}
	_, sentence, ok := strings.Cut(complaint, "Server error: ")
	if !ok {
		return nil, err
	}
	sentence, _, _ = strings.Cut(sentence, "\n")
	for range 50 { // the log comes through a pipe of its own
		if code := c.logged("RTMP play refused"); code != "" {
			return refusal(code, sentence), nil
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("refused without a line in the log: " + sentence)
}

// logged is the code in the log's line of that text about the stream; "" when there is none.
func (c cell) logged(text string) string {
	for line := range strings.Lines(c.w.logs.String()) {
		if _, code, ok := strings.Cut(line, text); ok && strings.Contains(line, "stream="+c.name+" ") {
			_, code, _ = strings.Cut(code, "code=")
			code, _, _ = strings.Cut(code, " ")
			return code
		}
	}
	return ""
}

// overWHEP reads RTP with pion, and takes pion's own depacketizers.
func overWHEP(t *testing.T) func(context.Context, cell) (*reading, error) {
	return func(ctx context.Context, c cell) (*reading, error) {
		v, err := viewWHEP(ctx, t, c.w.http("/"+c.name+"/whep"), true)
		if err != nil {
			_, code, ok := strings.Cut(err.Error(), `"code":"`)
			if !ok {
				return nil, err
			}
			code, _, _ = strings.Cut(code, `"`)
			return refusal(code, err.Error()), nil
		}
		for v.span("video", 90000) < c.length+200*time.Millisecond {
			if err := wait(ctx, 100*time.Millisecond); err != nil {
				return nil, fmt.Errorf("%v of video, %v of audio: %w", v.span("video", 90000), v.span("audio", 48000), err)
			}
		}
		video, audio := inOrder(v.kept("video")), inOrder(v.kept("audio"))
		if err := errors.Join(contiguous(video), contiguous(audio)); err != nil {
			return nil, err
		}
		codec := strings.ToLower(strings.TrimPrefix(v.used, "video/"))
		list, err := frames(codec, video)
		if err != nil {
			return nil, err
		}
		defer c.turn()()
		r, err := decodeElementary(ctx, c.dir, codec, list)
		if err != nil {
			return nil, err
		}
		r.audio, r.dts = "opus", nil
		for _, u := range list {
			r.dts = append(r.dts, u.dts)
		}
		for _, p := range audio {
			r.sound = append(r.sound, time.Duration(p.Timestamp-audio[0].Timestamp)*time.Second/48000)
		}
		return r, nil
	}
}

// inOrder sorts by sequence number: UDP may reorder, even on loopback.
func inOrder(list []*rtp.Packet) []*rtp.Packet {
	list = slices.DeleteFunc(list, func(p *rtp.Packet) bool { return len(p.Payload) == 0 }) // padding
	slices.SortStableFunc(list, func(a, b *rtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
	return list
}

func contiguous(list []*rtp.Packet) error {
	for i := 1; i < len(list); i++ {
		if list[i].SequenceNumber != list[i-1].SequenceNumber+1 {
			return fmt.Errorf("RTP packet %d follows %d", list[i].SequenceNumber, list[i-1].SequenceNumber)
		}
	}
	return nil
}

// frames joins packets of one time stamp; the last one may be cut off and is left out.
func frames(codec string, list []*rtp.Packet) ([]unit, error) {
	var depacketizer interface {
		Unmarshal([]byte) ([]byte, error)
	}
	switch codec {
	case "h264":
		depacketizer = &rtpcodecs.H264Packet{}
	case "vp9":
		depacketizer = &rtpcodecs.VP9Packet{}
	case "av1":
		depacketizer = &rtpcodecs.AV1Depacketizer{}
	default:
		return nil, fmt.Errorf("no depacketizer of %q", codec)
	}
	var out []unit
	for i, p := range list {
		if i == 0 || p.Timestamp != list[i-1].Timestamp {
			at := time.Duration(p.Timestamp-list[0].Timestamp) * time.Second / 90000
			out = append(out, unit{dts: at, pts: at})
		}
		b, err := depacketizer.Unmarshal(p.Payload)
		if err != nil {
			return nil, err
		}
		last := &out[len(out)-1]
		last.data = append(last.data, b...)
	}
	return out[:max(0, len(out)-1)], nil
}
