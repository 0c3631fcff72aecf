package deliver

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"testing"

	"weir/internal/format/mpegts"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// patternSegments gives the frames of some segments of the test pattern, two seconds each, at an epoch time just before
// PTS wraps.
func patternSegments(t testing.TB, count int) ([]media.Track, [][]media.Frame) {
	t.Helper()
	src, err := testpattern.New(testpattern.Options{Width: 320, Height: 180, FPS: 10, Audio: true})
	if err != nil {
		t.Fatal(err)
	}
	tracks := src.Tracks()
	start := int64((18_001<<33)/90_000-6) / 2 * 2 // the clock of 33 bits wraps six seconds later
	out := make([][]media.Frame, count)
	for src.Due().Seconds() < float64(2*count) {
		k := int(src.Due().Seconds()) / 2
		f := src.Next(noon)
		shift := start * int64(media.Find(tracks, f.Track).TimeScale)
		f.DTS, f.PTS = f.DTS+shift, f.PTS+shift
		out[k] = append(out[k], f)
	}
	return tracks, out
}

// TestTSSegmentsFollowEachOther: segments that are made apart, and in any order, have continuity counters as if one
// muxer had made them, and give back every frame.
func TestTSSegmentsFollowEachOther(t *testing.T) {
	tracks, segments := patternSegments(t, 6)
	made := make([][]byte, len(segments))
	for _, i := range []int{3, 0, 5, 1, 4, 2} {
		b, err := muxTS(tracks, segments[i], int64(1000+i))
		if err != nil {
			t.Fatal(err)
		}
		again, err := muxTS(tracks, segments[i], int64(1000+i))
		if err != nil || !bytes.Equal(b, again) {
			t.Fatal("two makings differ", err)
		}
		made[i] = b
	}
	stream := bytes.Join(made, nil)
	counts := map[uint16]int{}
	for at := 0; at < len(stream); at += tsPacket {
		p := stream[at : at+tsPacket]
		if p[0] != 0x47 {
			t.Fatalf("packet %d has no sync byte", at/tsPacket)
		}
		pid := tsPID(p)
		last, seen := counts[pid]
		cc := int(p[3] & 15)
		want := (last + 1) & 15
		if p[3]&0x10 == 0 {
			want = last
		}
		if seen && cc != want {
			t.Fatalf("packet %d of PID %#x counts %d, want %d", at/tsPacket, pid, cc, want)
		}
		counts[pid] = cc
	}
	var got []media.Frame
	d := mpegts.NewDemuxer(mpegts.Handler{
		Tracks: func([]media.Track) error { return nil },
		Frame:  func(f media.Frame) error { got = append(got, f); return nil },
	})
	if _, err := d.Write(stream); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	if st := d.Stats(); st.Continuity+st.Damaged+st.Checksums+st.SyncLosses > 0 {
		t.Errorf("%+v", st)
	}
	want := 0
	for _, list := range segments {
		want += len(list)
	}
	counter := uint32(0)
	for _, f := range got {
		if m, ok := testpattern.ReadSEI(f.Data, media.H264); ok {
			if m.Counter != counter {
				t.Errorf("picture %d, want %d", m.Counter, counter)
			}
			counter++
		}
	}
	if len(got) != want || counter != 120 {
		t.Errorf("%d frames, want %d; %d pictures", len(got), want, counter)
	}
}

// TestTSClockGoesOn: where pictures are decoded some frames before they are shown, the sound of a segment is later than the
// first picture of the next one, and still the clock never goes back.
func TestTSClockGoesOn(t *testing.T) {
	tracks, segments := patternSegments(t, 4)
	ahead := make([][]media.Frame, len(segments))
	for i, list := range segments {
		for _, f := range list {
			scale := int64(media.Find(tracks, f.Track).TimeScale)
			k := i
			if tracks[f.Track].Kind == media.Video {
				f.Duration, f.DTS = scale/10, f.DTS-scale/5
			} else if i > 0 && f.DTS < list[0].PTS*scale/int64(tracks[list[0].Track].TimeScale)+scale/20 {
				k = i - 1
			}
			ahead[k] = append(ahead[k], f)
		}
	}
	last := int64(-1)
	for i, list := range ahead {
		slices.SortStableFunc(list, func(x, y media.Frame) int {
			return cmp.Compare(tracks[x.Track].Duration(x.DTS), tracks[y.Track].Duration(y.DTS))
		})
		b, err := muxTS(tracks, list, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		for ; len(b) >= tsPacket; b = b[tsPacket:] {
			if b[3]&0x20 == 0 || b[4] == 0 || b[5]&0x10 == 0 {
				continue
			}
			now := int64(binary.BigEndian.Uint32(b[6:]))<<1 | int64(b[10]>>7)
			if by := (now - last) & (1<<33 - 1); last >= 0 && by > 9000 {
				t.Errorf("in segment %d the clock goes from %d to %d", i, last, now)
			}
			last = now
		}
	}
}

func BenchmarkTS(b *testing.B) {
	tracks, segments := patternSegments(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := muxTS(tracks, segments[0], 1000); err != nil {
			b.Fatal(err)
		}
	}
}
