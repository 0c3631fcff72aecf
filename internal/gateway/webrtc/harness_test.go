package webrtc

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	pion "github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"weir/internal/codec"
	"weir/internal/codec/opus"
	"weir/internal/control/session"
	"weir/internal/format/cmaf"
	"weir/internal/format/rtp"
	"weir/internal/hub"
	"weir/internal/media"
)

func TestMain(m *testing.M) {
	if os.Getenv("WEIR_LOAD_URL") != "" { // the other process of TestLoad
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

// world is a gateway with everything around it, on loopback.
type world struct {
	t    testing.TB
	log  *slog.Logger
	hub  *hub.Hub
	door *session.Door
	gw   *Gateway
	http *httptest.Server
	base string                    // of the URLs; empty: http's
	net  *badNet                   // between the peers and the gateway; may be nil
	edit func(offer string) string // what peers' offers are made into; may be nil
}

func newWorld(t testing.TB, cfg Config) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	w := &world{t: t, log: log, hub: hub.New(hub.Config{}, log), door: session.New(session.Config{}, log)}
	if cfg.UDP == "" && cfg.TCP == "" {
		cfg.UDP = "127.0.0.1:0"
	}
	gw, err := New(cfg, w.hub, w.door, log)
	if err != nil {
		t.Fatal(err)
	}
	w.gw = gw
	w.http = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/")
		switch {
		case strings.HasSuffix(path, "/whip"):
			gw.ServeWHIP(rw, r, strings.TrimSuffix(path, "/whip"))
		case strings.HasSuffix(path, "/whep"):
			gw.ServeWHEP(rw, r, strings.TrimSuffix(path, "/whep"))
		default:
			gw.ServeResource(rw, r, path[strings.LastIndexByte(path, '/')+1:])
		}
	}))
	t.Cleanup(func() {
		w.http.Close()
		gw.Close()
		w.hub.Close()
	})
	return w
}

func (w *world) do(method, path, contentType, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	base, client := w.base, http.DefaultClient
	if base == "" {
		base, client = w.http.URL, w.http.Client()
	}
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, string(b)
}

// peerAPI is pion as a browser would be, on loopback.
func peerAPI(t testing.TB, network ...webrtc.NetworkType) *webrtc.API {
	t.Helper()
	m := &webrtc.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	s := webrtc.SettingEngine{LoggerFactory: quiet{}}
	s.SetIncludeLoopbackCandidate(true)
	if len(network) == 0 {
		network = []webrtc.NetworkType{webrtc.NetworkTypeUDP4}
	}
	s.SetNetworkTypes(network)
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s))
}

// connect exchanges descriptions with the gateway and waits for the connection.
func (w *world) connect(pc *webrtc.PeerConnection, path string) (location string, header http.Header) {
	w.t.Helper()
	up := make(chan struct{})
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			close(up)
		}
	})
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		w.t.Fatal(err)
	}
	<-gathered
	text := pc.LocalDescription().SDP
	if w.edit != nil {
		text = w.edit(text)
	}
	res, body := w.do(http.MethodPost, path, typeSDP, text, "Authorization", "Bearer K")
	if res.StatusCode != http.StatusCreated {
		w.t.Fatalf("%s: %s %s", path, res.Status, body)
	}
	if w.net != nil {
		body = w.net.lead(body)
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: body}); err != nil {
		w.t.Fatalf("%v\n%s", err, body)
	}
	select {
	case <-up:
	case <-time.After(10 * time.Second):
		w.t.Fatalf("no connection\n%s", body)
	}
	return res.Header.Get("Location"), res.Header
}

func closing(t testing.TB, pc *webrtc.PeerConnection) {
	t.Cleanup(func() { _ = pc.GracefulClose() })
}

// clip is a real H.264 stream: its track, and samples with the parameter sets out of band.
func clip(t testing.TB) (media.Track, [][]byte) {
	t.Helper()
	data, err := os.ReadFile("testdata/avc.h264")
	if err != nil {
		t.Fatal(err)
	}
	track := media.Track{ID: 0, Codec: media.H264, TimeScale: 90000}
	var samples [][]byte
	var sets, sample []byte
	for _, u := range bytes.Split(data, []byte{0, 0, 1}) {
		u = bytes.TrimRight(u, "\x00")
		if len(u) < 3 {
			continue
		}
		unit := append(binary.BigEndian.AppendUint32(nil, uint32(len(u))), u...)
		switch kind := u[0] & 0x1f; {
		case kind == 7 || kind == 8:
			sets = append(sets, unit...)
		case kind <= 5:
			samples, sample = append(samples, append(sample, unit...)), nil
		default:
			sample = append(sample, unit...)
		}
	}
	if err := codec.Describe(&track, append(sets, samples[0]...)); err != nil {
		t.Fatal(err)
	}
	return track, samples
}

