package webrtc

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"weir/internal/hub"
	"weir/internal/media"
)

// TestLoad measures what viewers cost: WEIR_LOAD=100 go test -run TestLoad. The viewers, pion all of them, are another
// process, so that the figures are the gateway's alone.
func TestLoad(t *testing.T) {
	if url := os.Getenv("WEIR_LOAD_URL"); url != "" {
		loadViewers(t, url)
		return
	}
	viewers, err := strconv.Atoi(os.Getenv("WEIR_LOAD"))
	if err != nil {
		t.Skip("WEIR_LOAD is not set")
	}
	w := newWorld(t, Config{PerAddress: 10_000})
	track, frames := x264(t, "-bf", "0", "-b:v", "2500k", "-nal-hrd", "cbr", "-minrate", "2500k", "-maxrate", "2500k", "-bufsize", "1000k", "-x264-params", "sliced-threads=0")
	pub, err := w.hub.Publish(hub.Offer{Name: "live/show", Tracks: []media.Track{track, opusTrack2(track.ID + 1)}})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.End(nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); loop(ctx, pub, track, frames) }()
	defer func() { cancel(); <-done }()
	before := heap()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestLoad$", "-test.v")
	cmd.Env = append(os.Environ(), "WEIR_LOAD_URL="+w.http.URL, "WEIR_LOAD_N="+strconv.Itoa(viewers))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var begun counted
	for lines.Scan() {
		switch line := strings.TrimSpace(lines.Text()); {
		case line == "ready":
			t.Logf("memory per viewer: %d KiB, goroutines %d", (heap()-before)/1024/uint64(viewers), runtime.NumGoroutine())
			begun = w.counted()
		case line == "done":
			end := w.counted()
			gbit := float64(end.bytes-begun.bytes) * 8 / 1e9
			t.Logf("%d viewers, %.1f Mbit/s each: %.3f CPU-s/Gbit, dropped %d, sent again %d", viewers,
				gbit*1000/end.at.Sub(begun.at).Seconds()/float64(viewers), (end.cpu-begun.cpu).Seconds()/gbit, w.gw.Stats().SendDropped, w.gw.Stats().Resent)
		default:
			t.Log(line)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func opusTrack2(id media.TrackID) media.Track {
	t := opusTrack()
	t.ID = id
	return t
}

type counted struct {
	at    time.Time
	cpu   time.Duration
	bytes uint64
}

func (w *world) counted() counted {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return counted{time.Now(), time.Duration(u.Utime.Nano() + u.Stime.Nano()), w.gw.Stats().BytesOut}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// loop publishes the frames at 30 a second, with sound.
func loop(ctx context.Context, pub *hub.Publication, track media.Track, frames []media.Frame) {
	tick := time.NewTicker(time.Second / 30)
	defer tick.Stop()
	sounds := 0
	for i := 0; ; i++ {
		f := frames[i%len(frames)]
		f.DTS = int64(i) * int64(track.TimeScale) / 30
		f.PTS = f.DTS
		if pub.Write(f) != nil {
			return
		}
		for ; sounds*20 <= i*1000/30; sounds++ {
			at := int64(sounds) * 960
			_ = pub.Write(media.Frame{Track: track.ID + 1, Key: true, DTS: at, PTS: at, Data: append(opusPacket(sounds), make([]byte, 300)...)})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// loadViewers is the other process.
func loadViewers(t *testing.T, url string) {
	n, _ := strconv.Atoi(os.Getenv("WEIR_LOAD_N"))
	api := peerAPI(t)
	packets := make(chan int, n*4)
	stop := make(chan struct{})
	for range n {
		w := &world{t: t, base: url}
		pc, err := api.NewPeerConnection(webrtc.Configuration{})
		if err != nil {
			t.Fatal(err)
		}
		closing(t, pc)
		for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
			if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
				t.Fatal(err)
			}
		}
		pc.OnTrack(func(tr *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
			buf := make([]byte, 1500)
			count := 0
			for {
				if _, _, err := tr.Read(buf); err != nil {
					return
				}
				count++
				select {
				case <-stop:
					packets <- count
					return
				default:
				}
			}
		})
		w.connect(pc, "/live/show/whep")
	}
	fmt.Println("ready")
	<-time.After(8 * time.Second)
	fmt.Println("done")
	close(stop)
	total := 0
	for range 2 * n {
		select {
		case c := <-packets:
			total += c
		case <-time.After(2 * time.Second):
			t.Errorf("a track gave nothing")
		}
	}
	t.Logf("%d packets received", total)
}
