package webrtc

import (
	"bytes"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	pion "github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/webrtc/v4"

	"weir/internal/format/rtp"
	"weir/internal/media"
)

// sealers gives one of ours, and pion's reader for what it seals.
func sealers(t testing.TB, profile srtp.ProtectionProfile) (*sealer, *srtp.Context) {
	t.Helper()
	key, salt := bytes.Repeat([]byte{0x5a}, 16), []byte("saltsaltsaltsa")
	if profile == srtp.ProtectionProfileAeadAes128Gcm {
		salt = salt[:12]
	}
	out, err := srtp.CreateContext(key, salt, profile)
	if err != nil {
		t.Fatal(err)
	}
	in, err := srtp.CreateContext(key, salt, profile, srtp.SRTPReplayProtection(64))
	if err != nil {
		t.Fatal(err)
	}
	s := &sealer{out: out}
	if profile == srtp.ProtectionProfileAeadAes128Gcm {
		if err := s.setGCM(key, salt); err != nil {
			t.Fatal(err)
		}
	}
	return s, in
}

func TestPionOpensWhatWeSeal(t *testing.T) {
	shared := append(make([]byte, rtp.HeaderSize), "a shared payload"...)
	shared[0], shared[1] = 0x80, 0x80
	for _, profile := range []srtp.ProtectionProfile{srtp.ProtectionProfileAeadAes128Gcm, srtp.ProtectionProfileAes128CmHmacSha1_80} {
		s, in := sealers(t, profile)
		h := rtp.Header{PayloadType: 102, SSRC: 0xfeedface, Sequence: 65000}
		rollover := uint32(0)
		for i := range 2000 { // over the wrap of the sequence number
			h.Timestamp = uint32(i) * 3000
			sealed := s.seal(nil, shared, h, nil, rollover)
			plain, err := in.DecryptRTP(nil, sealed, nil)
			if err != nil {
				t.Fatalf("profile %v, packet %d: %v", profile, i, err)
			}
			var p pion.Packet
			if err := p.Unmarshal(plain); err != nil {
				t.Fatal(err)
			}
			if string(p.Payload) != "a shared payload" || !p.Marker || p.PayloadType != 102 || p.SSRC != h.SSRC || p.SequenceNumber != h.Sequence || p.Timestamp != h.Timestamp {
				t.Fatalf("%+v", p)
			}
			if h.Sequence++; h.Sequence == 0 {
				rollover++
			}
		}
	}
}

// A browser without AES-GCM gets the older profile.
func TestOldProfile(t *testing.T) {
	w := newWorld(t, Config{})
	track, _ := clip(t)
	w.onAir("live/show", 50, track)
	m := &webrtc.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	s := webrtc.SettingEngine{LoggerFactory: quiet{}}
	s.SetIncludeLoopbackCandidate(true)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	_, units, _ := w.watchWith("live/show", webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s)))
	for range 60 {
		next(t, units, media.H264)
	}
}

// socketPair is a socket to send from and one to receive at.
func socketPair(t testing.TB, network, address string) (from, at *net.UDPConn) {
	t.Helper()
	open := func() *net.UDPConn {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c.(*net.UDPConn)
	}
	return open(), open()
}

func addrOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// What is put together leaves as the datagrams that it was put together from, segmented by the kernel or not.
func TestBatchKeepsDatagrams(t *testing.T) {
	for _, c := range []struct {
		name, network, address string
		plain                  bool
	}{
		{"segmented", "udp", "127.0.0.1:0", false}, {"plain", "udp", "127.0.0.1:0", true},
		{"dual stack", "udp", ":0", false}, {"IPv6", "udp6", "[::1]:0", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, at := socketPair(t, c.network, c.address)
			_ = at.SetReadBuffer(4 << 20)
			var plain atomic.Bool
			plain.Store(c.plain)
			var count counters
			b, err := newBatch(from, &plain, &count)
			if err != nil {
				t.Fatal(err)
			}
			port := addrOf(at).Port()
			target := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
			if c.network == "udp6" {
				target = netip.AddrPortFrom(netip.IPv6Loopback(), port)
			}
			to := newSockaddr(target, b.six)
			var sizes []int
			for i, n := range []int{50, 1200, 1200, 1200, 700, 700, 1200, 90, 1} {
				for range 1 + i%3*40 {
					sizes = append(sizes, n)
					b.room(n, to)
					b.buf = append(b.buf, bytes.Repeat([]byte{byte(len(sizes))}, n)...)
					b.added(n)
				}
			}
			b.flush()
			buf := make([]byte, 2000)
			_ = at.SetReadDeadline(time.Now().Add(5 * time.Second))
			for i, want := range sizes {
				n, err := at.Read(buf)
				if err != nil || n != want || buf[0] != byte(i+1) || buf[n-1] != byte(i+1) {
					t.Fatalf("datagram %d of %d: %d bytes, want %d; %v (%+v)", i, len(sizes), n, want, err, b.err)
				}
			}
			if count.packetsOut.Load() != uint64(len(sizes)) || count.sendDropped.Load() != 0 || plain.Load() != c.plain {
				t.Errorf("%d counted of %d, plain %v", count.packetsOut.Load(), len(sizes), plain.Load())
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	for name, profile := range map[string]srtp.ProtectionProfile{"GCM": srtp.ProtectionProfileAeadAes128Gcm, "CM-SHA1": srtp.ProtectionProfileAes128CmHmacSha1_80} {
		b.Run(name, func(b *testing.B) {
			s, _ := sealers(b, profile)
			shared := make([]byte, rtp.HeaderSize+rtp.MaxPayload)
			shared[0] = 0x80
			b.SetBytes(int64(len(shared)))
			b.ReportAllocs()
			buf := make([]byte, 0, 2048)
			h := rtp.Header{PayloadType: 102, SSRC: 1}
			for b.Loop() {
				buf = s.seal(buf[:0], shared, h, nil, 0)
				h.Sequence++
			}
		})
	}
}

// One frame of 10 packets to one viewer: sealing and one system call.
func BenchmarkDeliver(b *testing.B) {
	from, at := socketPair(b, "udp", "127.0.0.1:0")
	w := newWorld(b, Config{})
	s, _ := sealers(b, srtp.ProtectionProfileAeadAes128Gcm)
	var plain atomic.Bool
	out, err := newBatch(from, &plain, &w.gw.count)
	if err != nil {
		b.Fatal(err)
	}
	res, err := w.gw.admit(request(b), "live/show", "play", "whep")
	if err != nil {
		b.Fatal(err)
	}
	v := &viewer{gateway: w.gw, res: res, sealer: s, to: newSockaddr(addrOf(at), out.six)}
	v.out[0].set(&chosen{codec: offeredCodec{payload: 102}, ssrc: 7}, media.H264, 0)
	frame := make([]byte, 4+10*(rtp.MaxPayload-2))
	frame[2], frame[3], frame[4] = byte((len(frame)-4)>>8), byte(len(frame)-4), 0x41
	p, err := rtp.NewPacketizer(media.Track{Kind: media.Video, Codec: media.H264, TimeScale: 90000}, 0, laneVideo)
	if err != nil {
		b.Fatal(err)
	}
	packets := p.Append(nil, &media.Frame{Data: frame})
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		v.deliver(out, packets, nil)
	}
	b.StopTimer()
	res.session.Close(nil)
	w.gw.release(res)
}
