package health

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

// stage is a monitor with one watched stream, on fake time.
type stage struct {
	*testing.T
	hub  *hub.Hub
	mon  *Monitor
	pub  *hub.Publication
	n    int64
	done chan error

	keyless bool
}

func onStage(t *testing.T, cfg Config, f func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, hub: hub.New(hub.Config{}, quiet), done: make(chan error, 1)}
		s.mon = New(cfg, s.hub, quiet)
		s.publish(1280)
		go func() { s.done <- s.mon.Run(t.Context(), s.pub.Stream()) }()
		f(s)
		s.hub.Close()
		if err := <-s.done; err != nil {
			t.Error("Run:", err)
		}
		if _, ok := s.mon.Report("live/x"); ok || s.mon.Stats().Watched != 0 {
			t.Error("still watched after the end")
		}
	})
}

func (s *stage) publish(width int) {
	s.Helper()
	var err error
	s.pub, err = s.hub.Publish(hub.Offer{Name: "live/x", TakeOver: true, Origin: hub.Origin{Session: time.Now().String()}, Tracks: []media.Track{
		{ID: 0, Kind: media.Video, Codec: media.VP9, TimeScale: 90000, Width: width, Height: 720},
		{ID: 1, Kind: media.Audio, Codec: media.Opus, TimeScale: 48000, SampleRate: 48000},
	}})
	if err != nil {
		s.Fatal(err)
	}
}

// send publishes 25 pictures a second with 20 ms packets of sound, in time.
func (s *stage) send(seconds int) {
	s.Helper()
	for range 25 * seconds {
		v := media.Frame{Track: 0, Key: s.n%50 == 0 && !s.keyless, DTS: s.n * 3600, PTS: s.n * 3600, Data: make([]byte, 1000)}
		err := s.pub.Write(v)
		for i := range int64(2) {
			at := (2*s.n + i) * 960
			if err == nil {
				err = s.pub.Write(media.Frame{Track: 1, Key: true, DTS: at, PTS: at, Data: []byte{0xfc, 1, 2, 3}})
			}
		}
		if err != nil {
			s.Fatal(err)
		}
		s.n++
		faketime.Pass(40 * time.Millisecond)
	}
	synctest.Wait()
}

func (s *stage) codes() (out []string) {
	for _, e := range s.mon.Events("live/x") {
		out = append(out, e.Code)
	}
	return out
}

func (s *stage) report() Report {
	s.Helper()
	r, ok := s.mon.Report("live/x")
	if !ok {
		s.Fatal("not watched")
	}
	return r
}

func TestFiguresAndHistory(t *testing.T) {
	onStage(t, Config{Viewers: func(string) int { return 7 }}, func(s *stage) {
		s.send(20)
		r := s.report()
		v, a := r.Tracks[0], r.Tracks[1]
		if v.FPS < 24.9 || v.FPS > 25.1 || v.BitrateBPS != 200_000 || v.GOPSeconds != 2 || v.MaxGOPSeconds != 2 || v.BFrames || v.Gaps != 0 {
			t.Errorf("video %+v", v)
		}
		if a.FPS < 49.9 || a.FPS > 50.1 || a.BitrateBPS != 1600 {
			t.Errorf("audio %+v", a)
		}
		list := s.mon.History("live/x")
		if len(list) < 19 || len(list) > 21 {
			t.Fatalf("%d points in 20 s", len(list))
		}
		p := list[len(list)-1]
		if p.Viewers != 7 || p.FPS < 24.9 || p.FPS > 25.1 || p.InBPS < 180_000 || p.InBPS > 220_000 || p.GOPSeconds != 2 {
			t.Errorf("%+v", p)
		}
		if step := p.At.Sub(list[len(list)-2].At); step != time.Second {
			t.Errorf("points are %v apart", step)
		}
		if r.Grade != Good || len(s.codes()) != 0 {
			t.Errorf("%+v, events %v", r, s.codes())
		}
	})
}

func TestEvents(t *testing.T) {
	onStage(t, Config{}, func(s *stage) {
		s.send(6)
		s.pub.Close(nil)
		faketime.Pass(3 * time.Second)
		if r := s.report(); r.Grade != None || len(r.Findings) != 0 {
			t.Errorf("without a publisher: %+v", r)
		}
		s.publish(1280)
		s.send(6)
		s.publish(640) // takes over between two looks
		s.send(6)
		if r := s.report(); r.Grade != Good {
			t.Errorf("%+v", r)
		}
		want := []string{PublisherLeft, PublisherReturned, PublisherLeft, CodecChanged, PublisherReturned}
		got := s.codes()
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		s.n -= 25 * 60
		s.send(3)
		if got := s.codes(); got[len(got)-1] != TimestampsRepaired {
			t.Errorf("%v", got)
		}
		s.n += 25 * 2
		s.send(3)
		if got := s.codes(); got[len(got)-1] != FramesMissing {
			t.Errorf("%v", got)
		}
	})
}

func TestFramesThatAGatewayDropped(t *testing.T) {
	var dropped uint64
	onStage(t, Config{Unusable: func(string) uint64 { dropped += 5; return dropped }}, func(s *stage) {
		s.send(4)
		if r := s.report(); r.Grade != BadGrade || r.Findings[0].Code != "idr_without_sps" {
			t.Errorf("%+v", r)
		}
	})
}

