package session

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/control/access"
	"weir/internal/faketime"
	"weir/internal/fault"
)

func TestLimits(t *testing.T) {
	d := door(t, Config{Limits: Limits{Publishers: 1, Viewers: 4, ViewersPerStream: 3, ViewersPerAddress: 2}})
	mustOpen(t, d, request(Publish, "live/a", far))
	refused(t, d, request(Publish, "live/b", far), "too_many_publishers")
	mustOpen(t, d, request(Publish, "live/a", far)) // may take over
	mustOpen(t, d, request(Play, "live/a", "198.51.100.1:1"))
	mustOpen(t, d, request(Play, "live/a", "198.51.100.1:2"))
	refused(t, d, request(Play, "live/b", "198.51.100.1:3"), "too_many_viewers")
	s := mustOpen(t, d, request(Play, "live/a", "[2001:db8::1]:1"))
	refused(t, d, request(Play, "live/a", "198.51.100.2:1"), "too_many_viewers")
	mustOpen(t, d, request(Play, "live/b", "[2001:db8::2]:1"))
	refused(t, d, request(Play, "live/c", "198.51.100.2:1"), "too_many_viewers")
	push := request(Play, "live/a", "198.51.100.2:1")
	push.Internal = true
	mustOpen(t, d, push) // the server's own readers take no place
	s.Close(nil)
	r := request(Play, "live/a", "198.51.100.2:1")
	r.Protocol = "whep"
	mustOpen(t, d, r)
	total, by := d.Viewers("live/a")
	if total != 3 || by["rtmp"] != 2 || by["whep"] != 1 {
		t.Errorf("%d viewers, %v", total, by)
	}
	if n, _ := d.Viewers("live/none"); n != 0 {
		t.Error("viewers of nothing")
	}
	d.SetConfig(Config{})
	mustOpen(t, d, request(Publish, "live/b", far))
	if st := d.Stats(); st.Publishers != 3 || st.Viewers != 4 || st.Streams != 2 || st.Refused["too_many_viewers"] != 3 {
		t.Errorf("stats %+v", st)
	}
}

func TestLimitsHoldUnderRace(t *testing.T) {
	d := door(t, Config{Limits: Limits{Viewers: 10}})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { _, _ = d.Open(t.Context(), request(Play, "live/a", fmt.Sprintf("198.51.100.%d:1", i))) })
	}
	wg.Wait()
	if st := d.Stats(); st.Viewers != 10 || st.Refused["too_many_viewers"] != 40 {
		t.Errorf("stats %+v", st)
	}
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Rates: Rates{Publish: access.Rate{PerSecond: 1, Burst: 3}, Connect: access.Rate{PerSecond: 1, Burst: 2}}}, discard)
		defer d.Close()
		for range 3 {
			mustOpen(t, d, request(Publish, "live/a", "[2001:db8::1]:1")).Close(nil)
		}
		f := refused(t, d, request(Publish, "live/a", "[2001:db8::2]:1"), "rate_limited")
		if f.Remedy != "Try again in 2 seconds." && f.Remedy != "Try again in 1 seconds." {
			t.Errorf("remedy %q", f.Remedy)
		}
		mustOpen(t, d, request(Publish, "live/a", "[2001:db8:0:1::]:1")).Close(nil)
		faketime.Pass(time.Second)
		mustOpen(t, d, request(Publish, "live/a", "[2001:db8::1]:1")).Close(nil)
		for range 50 {
			mustOpen(t, d, request(Publish, "live/a", "127.0.0.1:1")).Close(nil)
		}
		d.SetConfig(Config{Rates: d.rules.Load().Rates, Idle: time.Minute})
		refused(t, d, request(Publish, "live/a", "[2001:db8::1]:1"), "rate_limited") // a reload forgives nothing

		for i, want := range []string{"", "", "rate_limited"} {
			if err := d.Connect(t.Context(), request("", "", far)); fault.Code(err) != want {
				t.Errorf("connection %d: %v", i, err)
			}
		}
		wantCode(t, d.Connect(t.Context(), Request{Internal: true}), "")
	})
}

// Who keeps a wrong key set up blocks nobody else behind the same router, and is let
// in as soon as the key is right.
func TestWrongKeysBlockNobody(t *testing.T) {
	k := keys(t, t.TempDir())
	d := door(t, Config{Keys: k, Rates: Rates{Refused: access.Rate{PerSecond: 0.01, Burst: 5}, Publish: access.Rate{PerSecond: 100, Burst: 100}}})
	_, secret, _ := k.CreateKey(t.Context(), access.NewKey{Pattern: "live/*"})
	r := request(Publish, "live/show", far)
	r.Key = "wk_guess"
	for range 20 {
		refused(t, d, r, "key_wrong")
	}
	mustOpen(t, d, request(Play, "live/show", far)).Close(nil)
	r.Key = secret
	mustOpen(t, d, r).Close(nil)
}

