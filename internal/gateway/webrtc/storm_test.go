package webrtc

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"weir/internal/media"
)

// Viewers on a bad network who all ask for key frames and for packets, far more often than any use could be made of, neither
// trouble the publisher nor the viewer beside them.
func TestStormOfWishes(t *testing.T) {
	w := newWorld(t, Config{})
	p := w.whip("live/show")
	p.sending(t, 50)
	w.subscribe("live/show")
	_, good, _ := w.watch("live/show")
	next(t, good, media.H264)
	w.throughBadNet(fate{lost: 10, late: 20 * time.Millisecond})
	var bad []*webrtc.PeerConnection
	for range 8 {
		pc, _, _ := w.watch("live/show")
		bad = append(bad, pc)
	}
	for len(good) > 0 {
		<-good
	}
	before := w.gw.Stats()
	const length = 3 * time.Second
	end, tick := time.After(length), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for storm := true; storm; {
		select {
		case <-tick.C:
			for _, pc := range bad {
				for _, r := range pc.GetReceivers() {
					ssrc := uint32(r.Track().SSRC())
					_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc},
						&rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: []rtcp.NackPair{{PacketID: 1, LostPackets: 0xffff}}}})
				}
			}
		case <-end:
			storm = false
		}
	}
	after := w.gw.Stats()
	if asked, most := after.KeyFramesAsked-before.KeyFramesAsked, uint64(length/askEvery)+1; asked == 0 || asked > most {
		t.Errorf("the publisher was asked for %d key frames, at most %d are right", asked, most)
	}
	if again := after.Resent - before.Resent; again > uint64(len(bad))*resendShare*uint64(length/reportEvery+2) {
		t.Errorf("%d packets were sent again", again)
	}
	var last int64
	pictures := 0
	for len(good) > 0 {
		if r := <-good; r.codec == media.H264 {
			if last != 0 && r.unit.Time-last > 2*1800 {
				t.Errorf("the good viewer missed %d ms", (r.unit.Time-last)/90)
			}
			last = r.unit.Time
			pictures++
		}
	}
	t.Logf("%d key frames asked for, %d packets sent again, %d pictures", after.KeyFramesAsked-before.KeyFramesAsked, after.Resent-before.Resent, pictures)
	if pictures < 50 {
		t.Errorf("only %d pictures", pictures)
	}
}
