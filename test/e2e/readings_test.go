package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"weir/internal/testpattern"
)

// reading is what one cell of the matrix came to, from an outside decoder.
type reading struct {
	video, audio string // codecs by FFmpeg's names
	pictures     testpattern.Report
	dts          []time.Duration // of the video packets
	sound        []time.Duration // of the audio packets
	code         string          // of a refusal
	sentence     string
}

func refusal(code, sentence string) *reading { return &reading{code: code, sentence: sentence} }

// asked asks an HTTP address whether it refuses, as a player sees it.
func asked(address string) (*reading, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 300 {
		return nil, nil
	}
	return problemOf(resp)
}

func problemOf(resp *http.Response) (*reading, error) {
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var p struct{ Code, Detail, Remedy string }
	if err := json.Unmarshal(b, &p); err != nil || p.Code == "" {
		return nil, fmt.Errorf("%s %.300s", resp.Status, b)
	}
	return refusal(p.Code, p.Detail+" "+p.Remedy), nil
}

// decode has FFmpeg demux and decode one or two inputs: pictures to the judge, packets of both kinds with their times to a list.
func decode(ctx context.Context, dir string, inputs ...string) (*reading, string, error) {
	list := filepath.Join(dir, "packets")
	args := append([]string{"-nostdin", "-hide_banner", "-loglevel", "error", "-y"}, inputs...)
	args = append(args, "-map", "v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1")
	args = append(args, "-map", "v:0", "-map", "a:0?", "-c", "copy", "-f", "framemd5", list)
	return decodeWith(ctx, list, args)
}

func decodeWith(ctx context.Context, list string, args []string) (*reading, string, error) {
	cmd := exec.CommandContext(ctx, "ffmpeg", inputMaps(args)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	r := &reading{}
	r.pictures, err = testpattern.JudgeVideo(bufio.NewReader(out), clipWidth, clipHeight, time.Now)
	if waited := cmd.Wait(); waited != nil {
		return nil, complaint.String(), fmt.Errorf("ffmpeg: %w\n%.2000s", waited, complaint.String())
	}
	if err == nil {
		err = r.packets(list)
	}
	return r, complaint.String(), err
}

// inputMaps turns "v:0" and "a:0?" into maps of the input that has the kind: the first, or the last of several.
func inputMaps(args []string) []string {
	last := -1
	for _, a := range args {
		if a == "-i" {
			last++
		}
	}
	out := make([]string, len(args))
	for i, a := range args {
		switch a {
		case "v:0":
			a = "0:v:0"
		case "a:0?":
			a = strconv.Itoa(last) + ":a:0?"
		}
		out[i] = a
	}
	return out
}

// packets reads FFmpeg's framemd5 list: "stream, dts, pts, duration, size, hash", with the time bases and codecs above.
func (r *reading) packets(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	base := map[string]float64{}
	kind := map[string]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "#"); ok {
			name, value, _ := strings.Cut(rest, ": ")
			key, id, _ := strings.Cut(name, " ")
			switch key {
			case "tb":
				n, d, _ := strings.Cut(value, "/")
				num, _ := strconv.ParseFloat(n, 64)
				den, _ := strconv.ParseFloat(d, 64)
				base[id] = num / den
			case "media_type":
				kind[id] = value
			case "codec_id":
				r.name(kind[id], value)
			}
			continue
		}
		f := strings.Split(line, ",")
		if len(f) < 6 {
			continue
		}
		dts, err := strconv.ParseFloat(strings.TrimSpace(f[1]), 64)
		if err != nil {
			return fmt.Errorf("packet list: %q", line)
		}
		at := time.Duration(dts * base[f[0]] * float64(time.Second))
		if kind[f[0]] == "video" {
			r.dts = append(r.dts, at)
		} else {
			r.sound = append(r.sound, at)
		}
	}
	return nil
}

func (r *reading) name(kind, codec string) {
	if kind == "video" {
		r.video = codec
	} else {
		r.audio = codec
	}
}

// judge says what is wrong with a reading, "" when it is complete: every counter once and in order, DTS strictly
// increasing, no piece of sound missing or double, for at least the given length.
func (r *reading) judge(video, published string, audio map[string]time.Duration, length time.Duration) string {
	p := r.pictures
	switch {
	case p.Unreadable > 0 || p.Missing > 0 || p.Duplicates > 0 || p.OutOfOrder > 0:
		return fmt.Sprintf("pictures %+v", p)
	case p.Frames < int(length.Seconds()*clipFPS*9/10):
		return fmt.Sprintf("%d pictures in %v", p.Frames, length)
	case r.video != video:
		return "video is " + r.video
	}
	for i := 1; i < len(r.dts); i++ {
		if r.dts[i] <= r.dts[i-1] {
			return fmt.Sprintf("DTS %v follows %v", r.dts[i], r.dts[i-1])
		}
	}
	every, ok := audio[r.audio]
	if !ok {
		return "audio is " + r.audio
	}
	share := 8 // of 10
	if r.audio != published {
		share = 5 // a conversion begins when its first viewer comes
	}
	if most := int(length / every); len(r.sound) < most*share/10 {
		return fmt.Sprintf("%d pieces of sound in %v", len(r.sound), length)
	}
	for i := 1; i < len(r.sound); i++ {
		// Containers in milliseconds round, and the last piece of a run may be short.
		if d := r.sound[i] - r.sound[i-1]; d < every/2 || d > every*3/2 {
			return fmt.Sprintf("sound at %v follows %v; it comes every %v", r.sound[i], r.sound[i-1], every)
		}
	}
	return ""
}
