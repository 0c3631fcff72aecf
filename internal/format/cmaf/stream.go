package cmaf

import (
	"weir/internal/media"
)

const slabSize = 4096

// StreamMuxer writes an endless fragmented MP4 of several tracks, one fragment per
// frame, in arrival order. Times count from Origin, since players of plain files count
// from the first frame and some keep time in a float. It belongs to one goroutine;
// what it returns is shared and never changed.
type StreamMuxer struct {
	origin int64 // epoch ms
	tracks []media.Track
	state  []streamTrack
	seq    uint32
	slab   []byte
}

type streamTrack struct {
	last     int64 // DTS of the last frame
	duration int64 // between the last two frames
}

// NewStreamMuxer returns a muxer whose times count from origin, epoch milliseconds.
func NewStreamMuxer(origin int64) *StreamMuxer { return &StreamMuxer{origin: origin} }

// Header is what a new reader needs before any fragment.
func (m *StreamMuxer) Header(tracks []media.Track) ([]byte, error) {
	header, err := Init(tracks...)
	if err != nil {
		return nil, err
	}
	m.tracks, m.state = tracks, make([]streamTrack, len(tracks))
	return header, nil
}

// AppendFragment appends a fragment with the frame to dst, the frame's own bytes by
// reference. Frames of tracks that Header was not given are left out.
func (m *StreamMuxer) AppendFragment(dst [][]byte, f *media.Frame) [][]byte {
	i := m.find(f.Track)
	if i < 0 {
		return dst
	}
	t, st := &m.tracks[i], &m.state[i]
	if gap := f.DTS - st.last; st.last != 0 && gap > 0 && gap < int64(t.TimeScale) {
		st.duration = gap
	}
	st.last = f.DTS
	shifted := [1]media.Frame{*f}
	base := media.Rescale(m.origin, 1000, t.TimeScale)
	shifted[0].DTS, shifted[0].PTS = max(f.DTS-base, 0), max(f.PTS-base, 0)
	if f.Duration == 0 {
		// Unknown until the next frame: the last one is the best guess, and the next
		// fragment's decode time puts right what it misses.
		shifted[0].Duration = st.duration
	}
	m.seq++
	return append(dst, m.head(&shifted, uint32(i+1)), f.Data)
}

func (m *StreamMuxer) find(id media.TrackID) int {
	for i := range m.tracks {
		if m.tracks[i].ID == id {
			return i
		}
	}
	return -1
}

// head builds the boxes before the frame's bytes in a slab that many fragments share.
func (m *StreamMuxer) head(frames *[1]media.Frame, id uint32) []byte {
	c := Chunk{TrackID: id, Sequence: m.seq, Frames: frames[:]}
	s := c.shape()
	if cap(m.slab)-len(m.slab) < c.headSize(&s) {
		m.slab = make([]byte, 0, slabSize)
	}
	at := len(m.slab)
	w := writer{b: m.slab}
	c.head(&w, &s)
	m.slab = w.b
	return m.slab[at:len(m.slab):len(m.slab)]
}
