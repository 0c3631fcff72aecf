package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/ref/matrix.md from this run")

// cell is one reading of a stream over an output.
type cell struct {
	w      *weir
	name   string // of the stream
	length time.Duration
	dir    string
	turns  chan struct{} // who decodes
}

// The columns of the matrix.
var outputs = []string{"RTMP, old player", "RTMP, Enhanced", "HTTP-FLV", "WebSocket-FLV", "HTTP-TS", "HTTP-fMP4", "HLS", "LL-HLS", "DASH", "WHEP"}

const (
	plays     = "plays"
	converted = "converted"
	oldPlayer = "refused: codec_needs_enhanced_rtmp"
	noTS      = "refused: ts_codec_unsupported"
	noWebRTC  = "refused: codec_not_in_webrtc"
	bFrames   = "refused: b_frames_in_webrtc"
)

// row is what is expected of a codec, written before the run, and the stream by which it is tried.
type row struct {
	codec, partner string
	ffmpeg         bool // it publishes; otherwise gortmplib does
	cells          [10]string
}

var matrix = []row{
	{"H.264", "AAC", true, [10]string{plays, plays, plays, plays, plays, plays, plays, plays, plays, plays}},
	{"H.264 with B", "AAC", true, [10]string{plays, plays, plays, plays, plays, plays, plays, plays, plays, bFrames}},
	{"HEVC, codec id 12", "AAC", false, [10]string{oldPlayer, plays, plays, plays, plays, plays, plays, plays, plays, noWebRTC}},
	{"HEVC, Enhanced", "AAC", false, [10]string{oldPlayer, plays, plays, plays, plays, plays, plays, plays, plays, noWebRTC}},
	{"AV1", "AAC", false, [10]string{oldPlayer, plays, plays, plays, noTS, plays, plays, plays, plays, plays}},
	{"VP9", "AAC", false, [10]string{oldPlayer, plays, plays, plays, noTS, plays, plays, plays, plays, plays}},
	{"AAC", "H.264", true, [10]string{plays, plays, plays, plays, plays, plays, plays, plays, plays, converted}},
	{"MP3", "H.264", true, [10]string{plays, plays, plays, plays, plays, plays, plays, plays, plays, converted}},
	{"Opus", "H.264", false, [10]string{converted, plays, plays, plays, plays, plays, plays, plays, plays, plays}},
	{"AC-3", "H.264", false, [10]string{converted, plays, plays, plays, plays, plays, plays, plays, plays, converted}},
	{"FLAC", "H.264", false, [10]string{converted, plays, plays, plays, noTS, plays, plays, plays, plays, converted}},
}

// names of the codecs as FFmpeg says them.
var ffmpegNames = map[string]string{
	"H.264": "h264", "H.264 with B": "h264", "HEVC, codec id 12": "hevc", "HEVC, Enhanced": "hevc", "AV1": "av1", "VP9": "vp9",
	"AAC": "aac", "MP3": "mp3", "Opus": "opus", "AC-3": "ac3", "FLAC": "flac",
}

// TestShow_2_2_Matrix is the short form: 4 s of each cell.
func TestShow_2_2_Matrix(t *testing.T) { runMatrix(t, 4*time.Second) }

// TestShow_2_2_MatrixOverAMinute reads 60 s of each cell.
func TestShow_2_2_MatrixOverAMinute(t *testing.T) {
	long(t)
	runMatrix(t, 60*time.Second)
}

// readersOf gives what reads each output.
func readersOf(t *testing.T) []func(context.Context, cell) (*reading, error) {
	return []func(context.Context, cell) (*reading, error){
		legacyRTMP, enhancedRTMP, httpFLV, webSocketFLV, viaFFmpeg("stream.ts"), viaFFmpeg("stream.mp4"),
		segments(t, "index.m3u8", hlsLists), lowLatencyHLS(t), segments(t, "index.mpd", dashLists), overWHEP(t),
	}
}

