package webrtc

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	pion "github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"pgregory.net/rapid"

	"weir/internal/format/rtp"
	"weir/internal/media"
)

// picture is a shared packet of video with a timestamp.
func picture(at uint32) []byte {
	b := append(make([]byte, rtp.HeaderSize), "a picture"...)
	rtp.Header{Timestamp: at, SSRC: laneVideo}.Put(b)
	return b
}

// The backlog keeps its order, ends where live pictures go on, and takes no longer than its sending, whatever the timestamps.
func TestBacklogIsDrawnTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Uint32().Draw(t, "first")
		steps := rapid.SliceOfN(rapid.Uint32Range(1500, 9000), 1, 300).Draw(t, "steps")
		packets := [][]byte{(&layout{Video: media.H264}).notice(), picture(first)}
		last := first
		for _, s := range steps {
			last += s
			packets = append(packets, picture(last))
		}
		b := readBacklog(packets)
		if b.stamp(last) != last || b.stamp(last+3000) != last+3000 {
			t.Fatalf("%+v moves live pictures", b)
		}
		sending := uint32((len(steps)+1)*90000*int(pause/time.Millisecond)/1000/catchUp) + 1
		if took := last - b.stamp(first); took > sending {
			t.Fatalf("%d ticks for what is sent in %d", took, sending)
		}
		at := first
		for _, s := range steps {
			if int32(b.stamp(at+s)-b.stamp(at)) <= 0 {
				t.Fatalf("%d is not after %d", b.stamp(at+s), b.stamp(at))
			}
			at += s
		}
	})
}

// deliverTo gives a viewer whose packets come to a socket of this test, and the reader of what was sealed for it.
func deliverTo(t *testing.T) (v *viewer, out *batch, read func() (raw, plain []byte)) {
	t.Helper()
	from, at := socketPair(t, "udp", "127.0.0.1:0")
	w := newWorld(t, Config{})
	s, in := sealers(t, srtp.ProtectionProfileAeadAes128Gcm)
	var plain atomic.Bool
	out, err := newBatch(from, &plain, &w.gw.count)
	if err != nil {
		t.Fatal(err)
	}
	w.gw.resender = out
	res, err := w.gw.admit(request(t), "live/show", "play", "whep")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.session.Close(nil); w.gw.release(res) })
	v = &viewer{gateway: w.gw, res: res, sealer: s, to: newSockaddr(addrOf(at), out.six)}
	v.out[0].set(&chosen{codec: offeredCodec{payload: 102}, ssrc: 7}, media.H264, 12345)
	return v, out, func() (raw, plain []byte) {
		_ = at.SetReadDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 2000)
		n, err := at.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		plain, err = in.DecryptRTP(nil, b[:n], nil)
		if err != nil {
			plain = nil // a copy of what came before
		}
		return b[:n], plain
	}
}

// What is sent again is the same to the last bit, also where its timestamp was drawn together and it has an extension: GCM
// gives its key away to who sees two texts under one sequence number.
func TestWhatIsSentAgainIsTheSame(t *testing.T) {
	v, out, read := deliverTo(t)
	v.out[0].extend = playoutDelay(5, convertedDelay)
	begin := v.out[0].header.Sequence
	packets := [][]byte{picture(1000), picture(91000), picture(181000)}
	past := readBacklog(packets)
	v.deliver(out, packets, &past)
	var sent [][]byte
	for i := range packets {
		raw, plain := read()
		sent = append(sent, raw)
		var p pion.Packet
		if err := p.Unmarshal(plain); err != nil {
			t.Fatal(err)
		}
		var delay pion.PlayoutDelayExtension
		if err := delay.Unmarshal(p.GetExtension(5)); err != nil || delay.MinDelay != 10 || delay.MaxDelay != 1000 {
			t.Errorf("packet %d: %+v %v", i, delay, err)
		}
		if want := past.stamp(rtp.Read(packets[i]).Timestamp) + 12345; p.Timestamp != want || string(p.Payload) != "a picture" {
			t.Errorf("packet %d: %v, want the timestamp %d", i, &p, want)
		}
	}
	v.again(&rtcp.TransportLayerNack{MediaSSRC: 7, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{begin, begin + 1, begin + 2})})
	for i := range packets {
		if raw, _ := read(); !bytes.Equal(raw, sent[i]) {
			t.Errorf("packet %d differs when it is sent again", i)
		}
	}
}

func TestExtensionOfTheOffer(t *testing.T) {
	const head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:u\r\na=fingerprint:sha-256 AA\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
	for line, want := range map[string]uint8{
		"a=extmap:5 " + playoutDelayURI:             5,
		"a=extmap:14/recvonly " + playoutDelayURI:   14,
		"a=extmap:3/sendonly " + playoutDelayURI:    0,
		"a=extmap:15 " + playoutDelayURI:            0,
		"a=extmap:0 " + playoutDelayURI:             0,
		"a=extmap:x " + playoutDelayURI:             0,
		"a=extmap:5 urn:ietf:params:rtp-hdrext:mid": 0,
	} {
		o, err := readMedia(head + line + "\r\n")
		if err != nil {
			t.Fatal(err)
		}
		c, ok := o.choose("video", media.VP8, nil)
		if !ok || c.delay != want {
			t.Errorf("%s: %d, want %d", line, c.delay, want)
		}
	}
	o, err := readMedia(offerFile(t, "chromium.sdp"))
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := o.choose("video", media.H264, avc(66, 0xc0)); c.delay != 5 {
		t.Errorf("Chromium's offer: %d", c.delay)
	}
}
