package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// jointFPS and a group of a second: what is sent in whole seconds begins with a key frame.
const jointFPS = 25

// jointFeed is one publisher whose counters go on over connections, clocks and resolutions.
type jointFeed struct {
	t         *testing.T
	w         *weir
	name, key string
	options   testpattern.Options
	feed      *feed // the present connection
	source    *testpattern.Source
	sections  []section
}

// section is what was sent between two joints.
type section struct {
	what        string
	first, last int // counters
}

func newJointFeed(t *testing.T, w *weir, name string) *jointFeed {
	t.Helper()
	j := &jointFeed{t: t, w: w, name: name, key: w.key("joints/*"),
		options: testpattern.Options{Width: 320, Height: 180, FPS: jointFPS, GOP: time.Second, Audio: true}}
	var err error
	if j.source, err = testpattern.New(j.options); err != nil {
		t.Fatal(err)
	}
	return j
}

// connect begins a publication.
func (j *jointFeed) connect() {
	j.t.Helper()
	j.feed = j.w.feed(j.t, j.name, j.key, j.options)
	j.feed.source, j.feed.begun = j.source, time.Now().Add(-j.source.Due())
}

// drop cuts the connection after what was sent has arrived, and waits.
func (j *jointFeed) drop(away time.Duration) {
	j.t.Helper()
	pause(j.t, 150*time.Millisecond)
	_ = j.feed.c.conn.Close()
	pause(j.t, away)
}

// send sends whole seconds with the time stamps that stamp makes of the ms since the section began.
func (j *jointFeed) send(what string, length time.Duration, stamp func(ms int64) uint32) {
	j.t.Helper()
	from := j.source.Due().Round(time.Second)
	first := int(from.Seconds()) * jointFPS
	if j.feed.sent == 0 {
		j.feed.headers(j.t, stamp(0))
		j.feed.sent = 1 // they are not sent again
	}
	j.feed.run(j.t, from+length, func(ms int64) uint32 { return stamp(ms - from.Milliseconds()) })
	j.sections = append(j.sections, section{what, first, first + int(length.Seconds()*jointFPS) - 1})
}

// resized is a source of another resolution whose counters go on in a while.
func (j *jointFeed) resized(width, height int, in time.Duration) *testpattern.Source {
	j.t.Helper()
	o := j.options
	o.Width, o.Height = width, height
	source, err := testpattern.New(o)
	if err != nil {
		j.t.Fatal(err)
	}
	for at := j.source.Due() + in; source.Due() < at; {
		source.Next(time.Now()) // what is sent in the other size
	}
	return source
}

// resize goes on with another source within the connection.
func (j *jointFeed) resize(width, height int, source *testpattern.Source) {
	j.t.Helper()
	begun := j.feed.begun
	j.options.Width, j.options.Height = width, height
	j.feed.begin(j.t, j.options)
	j.source, j.feed.source, j.feed.begun, j.feed.sent = source, source, begun, 0
}

func from(start int64) func(ms int64) uint32 {
	return func(ms int64) uint32 { return uint32(start + ms) }
}

// keptLine is a timeline as the API tells it.
type keptLine struct {
	From  time.Time
	To    time.Time
	Spans []keptSpan
	Gaps  []struct {
		From, To time.Time
		Cause    string
	}
}

type keptSpan struct {
	From, To time.Time
	Run      uint64
	End      string
}

func (k keptLine) String() string {
	var b strings.Builder
	for _, s := range k.Spans {
		fmt.Fprintf(&b, "\n  %s … %s run %d, ended for %q", s.From.Format("15:04:05.000"), s.To.Format("15:04:05.000"), s.Run%1e6, s.End)
	}
	for _, g := range k.Gaps {
		fmt.Fprintf(&b, "\n  gap %s … %s for %q", g.From.Format("15:04:05.000"), g.To.Format("15:04:05.000"), g.Cause)
	}
	return b.String()
}

func (j *jointFeed) kept() (k keptLine) {
	j.t.Helper()
	j.w.api(http.MethodGet, "/timelines/"+url.PathEscape(j.name), nil, &k)
	return k
}

// settled waits until all that was sent is in the timeline, which has stopped growing, and gives it.
func (j *jointFeed) settled() keptLine {
	j.t.Helper()
	var k keptLine
	eventually(j.t, 20*time.Second, "the timeline to be whole", func() error {
		k = j.kept()
		if n := len(k.Spans); n == 0 || slices.ContainsFunc(k.Spans, func(s keptSpan) bool { return s.End == "" }) {
			return fmt.Errorf("%d spans: %v", n, k)
		}
		if left := time.Until(k.To.Add(time.Second)); left > 0 {
			return fmt.Errorf("its range is over in %v", left)
		}
		return nil
	})
	return k
}

// whole is the query of the whole timeline.
func (k keptLine) whole() string {
	return fmt.Sprintf("?from=%d&to=%d", k.From.Unix()-1, k.To.Unix()+1)
}