func TestFramesThatTheHubDropped(t *testing.T) {
	onStage(t, Config{}, func(s *stage) {
		s.keyless = true
		s.send(20)
		if r := s.report(); !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == "idr_without_sps" }) {
			t.Errorf("%+v", r)
		}
	})
}

func TestLooksAreRareAndNeverTwoAtOnce(t *testing.T) {
	looks, now := 0, 0
	look := func(ctx context.Context, _ *media.Track, f media.Frame) (Picture, error) {
		if now++; now > 1 || !f.Key || len(f.Data) == 0 {
			t.Error("two at once, or no key frame")
		}
		defer func() { now-- }()
		switch looks++; {
		case looks == 3:
			panic("a bug")
		case looks == 4:
			return Picture{}, fault.New(fault.Unavailable, "no_picture", "", "")
		case looks > 4:
			<-ctx.Done() // hangs until Run stops it
		}
		return Picture{Luma: 16}, nil
	}
	onStage(t, Config{Look: look}, func(s *stage) {
		s.send(9)
		if r := s.report(); looks != 2 || r.Grade != Fair || r.Findings[0].Code != "picture_black" {
			t.Errorf("%d looks, %+v", looks, r)
		}
		s.send(60)
		if looks != 5 {
			t.Errorf("%d looks in a minute, of which one hangs", looks)
		}
	})
}

// A finding needs its time to come and to go, so that it does not flicker.
func TestHysteresis(t *testing.T) {
	r := &rule{up: 2, down: 3}
	var l light
	for i, c := range []struct{ see, show level }{
		{warn, nothing}, {nothing, nothing}, {warn, nothing}, {warn, warn}, {nothing, warn}, {nothing, warn}, {warn, warn},
		{bad, warn}, {warn, warn}, {bad, warn}, {bad, bad}, {warn, bad}, {warn, bad}, {warn, warn}, {nothing, warn}, {nothing, warn}, {nothing, nothing},
	} {
		l.step(epoch.Add(time.Duration(i)*time.Second), sight{level: c.see}, r)
		if l.level != c.show {
			t.Errorf("step %d: shows %v, want %v", i, l.level, c.show)
		}
	}
}

// All clocks differ a little. Over hours that must not sum up to a finding.
func TestClocksMayDiffer(t *testing.T) {
	video := media.Track{ID: 0, Kind: media.Video, Codec: media.VP8, TimeScale: 90000}
	audio := media.Track{ID: 1, Kind: media.Audio, Codec: media.Opus, TimeScale: 48000, SampleRate: 48000}
	for _, skew := range []float64{-1e-4, 1e-4} {
		j := NewJudge()
		start := epoch.Unix()
		for n := range int64(3 * 3600 * 25) {
			arrival := epoch.Add(time.Duration(float64(n*40*int64(time.Millisecond)) * (1 + skew)))
			v := media.Frame{Track: 0, Key: n%50 == 0, DTS: start*90000 + n*3600}
			j.Observe(&v, &video, arrival)
			for i := range int64(2) {
				at := start*48000 + (2*n+i)*960 + int64(skew*float64(n*1920)) // stamped by the clock that the samples do not follow
				a := media.Frame{Track: 1, Key: true, DTS: at, Data: []byte{0xfc, 1, 2, 3}}
				j.Observe(&a, &audio, arrival)
			}
			if n%25 != 24 {
				continue
			}
			j.Tick(arrival, Facts{Live: true})
			if n > 900*25 {
				continue // audio and video have really moved apart by then
			}
			for _, f := range j.Report().Findings {
				if f.Code != "codec_not_everywhere" {
					t.Fatalf("after %v: %+v", arrival.Sub(epoch), f)
				}
			}
		}
		if r := j.Report(); slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == "uplink_too_slow" }) {
			t.Errorf("%+v", r)
		}
	}
}

// TestReplaysAreKnown: at another speed there is no sound and few pictures, which nobody is to blame for.
func TestReplaysAreKnown(t *testing.T) {
	for _, c := range []struct {
		speed float64
		codes string
	}{{0, "frame_rate_low audio_missing codec_not_everywhere"}, {0.5, "codec_not_everywhere replayed_at_speed"}} {
		onStage(t, Config{}, func(s *stage) {
			pub, err := s.hub.Publish(hub.Offer{Name: "live/x", TakeOver: true, Origin: hub.Origin{Speed: c.speed}, Tracks: []media.Track{
				{ID: 0, Kind: media.Video, Codec: media.VP9, TimeScale: 90000, Width: 1280, Height: 720},
			}})
			if err != nil {
				s.Fatal(err)
			}
			for i := range int64(250) {
				if err := pub.Write(media.Frame{Key: i%50 == 0, DTS: i * 7200, PTS: i * 7200, Data: make([]byte, 1000)}); err != nil {
					s.Fatal(err)
				}
				faketime.Pass(80 * time.Millisecond)
			}
			var codes []string
			for _, f := range s.report().Findings {
				codes = append(codes, f.Code)
			}
			if got := strings.Join(codes, " "); got != c.codes {
				s.Errorf("at speed %v: %s", c.speed, got)
			}
			if grade := map[bool]string{true: Good, false: Fair}[c.speed != 0]; s.report().Grade != grade {
				s.Errorf("at speed %v: %s", c.speed, s.report().Grade)
			}
		})
	}
}