// x264 is a second of video made by FFmpeg.
func x264(t testing.TB, args ...string) (media.Track, []media.Frame) {
	t.Helper()
	out := encode(t, append([]string{"-c:v", "libx264"}, append(args, "-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")...)...)
	h, err := cmaf.ParseInit(out)
	if err != nil {
		t.Fatal(err)
	}
	frames, err := h.Frames(nil, out)
	if err != nil || len(frames) != 25 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	for i := range frames {
		frames[i].Track = h.Tracks[0].ID
	}
	return h.Tracks[0], frames
}

// encode has FFmpeg make a second of 25 pictures.
func encode(t testing.TB, args ...string) []byte {
	t.Helper()
	args = append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=1", "-pix_fmt", "yuv420p"}, append(args, "pipe:1")...)
	out, err := exec.Command("ffmpeg", args...).Output()
	if err != nil {
		t.Skip("ffmpeg is not installed, or lacks an encoder: apt install ffmpeg")
	}
	return out
}

// ivf is a second of VP8, VP9 or AV1 made by FFmpeg.
func ivf(t testing.TB, c media.Codec, args ...string) (media.Track, []media.Frame) {
	t.Helper()
	track := media.Track{ID: 0, Codec: c, TimeScale: 90000}
	var frames []media.Frame
	for data := encode(t, append(args, "-f", "ivf")...)[32:]; len(data) >= 12; {
		n := int(binary.LittleEndian.Uint32(data))
		at := int64(len(frames)) * 3600
		sample := data[12 : 12+n]
		if c == media.AV1 {
			sample = bytes.TrimPrefix(sample, []byte{0x12, 0}) // the temporal delimiter
		}
		frames = append(frames, media.Frame{Key: codec.IsKey(c, sample), DTS: at, PTS: at, Data: sample})
		data = data[12+n:]
	}
	if err := codec.Describe(&track, frames[0].Data); err != nil {
		t.Fatal(err)
	}
	return track, frames
}

func opusTrack() media.Track {
	return media.Track{ID: 1, Kind: media.Audio, Codec: media.Opus, TimeScale: 48000, SampleRate: 48000, Channels: 2, Config: opus.Build(opus.New(2))}
}

// opusPacket is 20 ms of CELT stereo with a number inside.
func opusPacket(n int) []byte {
	return append([]byte{0xfc}, fmt.Sprintf("audio %06d", n)...)
}

// onAir publishes the clip as any other gateway would, at its own pace (25 fps, 50 audio packets a second), until the test ends.
func (w *world) onAir(name string, fps int, tracks ...media.Track) *hub.Publication {
	w.t.Helper()
	_, samples := clip(w.t)
	pub, err := w.hub.Publish(hub.Offer{Name: name, Tracks: tracks, Origin: hub.Origin{Protocol: "test"}})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second / time.Duration(fps))
		defer tick.Stop()
		audio := 0
		for i := 0; ; i++ {
			at := int64(i) * 90000 / int64(fps)
			f := media.Frame{Track: 0, Key: i%len(samples) == 0, DTS: at, PTS: at, Data: samples[i%len(samples)]}
			if pub.Write(f) != nil {
				return
			}
			for len(tracks) > 1 && int64(audio)*960*90000/48000 <= at {
				a := media.Frame{Track: 1, Key: true, DTS: int64(audio) * 960, PTS: int64(audio) * 960, Duration: 960, Data: opusPacket(audio)}
				if pub.Write(a) != nil {
					return
				}
				audio++
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	w.t.Cleanup(func() { cancel(); <-done; pub.Close(nil) })
	return pub
}

// received is what a viewer's peer got.
type received struct {
	codec media.Codec
	unit  rtp.Unit
}

// watch opens a WHEP session with pion as the player and sends what arrives to the channel.
func (w *world) watch(name string, network ...webrtc.NetworkType) (*webrtc.PeerConnection, chan received, http.Header) {
	w.t.Helper()
	return w.watchWith(name, peerAPI(w.t, network...))
}

func (w *world) watchWith(name string, api *webrtc.API) (*webrtc.PeerConnection, chan received, http.Header) {
	w.t.Helper()
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		w.t.Fatal(err)
	}
	closing(w.t, pc)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			w.t.Fatal(err)
		}
	}
	units := make(chan received, 1000)
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		c := mediaCodec(t.Codec().MimeType)
		a, err := rtp.NewAssembler(rtp.Config{Codec: c})
		if err != nil {
			w.t.Error(err)
			return
		}
		for {
			p, _, err := t.ReadRTP()
			if err != nil {
				return
			}
			now := time.Now().UnixNano()
			a.Push(now, p)
			for u, ok := a.Pop(now); ok; u, ok = a.Pop(now) {
				select {
				case units <- received{c, u}:
				default:
				}
			}
		}
	})
	_, header := w.connect(pc, "/"+name+"/whep")
	return pc, units, header
}