// counters holds what was read of an output against what was sent.
func (j *jointFeed) counters(what string, got testpattern.Report) {
	j.t.Helper()
	last := j.sections[len(j.sections)-1].last
	if got.Missing+got.Duplicates+got.OutOfOrder+got.Unreadable > 0 || got.First != 0 || int(got.Last) != last {
		j.t.Errorf("%s: %+v, sent 0 to %d", what, got, last)
	}
}

// readSegments adds the marks of segments to a tally.
func (j *jointFeed) readSegments(tally *testpattern.Tally, init string, names []string) {
	j.t.Helper()
	h, err := cmaf.ParseInit(mustGet(j.t, j.w.beside(j.name, init)))
	if err != nil {
		j.t.Fatal(err)
	}
	for _, name := range names {
		frames, err := h.Frames(nil, mustGet(j.t, j.w.beside(j.name, name)))
		if err != nil {
			j.t.Fatal(name, err)
		}
		for i := range frames {
			if mark, ok := testpattern.ReadSEI(frames[i].Data, media.H264); ok {
				tally.Add(mark, time.Now())
			} else {
				tally.AddUnreadable()
			}
		}
	}
}

// judge holds all of it against what was sent, and has players go over each joint.
func (j *jointFeed) judge(k keptLine) {
	j.t.Helper()
	j.t.Log(k)
	players := j.playing(overJoints, k.whole(), 2, j.source.Due()+time.Minute)
	j.judgeOutputs(k.whole())
	j.judgeSync(k)
	j.judgePlayers(players, 0, true)
}

// judgeOutputs: every counter is exactly once in HLS, DASH and the MP4.
func (j *jointFeed) judgeOutputs(query string) {
	j.t.Helper()
	var hls, dash testpattern.Tally
	l := parseMedia(j.t, mustGet(j.t, j.w.beside(j.name, "v0.m3u8"+query)))
	if !l.ended {
		j.t.Error("the playlist of a closed range has no end")
	}
	for _, s := range l.segments {
		if !s.gap { // what is missing is told by the counters
			j.readSegments(&hls, s.init, []string{s.uri})
		}
	}
	j.counters("HLS", hls.Report())
	for _, p := range readMPD(j.t, j.w.beside(j.name, "index.mpd"+query)).Periods {
		for _, set := range p.Sets {
			if l := set.list(); set.Kind == "video" {
				j.readSegments(&dash, l.init, l.segments)
			}
		}
	}
	j.counters("DASH", dash.Report())
	clip := filepath.Join(j.t.TempDir(), "clip.mp4")
	if err := os.WriteFile(clip, mustGet(j.t, j.w.beside(j.name, "clip.mp4"+query)), 0o600); err != nil {
		j.t.Fatal(err)
	}
	j.counters("clip.mp4", j.decodeCropped(clip))
	// FFmpeg's HLS reader does not follow another EXT-X-MAP; a transport stream has the new parameters within.
	j.counters("HLS in MPEG-TS", j.decodeCropped(j.w.beside(j.name, "index.m3u8"+query+"&form=ts")))
}

// decodeCropped has ffmpeg decode an address. The marks are in the upper left of a picture of any size.
func (j *jointFeed) decodeCropped(address string) testpattern.Report {
	j.t.Helper()
	cmd := exec.CommandContext(j.t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-i", address, "-map", "0:v:0",
		"-vf", "crop=320:180:0:0", "-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f", "rawvideo", "-pix_fmt", "gray", "-")
	out, err := cmd.StdoutPipe()
	if err != nil {
		j.t.Fatal(err)
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		j.t.Fatal(err)
	}
	r, err := testpattern.JudgeVideo(out, 320, 180, time.Now)
	if waited := cmd.Wait(); err != nil || waited != nil || complaint.Len() > 0 {
		j.t.Errorf("ffmpeg of %s: %v %v\n%.1500s", address, err, waited, &complaint)
	}
	return r
}

// judgeSync measures sound against picture in each run.
func (j *jointFeed) judgeSync(k keptLine) {
	j.t.Helper()
	for i, s := range k.Spans {
		if s.To.Sub(s.From) < 2500*time.Millisecond {
			continue // too short for two flashes
		}
		query := fmt.Sprintf("?from=%.3f&to=%.3f", float64(s.From.UnixMilli()+20)/1000, float64(s.To.UnixMilli()-20)/1000)
		offset, pairs, err := j.offsetOf(j.w.beside(j.name, "index.m3u8"+query))
		j.t.Logf("run %d: sound late by %v over %d seconds", i, offset, pairs)
		if err != nil || pairs < 1 || offset.Abs() > mostOffset {
			j.t.Errorf("run %d: sound late by %v, %d pairs, %v", i, offset, pairs, err)
		}
	}
}

