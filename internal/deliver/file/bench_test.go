package file

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"weir/internal/control/session"
	"weir/internal/deliver"
	"weir/internal/media"
	"weir/internal/testpattern"
	"weir/internal/timeline"
)

// depot is a stage whose footage is on disk, as a server has it whose live window is short.
func depot(b *testing.B) *stage {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := timeline.NewStore(timeline.Config{Dir: b.TempDir(), Window: 10 * time.Second, Keep: func(string) timeline.Keep { return timeline.Keep{For: -1} }}, log)
	if err != nil {
		b.Fatal(err)
	}
	s := &stage{t: b, store: store, door: session.New(session.Config{}, log)}
	if s.tl, err = store.Open(stream); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	d := deliver.New(deliver.Config{}, func(context.Context, string) (*timeline.Timeline, error) { return nil, nil }, store, s.door, log)
	s.srv = New(Config{}, store, d, log)
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.srv.ServeClip(w, r, stream, time.Now()) }))
	b.Cleanup(func() {
		s.http.Close()
		s.srv.Close()
		stop()
		<-ended
		store.Close()
		s.door.Close()
	})
	return s
}

// fill records noise of a bit rate: 30 pictures a second with two B-frames between others, and sound.
func (s *stage) fill(length time.Duration, bitrate int) {
	s.t.Helper()
	tracks := shifted(s.source(testpattern.Options{Audio: true}))
	r := s.begin(0, tracks...)
	noise := make([]byte, 4<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	frame := max(bitrate/8/30, 20)
	shift := [...]int64{3000, 9000, 3000, 0}
	base := epoch.Unix()
	sound := int64(0)
	for i := range int64(length / time.Second * 30) {
		size := frame/2 + rnd.IntN(frame)
		if i%60 == 0 {
			size += 5 * frame
		}
		dts := base*90000 + i*3000
		f := media.Frame{Track: 1, Key: i%60 == 0, DTS: dts, PTS: dts + shift[0], Data: noise[rnd.IntN(1<<20):][:size]}
		if i%60 > 0 {
			f.PTS = dts + shift[i%4]
		}
		r.add(f)
		for ; sound*90000 < i*3000*48000/1024; sound++ {
			at := base*48000 + sound*1024
			r.add(media.Frame{Track: 2, Key: true, DTS: at, PTS: at, Data: noise[rnd.IntN(1<<20):][:min(300, frame)+rnd.IntN(60)]})
		}
		if i%3000 == 0 {
			if err := s.store.Flush(); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	r.end()
}

// BenchmarkPrepare measures how long the head of a clip takes and what it holds.
func BenchmarkPrepare(b *testing.B) {
	for _, hours := range []int{1, 10} {
		b.Run(strconv.Itoa(hours)+"h", func(b *testing.B) {
			if hours > 1 && testing.Short() {
				b.Skip("takes a while")
			}
			s := depot(b)
			length := time.Duration(hours) * time.Hour
			s.fill(length, 50_000)
			want := timeline.Range{From: epoch, To: epoch.Add(length)}
			ctx := context.Background()
			for b.Loop() {
				snap, err := s.store.Past(ctx, stream, want)
				if err != nil {
					b.Fatal(err)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				p, read, err := build(ctx, s.store, &ask{name: stream, want: want}, snap, time.Now())
				if err != nil {
					b.Fatal(err)
				}
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(p.memory())/1e6, "MB-held")
				b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/1e6, "MB-allocated")
				b.ReportMetric(float64(read)/1e6, "MB-read")
				b.ReportMetric(float64(p.size())/1e6, "MB-clip")
			}
		})
	}
}

// cpu is the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// drain downloads an address to nowhere with as little work as a client in the same process can do, and gives the bytes.
func drain(b *testing.B, address, path string) int64 {
	b.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.0\r\n\r\n"); err != nil {
		b.Fatal(err)
	}
	rc, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	total := int64(0)
	buf := make([]byte, 1<<20)
	err = rc.Read(func(fd uintptr) bool {
		for {
			// MSG_TRUNC lets the kernel drop what has come, without copying it (tcp(7)).
			n, _, err := syscall.Recvfrom(int(fd), buf, syscall.MSG_TRUNC|syscall.MSG_DONTWAIT)
			switch {
			case err == syscall.EAGAIN:
				return false
			case n <= 0:
				return true
			}
			total += int64(n)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return total
}

// BenchmarkDownload sends a clip, and for comparison the same bytes as a plain file, and says how many Gbit a second of
// processor time moves, with that of the client in it.
func BenchmarkDownload(b *testing.B) {
	for _, mbit := range []int{1, 4, 20} {
		s := depot(b)
		length := time.Duration(1200/mbit) * time.Second // about 150 MB
		s.fill(length, mbit*1_000_000)
		url := s.url(0, length, "")
		path := filepath.Join(b.TempDir(), "clip.mp4")
		if err := os.WriteFile(path, s.do(http.MethodGet, url).body, 0o600); err != nil {
			b.Fatal(err)
		}
		plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }))
		for name, at := range map[string][2]string{
			"clip": {s.http.Listener.Addr().String(), url[len(s.http.URL):]}, "file": {plain.Listener.Addr().String(), "/"},
		} {
			b.Run(strconv.Itoa(mbit)+"Mbit/"+name, func(b *testing.B) {
				total, start := int64(0), cpu(b)
				for b.Loop() {
					total += drain(b, at[0], at[1])
				}
				b.ReportMetric(float64(total)*8/1e9/(cpu(b)-start).Seconds(), "Gbit/cpu-s")
			})
		}
		plain.Close()
		st := s.srv.Stats()
		b.Logf("%d Mbit/s: %.1f %% left by sendfile", mbit, 100*float64(st.FileBytes)/float64(st.FileBytes+st.CopiedBytes))
	}
}