func runMatrix(t *testing.T, length time.Duration) {
	need(t, "ffmpeg")
	w := start(t)
	key := w.key("m/*")
	dir := t.TempDir()
	clips := makeClips(t, dir, length+12*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), length+40*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	found := make([][10]string, len(matrix))
	tried := map[string]int{}
	turns := make(chan struct{}, 2)
	for i, r := range matrix {
		video, audio := r.streams()
		name := fmt.Sprintf("m/%d", i)
		if _, again := tried[video+audio]; again {
			continue // a stream of the same two codecs is there
		}
		tried[video+audio] = i
		if r.ffmpeg {
			publishFFmpeg(t, w.rtmp(name, key), clips[video], clips[audio])
		} else {
			wg.Go(func() {
				if err := publishPeer(ctx, t, w.rtmp(name, key), clips[video], clips[audio]); err != nil {
					t.Errorf("publishing %s with %s: %v", video, audio, err)
				}
			})
		}
		w.waitLive(name)
		for j, read := range readersOf(t) {
			sub := filepath.Join(dir, fmt.Sprintf("%d-%d", i, j))
			if err := os.Mkdir(sub, 0o700); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { found[i][j] = r.try(ctx, cell{w, name, length, sub, turns}, read, clips) })
		}
	}
	wg.Wait()
	said := make([][10]string, len(matrix))
	for i, r := range matrix {
		video, audio := r.streams()
		said[i] = found[tried[video+audio]]
		r.compare(t, i, &said[i])
	}
	if !t.Failed() {
		checkPage(t, said)
	}
}

// streams are the video and the audio of a row's stream.
func (r row) streams() (video, audio string) {
	if encoders[r.codec][0] == "-c:v" {
		return r.codec, r.partner
	}
	return r.partner, r.codec
}

func makeClips(t *testing.T, dir string, length time.Duration) map[string]*clip {
	t.Helper()
	pattern := patternFile(t, dir, length)
	clips := map[string]*clip{}
	for name := range encoders {
		clips[name] = makeClip(t, dir, pattern, name, length)
	}
	return clips
}

// try reads a cell and puts it in words. A stream that plays says of each of its two codecs whether it was converted.
func (r row) try(ctx context.Context, c cell, read func(context.Context, cell) (*reading, error), clips map[string]*clip) string {
	video, audio := r.streams()
	got, err := read(ctx, c)
	switch {
	case err != nil:
		return "broken: " + err.Error()
	case got == nil:
		return "broken: no reading"
	case got.code != "" && len(strings.Fields(got.sentence)) < 5:
		return "broken: refused without a sentence: " + got.code
	case got.code != "":
		return "refused: " + got.code
	}
	pieces := map[string]time.Duration{ffmpegNames[audio]: clips[audio].every(), "opus": 20 * time.Millisecond}
	if _, ok := pieces["aac"]; !ok {
		pieces["aac"] = 1024 * time.Second / 48000
	}
	if why := got.judge(ffmpegNames[video], ffmpegNames[audio], pieces, c.length); why != "" {
		return "broken: " + why
	}
	return got.video + " " + got.audio
}

// compare turns what the stream gave into what it says of the row's codec, and holds it to the expectation.
func (r row) compare(t *testing.T, i int, got *[10]string) {
	t.Helper()
	for j, expected := range r.cells {
		if v, a, ok := strings.Cut(got[j], " "); ok && !strings.Contains(v, ":") {
			got[j] = converted
			if name := ffmpegNames[r.codec]; v == name || a == name {
				got[j] = plays
			}
		}
		if got[j] != expected {
			t.Errorf("%s over %s (m/%d): %s; expected: %s", r.codec, outputs[j], i, got[j], expected)
		}
	}
}

const page = "../../docs/ref/matrix.md"

// checkPage holds the page to this run, or writes it.
func checkPage(t *testing.T, found [][10]string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Codecs and outputs\n\n" +
		"This page is written by `go test ./test/e2e -run TestShow_2_2 -update` and fails the test run when it differs from what was seen.\n" +
		"FFmpeg and gortmplib publish over RTMP; FFmpeg, gortmplib and pion read, with the codecs that Chromium on Debian offers over WebRTC.\n" +
		"*plays*: as published, every picture once and in order; *converted*: audio made into AAC or Opus; *refused*: with this code and a sentence.\n\n")
	fmt.Fprintf(&b, "| published | %s |\n|---|%s\n", strings.Join(outputs, " | "), strings.Repeat("---|", len(outputs)))
	for i, r := range matrix {
		fmt.Fprintf(&b, "| %s", r.codec)
		for _, c := range found[i] {
			if code, ok := strings.CutPrefix(c, "refused: "); ok {
				c = "refused: `" + code + "`"
			}
			fmt.Fprintf(&b, " | %s", c)
		}
		b.WriteString(" |\n")
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s differs from this run: go test ./test/e2e -run TestShow_2_2_Matrix$ -update\n%s", page, b.String())
	}
}