func next(t testing.TB, units <-chan received, c media.Codec) rtp.Unit {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case r := <-units:
			if r.codec == c {
				return r.unit
			}
		case <-deadline:
			t.Fatalf("no %v came", c)
		}
	}
}

// publisherPeer is pion as a WHIP publisher of H.264 and Opus.
type publisherPeer struct {
	pc           *webrtc.PeerConnection
	video, audio *webrtc.TrackLocalStaticRTP
	location     string
	wishes       chan struct{}  // key frames asked for
	nacks        map[uint16]int // under mu: how often each packet was asked for again
	mu           sync.Mutex
	drop         func(frame, i int) bool // which packets of the video are lost
}

func (w *world) whip(name string, network ...webrtc.NetworkType) *publisherPeer {
	w.t.Helper()
	return w.whipWith(name, peerAPI(w.t, network...))
}

func (w *world) whipWith(name string, api *webrtc.API) *publisherPeer {
	w.t.Helper()
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		w.t.Fatal(err)
	}
	closing(w.t, pc)
	p := &publisherPeer{pc: pc, wishes: make(chan struct{}, 100), nacks: map[uint16]int{}, drop: func(int, int) bool { return false }}
	add := func(mime string, rate uint32, channels uint16, fmtp string) *webrtc.TrackLocalStaticRTP {
		t, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime, ClockRate: rate, Channels: channels, SDPFmtpLine: fmtp}, mime, "pion")
		if err != nil {
			w.t.Fatal(err)
		}
		sender, err := pc.AddTrack(t)
		if err != nil {
			w.t.Fatal(err)
		}
		go p.listen(sender)
		return t
	}
	p.video = add(webrtc.MimeTypeH264, 90000, 0, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f")
	p.audio = add(webrtc.MimeTypeOpus, 48000, 2, "")
	p.location, _ = w.connect(pc, "/"+name+"/whip")
	return p
}

// listen counts the wishes for key frames until the connection ends.
func (p *publisherPeer) listen(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, r := range packets {
			if n, ok := r.(*rtcp.TransportLayerNack); ok {
				p.mu.Lock()
				for _, pair := range n.Nacks {
					for _, s := range pair.PacketList() {
						p.nacks[s]++
					}
				}
				p.mu.Unlock()
			}
			if _, ok := r.(*rtcp.PictureLossIndication); ok {
				select {
				case p.wishes <- struct{}{}:
				default:
				}
			}
		}
	}
}

// send publishes rounds of the clip with sound, at fps.
func (p *publisherPeer) send(ctx context.Context, t testing.TB, fps int) {
	track, samples := clip(t)
	video, err := rtp.NewPacketizer(track, 102, 1)
	if err != nil {
		t.Error(err)
		return
	}
	audio, _ := rtp.NewPacketizer(opusTrack(), 111, 2)
	tick := time.NewTicker(time.Second / time.Duration(fps))
	defer tick.Stop()
	write := func(to *webrtc.TrackLocalStaticRTP, wire [][]byte, frame int) {
		for j, b := range wire {
			var packet pion.Packet
			if packet.Unmarshal(b) == nil && !(to == p.video && p.drop(frame, j)) {
				_ = to.WriteRTP(&packet)
			}
		}
	}
	sounds := 0
	for i := 0; ; i++ {
		at := int64(i) * 90000 / int64(fps)
		write(p.video, video.Append(nil, &media.Frame{Key: i%len(samples) == 0, PTS: at, Data: samples[i%len(samples)]}), i)
		for ; int64(sounds)*1800 <= at; sounds++ {
			write(p.audio, audio.Append(nil, &media.Frame{PTS: int64(sounds) * 960, Data: opusPacket(sounds)}), i)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