// offsetOf is the function of that name for pictures of any size, all as large as the first.
func (j *jointFeed) offsetOf(address string) (time.Duration, int, error) {
	dir := j.t.TempDir()
	luma, pcm := filepath.Join(dir, "luma"), filepath.Join(dir, "pcm")
	out, err := exec.CommandContext(j.t.Context(), "ffmpeg", "-nostdin", "-loglevel", "error", "-i", address,
		"-map", "0:v:0", "-vf", "scale=320:180,fps=25:start_time=0", "-f", "rawvideo", "-pix_fmt", "gray", luma,
		"-map", "0:a:0", "-af", "aresample=async=1:first_pts=0", "-ar", "48000", "-ac", "2", "-f", "s16le", pcm).CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %.500s", err, out)
	}
	picture, err := os.ReadFile(luma)
	if err != nil {
		return 0, 0, err
	}
	sound, err := os.ReadFile(pcm)
	if err != nil {
		return 0, 0, err
	}
	flashes, err := testpattern.Flashes(bytes.NewReader(picture), 320, 180, jointFPS)
	if err != nil {
		return 0, 0, err
	}
	beeps, err := testpattern.Beeps(bytes.NewReader(sound), 48000, 2)
	if err != nil {
		return 0, 0, err
	}
	s, err := testpattern.JudgeSync(flashes, beeps)
	return s.Offset, s.Pairs, err
}

// overJoints are the players that must go over each joint.
var overJoints = [][2]string{{"hls.js", "index.m3u8"}, {"shaka", "index.m3u8"}, {"shaka", "index.mpd"}, {"dash.js", "index.mpd"}}

// playing has the players play the stream's addresses, for so long at most.
func (j *jointFeed) playing(players [][2]string, query string, rate float64, limit time.Duration) *process {
	j.t.Helper()
	need(j.t, "node", "chromium")
	var jobs []map[string]any
	for _, p := range players {
		jobs = append(jobs, map[string]any{"engine": p[0], "url": j.w.beside(j.name, p[1]+query), "low": false})
	}
	job, err := json.Marshal(map[string]any{"rate": rate, "limit": limit.Seconds(), "jobs": jobs})
	if err != nil {
		j.t.Fatal(err)
	}
	return spawn(j.t, "node", "judge/joints.mjs", string(job))
}

// played waits for the players.
func (j *jointFeed) played(p *process) (list []overJoint) {
	j.t.Helper()
	<-p.done
	if err := json.Unmarshal([]byte(p.out.String()), &list); err != nil || p.err != nil {
		j.t.Fatalf("judge printed %.2000q: %v %v", p.out, err, p.err)
	}
	return list
}

// judgePlayers waits for the players: each shows pictures of every section from a first one on, and the end if there is one.
func (j *jointFeed) judgePlayers(p *process, first int, toEnd bool) {
	j.t.Helper()
	for _, p := range j.played(p) {
		j.judgePlayer(p, first, toEnd)
	}
}

// overJoint is what joints.mjs saw of one player.
type overJoint struct {
	Engine   string       `json:"engine"`
	URL      string       `json:"url"`
	Errors   []string     `json:"errors"`
	Ended    bool         `json:"ended"`
	At       float64      `json:"at"`
	Duration float64      `json:"duration"`
	Buffered [][2]float64 `json:"buffered"`
	Counters []int        `json:"counters"`
	Events   [][]any      `json:"events"`
}

func (j *jointFeed) judgePlayer(p overJoint, first int, toEnd bool) {
	j.t.Helper()
	seen := map[int]bool{}
	for _, c := range p.Counters {
		seen[c] = true
	}
	path, _, _ := strings.Cut(filepath.Base(p.URL), "?")
	who := p.Engine + " " + path
	var shares []string
	sections := j.sections[first:]
	if !toEnd {
		sections = sections[:len(sections)-1] // the limit falls in it
	}
	for _, s := range sections {
		n := 0
		for c := s.first; c <= s.last; c++ {
			if seen[c] {
				n++
			}
		}
		share := float64(n) / float64(s.last-s.first+1)
		shares = append(shares, fmt.Sprintf("%s %.2f", s.what, share))
		if share < 0.4 { // at twice the speed on a busy machine not every picture is shown
			j.t.Errorf("%s: %d of %d pictures of %q; events %v", who, n, s.last-s.first+1, s.what, p.Events)
		}
	}
	j.t.Logf("%s: at %.1f of %.1f s, %d of %d pictures; %s", who, p.At, p.Duration, len(seen), j.sections[len(j.sections)-1].last+1, strings.Join(shares, ", "))
	// A player that believes a list to be shorter than it is leaves out its last segment, of a second at least.
	if last := j.sections[len(j.sections)-1].last; toEnd && len(p.Counters) > 0 && slices.Max(p.Counters) < last-jointFPS/2 {
		j.t.Errorf("%s: the last picture shown is %d of %d", who, slices.Max(p.Counters), last)
	}
	// dash.js may seek to the last millisecond again and again.
	if ended := p.Ended || p.Duration > 0 && p.Duration-p.At < 0.1; len(p.Errors) > 0 || ended != toEnd {
		j.t.Errorf("%s: errors %v, ended %t, buffered %v; events %v", who, p.Errors, p.Ended, p.Buffered, p.Events)
	}
}