// A flood of names from one address neither fills the list nor pushes others out of it.
func TestFloodOfNames(t *testing.T) {
	d := door(t, Config{Keys: keys(t, t.TempDir()), Rates: Rates{Publish: access.Rate{PerSecond: 0.01, Burst: 3}}})
	for i := range 10 {
		code := "key_missing"
		if i >= 3 {
			code = "rate_limited"
		}
		refused(t, d, request(Publish, fmt.Sprintf("live/x%d", i), far), code)
	}
	if n := len(d.refusals.byName); n != 3 {
		t.Errorf("%d names are kept", n)
	}
}

// A viewer that takes one answer for long asks for nothing meanwhile.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Idle: 2 * time.Second}, discard)
		defer d.Close()
		s, err := d.Touch(t.Context(), request("", "live/show", far), "", 0)
		wantCode(t, err, "")
		one, other := s.Hold(), s.Hold()
		one()
		faketime.Pass(time.Minute)
		wantCode(t, context.Cause(s.Context()), "")
		other()
		faketime.Pass(4 * time.Second)
		wantCode(t, context.Cause(s.Context()), "")
		faketime.Pass(4 * time.Second)
		wantCode(t, context.Cause(s.Context()), "viewer_gone")
	})
}

func TestTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Idle: 2 * time.Second, Limits: Limits{Viewers: 2}}, discard)
		defer d.Close()
		r := request("", "live/show", far)
		r.Protocol = "hls"
		ctx, cancel := context.WithCancel(t.Context())
		s, err := d.Touch(ctx, r, "", 1000)
		cancel()
		wantCode(t, err, "")
		for range 10 { // longer than the session would live untouched
			faketime.Pass(3 * time.Second)
			again, err := d.Touch(t.Context(), r, s.ID(), 1000)
			if err != nil || again != s {
				t.Fatalf("%v, %v", again, err)
			}
		}
		if i := s.info(); i.BytesOut != 11000 || i.Action != Play || i.Protocol != "hls" {
			t.Errorf("%+v", i)
		}
		other := r
		other.Name = "live/other"
		s2, err := d.Touch(t.Context(), other, s.ID(), 0) // another stream is another session
		if err != nil || s2 == s {
			t.Fatal(err)
		}
		_, err = d.Touch(t.Context(), r, "", 0)
		wantCode(t, err, "too_many_viewers")

		faketime.Pass(8 * time.Second)
		wantCode(t, context.Cause(s.Context()), "viewer_gone")
		if n := d.Stats().Viewers; n != 0 {
			t.Errorf("%d viewers", n)
		}
		s3, err := d.Touch(t.Context(), r, s.ID(), 0) // comes back
		if err != nil || s3 == s {
			t.Fatal(err)
		}
		d.Kick(s3.ID(), nil)
		_, err = d.Touch(t.Context(), r, s3.ID(), 0)
		wantCode(t, err, "kicked")
		connected := mustOpen(t, d, request(Play, "live/show", far))
		_, err = d.Touch(t.Context(), r, connected.ID(), 0) // nobody rides on a session with a connection
		wantCode(t, err, "")
		if i := connected.info(); i.BytesOut != 0 {
			t.Errorf("%+v", i)
		}
		for i := range maxKicked + 5 {
			d.banLocked(fmt.Sprint(i), err)
		}
		if len(d.kicked) > maxKicked {
			t.Errorf("%d kicked", len(d.kicked))
		}
	})
}

func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Limits: Limits{OutBPS: 8000, InBPSPerStream: 80_000}}, discard)
		defer d.Close()
		p := mustOpen(t, d, request(Publish, "live/a", far))
		v := mustOpen(t, d, request(Play, "live/a", far))
		second := func(in, out int) {
			p.In(in)
			v.Out(out)
			faketime.Pass(time.Second)
		}
		second(1000, 500)
		if s := d.Stats(); s.InBPS != 8000 || s.OutBPS != 4000 {
			t.Fatalf("%d in, %d out", s.InBPS, s.OutBPS)
		}
		mustOpen(t, d, request(Play, "live/a", far)).Close(nil)
		second(1000, 1000)
		refused(t, d, request(Play, "live/a", far), "bandwidth_full")
		second(1000, 10)
		mustOpen(t, d, request(Play, "live/a", far)).Close(nil)
		if i := p.info(); i.InBPS != 8000 {
			t.Errorf("publisher at %d", i.InBPS)
		}

		for range overPatient - 1 { // a burst is no reason
			second(20_000, 0)
		}
		second(1000, 0)
		for range overPatient {
			wantCode(t, context.Cause(p.Context()), "")
			second(20_000, 0)
		}
		wantCode(t, context.Cause(p.Context()), "bitrate_too_high")
		before := d.Stats().BytesOut
		v.Out(300)
		v.Close(nil)
		faketime.Pass(time.Second)
		if s := d.Stats(); s.BytesOut != before+300 || s.InBPS != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// The tick reads all counters while Open and Close wait: it must be short.
func BenchmarkMeasure10000(b *testing.B) {
	d := New(Config{}, discard)
	defer d.Close()
	for range 10_000 {
		if _, err := d.Open(context.Background(), request(Play, "live/show", "127.0.0.1:1")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		d.measure(d.rules.Load(), time.Now())
	}
}
