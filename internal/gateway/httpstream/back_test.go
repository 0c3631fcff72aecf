package httpstream

import (
	"bytes"
	"io"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/internal/faketime"
	"weir/internal/format/flv"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// TestTagsNeverGoBack: publishers come, take over, go and return, with sound or a little later with sound, and send sound and
// picture not quite in the order of their times. Within a kind no tag of a viewer goes back, headers included.
func TestTagsNeverGoBack(t *testing.T) {
	src, err := testpattern.New(testpattern.Options{Width: 320, Height: 180, Audio: true})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		pub := returning{tracks: src.Tracks(), script: rapid.SliceOfN(rapid.IntRange(0, 1<<16), 10, 200).Draw(rt, "script")}
		var file []byte
		synctest.Test(t, func(t *testing.T) { file = pub.watched(t) })
		forward(rt, file)
	})
}

// forward fails unless the times of each kind of tags never go back.
func forward(t *rapid.T, file []byte) {
	reader := flv.NewReader(bytes.NewReader(file), 1<<20)
	last := map[flv.TagType]uint32{}
	for {
		tag, err := reader.Next()
		if err == io.EOF && len(last) > 0 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if tag.Type != flv.TagScript && tag.Timestamp < last[tag.Type] {
			t.Fatalf("a tag of type %d goes back from %d to %d ms: %x", tag.Type, last[tag.Type], tag.Timestamp, tag.Body[:2])
		}
		last[tag.Type] = tag.Timestamp
	}
}

// returning publishes live/x again and again, by a script.
type returning struct {
	t      *testing.T
	hub    *hub.Hub
	tracks []media.Track
	script []int
	p      *hub.Publication
}

// pick takes a number below n from the script.
func (r *returning) pick(n int) (picked int) {
	if len(r.script) == 0 {
		return 0
	}
	picked, r.script = r.script[0]%n, r.script[1:]
	return picked
}

func (r *returning) ms(n int) time.Duration { return time.Duration(r.pick(n)) * time.Millisecond }

// watched plays the script and returns what a viewer got.
func (r *returning) watched(t *testing.T) []byte {
	r.t, r.hub = t, hub.New(hub.Config{}, quiet)
	defer r.hub.Close()
	r.run()
	form := flvVariant(url.Values{})
	lane := r.p.Stream().Lane(hub.LaneKey{Format: "flv"}, hub.Want{Tracks: form.tracks}, form.encoder)
	defer lane.Close()
	file, at := lane.Join()
	for len(r.script) > 0 {
		r.run()
		var b hub.Batch
		file, b = lane.Read(file, at, 1<<20)
		at = b.Next
	}
	return bytes.Join(file, nil)
}

// run is one publication, in the place of the one before or some time after it.
func (r *returning) run() {
	tracks, whole := r.tracks[:1], r.pick(2) == 0
	if whole {
		tracks = r.tracks
	}
	if r.p != nil && r.pick(2) == 0 {
		r.p.Close(nil)
		faketime.Pass(r.ms(3000))
	}
	p, err := r.hub.Publish(hub.Offer{Name: "live/x", Tracks: tracks, TakeOver: true})
	if err != nil {
		r.t.Fatal(err)
	}
	r.p = p
	start, ahead := time.Now(), r.ms(500)
	for i := range 1 + r.pick(20) {
		k := &r.tracks[r.pick(2)]
		if i == 0 {
			k = &r.tracks[0]
		} else if !whole && k.Kind == media.Audio {
			if err := p.Update(r.tracks); err != nil {
				r.t.Fatal(err)
			}
			whole = true
		}
		at := media.FromDuration(time.Since(start)+ahead+r.ms(30), k.TimeScale)
		if err := p.Write(media.Frame{Track: k.ID, Key: i == 0, DTS: at, PTS: at, Data: []byte{0, 0, 0, 1, 0x65}}); err != nil {
			r.t.Fatal(err)
		}
		faketime.Pass(time.Millisecond + r.ms(40))
	}
}
