package lint

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// run is what a segment holds of one track. Times are in the track's time scale.
type run struct {
	track          *track
	first, end     int64 // decoding
	minPTS, maxPTS int64 // presentation; maxPTS is where the last sample ends
	samples        int
	syncs          int // by the flags
	bytes          int64
	firstSync      bool
	random, known  bool // by the NAL units of the first picture
	tfdt32         bool
	rough          bool // where the last frames of TS end is an estimate
	lastCC         int  // of TS
	firstCC        int
	pts            map[int64]bool
	sum            uint32 // of the bytes of all samples
	shortest       uint32 // sample duration
	longest        uint32
	head           int64 // bytes of the first sample
}

// at is where presentation starts, in seconds, on the presentation's own clock.
func (r *run) at() float64 { return float64(r.minPTS) / float64(r.track.timescale) }

// shown is at behind the edit list.
func (r *run) shown() float64 {
	return r.at() - float64(r.track.edit)/float64(r.track.timescale)
}

func (r *run) seconds() float64 { return float64(r.end-r.first) / float64(r.track.timescale) }

// media is what a segment or part holds.
type media struct {
	kind     string // fmp4, ts, adts, vtt or other
	runs     []*run
	problems []problem
	size     int
	chunks   int
	sequence uint32 // of the last moof
	firstSeq uint32
	prft     bool
	styp     bool
	tracks   []*track    // of TS, which has no init segment
	spans    []span      // of the moof and mdat pairs
	events   [][2]string // scheme and value of event messages
	starts   []int64     // decode times of the pairs, of the first track
	firstPCR int64       // of TS; -1: none
	lastPCR  int64
	reset    bool      // the first PCR has the discontinuity indicator
	captions *captions // of WebVTT
	clear    bool      // samples of an encrypted track are told to be in the clear
}

func (m *media) complain(rule string, args ...any) {
	m.problems = append(m.problems, problem{rule: rule, args: args})
}

// leading is the video's run, else the first.
func (m *media) leading() *run {
	for _, r := range m.runs {
		if r.track.video() {
			return r
		}
	}
	if len(m.runs) > 0 {
		return m.runs[0]
	}
	return nil
}

func (m *media) of(kind string) *run {
	for _, r := range m.runs {
		if r.track.kind == kind {
			return r
		}
	}
	return nil
}

func (m *media) run(t *track) *run {
	for _, r := range m.runs {
		if r.track == t {
			return r
		}
	}
	r := &run{track: t, pts: map[int64]bool{}}
	m.runs = append(m.runs, r)
	return r
}

// fragments reads the moof and mdat pairs of a segment.
type fragments struct {
	*media
	init  *initSegment
	data  []byte
	seen  map[uint32]bool // tracks of the moof
	sizes []uint32        // of the samples of the traf
}

// parseFragments reads a CMAF segment or part against its init segment.
func parseFragments(data []byte, init *initSegment) *media {
	f := &fragments{media: &media{kind: "fmp4", size: len(data)}, init: init, data: data}
	list, whole := boxes(data, 0)
	if !whole {
		f.complain("mp4.box_broken", "the segment")
	}
	for i := 0; i < len(list); i++ {
		b := list[i]
		switch b.kind {
		case "moof":
			if i+1 >= len(list) || list[i+1].kind != "mdat" {
				f.complain("mp4.mdat_missing")
				continue
			}
			f.pair(b, list[i+1])
			i++
		case "mdat":
			f.complain("mp4.order", "mdat stands without its moof before it")
		case "styp":
			f.styp = true
			if i > 0 && list[i-1].kind != "mdat" {
				f.complain("mp4.order", "styp comes after "+list[i-1].kind)
			}
		case "prft":
			f.prft = true
		case "emsg":
			f.event(b.body)
		case "moov", "ftyp":
			f.complain("mp4.order", b.kind+" stands in a media segment")
		}
	}
	if f.chunks == 0 {
		f.complain("mp4.moof_missing")
	}
	return f.media
}

func (f *fragments) pair(moof, mdat box) {
	f.chunks++
	f.spans = append(f.spans, span{int64(moof.from), int64(moof.size + mdat.size)})
	f.seen = map[uint32]bool{}
	list, whole := boxes(moof.body, moof.from+8)
	if !whole {
		f.complain("mp4.box_broken", "moof")
	}
	if len(list) == 0 || list[0].kind != "mfhd" {
		f.complain("mp4.order", "moof does not start with mfhd")
	}
	var used int64
	trafs := 0
	for _, b := range list {
		switch b.kind {
		case "mfhd":
			f.number(b.body)
		case "traf":
			trafs++
			used += f.traf(b, moof, mdat)
		}
	}
	if trafs == 0 {
		f.complain("mp4.traf_missing")
	}
	if payload := int64(len(mdat.body)); used < payload && trafs > 0 {
		f.complain("mp4.mdat_unused", payload-used, payload)
	}
}

// event reads an event message (ISO/IEC 23009-1 clause 5.10.3.3).
func (f *fragments) event(body []byte) {
	c := &cursor{b: body}
	version, _ := c.full()
	if version == 1 {
		c.take(20)
	}
	scheme, rest, ok := bytes.Cut(c.b, []byte{0})
	value, rest, whole := bytes.Cut(rest, []byte{0})
	if c.over || !ok || !whole || version == 0 && len(rest) < 16 {
		f.complain("mp4.box_broken", "emsg")
		return
	}
	if len(f.events) < 16 {
		f.events = append(f.events, [2]string{string(scheme), string(value)})
	}
}

func (f *fragments) number(mfhd []byte) {
	if len(mfhd) < 8 {
		return
	}
	n := binary.BigEndian.Uint32(mfhd[4:])
	if f.chunks == 1 {
		f.firstSeq = n
	} else if n <= f.sequence {
		f.complain("mp4.sequence", f.sequence, n)
	}
	f.sequence = n
}

// head is what tfhd says.
type head struct {
	t                *track
	dur, size, flags uint32
	base             int64
	index            int // of the sample description
}

func (f *fragments) traf(traf, moof, mdat box) (used int64) {
	list, whole := boxes(traf.body, traf.from+traf.head)
	if !whole {
		f.complain("mp4.box_broken", "traf")
	}
	if len(list) == 0 || list[0].kind != "tfhd" {
		f.complain("mp4.order", "traf does not start with tfhd")
		return 0
	}
	h := f.tfhd(list[0].body, moof)
	if h.t == nil {
		return int64(len(mdat.body)) // nothing more can be said
	}
	r := f.run(h.t)
	timed := false
	at := r.end
	x := &secrets{clear: h.index > 1}
	f.sizes = f.sizes[:0]
	for _, b := range list[1:] {
		x.note(b, int64(b.from+b.head))
		switch b.kind {
		case "tfdt":
			if timed {
				f.complain("mp4.order", "tfdt is there twice, or after trun")
			}
			at, timed = f.tfdt(b.body, r), true
		case "trun":
			if !timed {
				f.complain("mp4.tfdt_missing", h.t.id)
				timed = true
			}
			u, end := f.trun(b.body, h, r, at, mdat)
			used, at = used+u, end
		}
	}
	if !timed {
		f.complain("mp4.tfdt_missing", h.t.id)
	}
	r.end = at
	f.auxiliary(h.t, x, h.base, f.sizes)
	f.clear = f.clear || x.clear
	return used
}

func (f *fragments) tfhd(body []byte, moof box) head {
	c := &cursor{b: body}
	_, flags := c.full()
	id := c.u32()
	h := head{t: f.init.track(id), base: int64(moof.from)}
	if h.t == nil {
		f.complain("mp4.track_unknown", id)
		return h
	}
	if f.seen[id] {
		f.complain("mp4.track_twice", id)
	}
	f.seen[id] = true
	h.dur, h.size, h.flags = h.t.defaults.dur, h.t.defaults.size, h.t.defaults.flags
	if flags&1 != 0 {
		h.base = int64(min(c.u64(), 1<<40)) //nolint:gosec // bounded
		f.complain("mp4.base_offset", id)
	} else if flags&0x20000 == 0 {
		f.complain("mp4.base_is_moof", id)
	}
	if flags&2 != 0 {
		if n := int(min(c.u32(), 1<<16)); h.t.entries > 0 && (n == 0 || n > h.t.entries) {
			f.complain("mp4.description_index", id, n, h.t.entries)
		} else {
			h.index = n
		}
	}
	if flags&8 != 0 {
		h.dur = c.u32()
	}
	if flags&0x10 != 0 {
		h.size = c.u32()
	}
	if flags&0x20 != 0 {
		h.flags = c.u32()
	}
	if c.over {
		f.complain("mp4.box_broken", "tfhd")
	}
	return h
}

func (f *fragments) tfdt(body []byte, r *run) int64 {
	c := &cursor{b: body}
	v, _ := c.full()
	var at int64
	if v == 1 {
		at = int64(c.u64() & (1<<62 - 1)) //nolint:gosec // masked
	} else {
		at = int64(c.u32())
		r.tfdt32 = true
	}
	if r.samples == 0 {
		r.first = at
	} else if at != r.end {
		f.complain("mp4.chunk_gap", r.track.id, seconds(float64(at-r.end)/float64(r.track.timescale)))
	}
	if len(f.starts) < f.chunks {
		f.starts = append(f.starts, at)
	}
	return at
}

// trunField sums the sizes of the fields that the flags say each sample has.
func trunFields(flags uint32) (n int) {
	for _, bit := range []uint32{0x100, 0x200, 0x400, 0x800} {
		if flags&bit != 0 {
			n += 4
		}
	}
	return n
}

const samplesAtMost = 1 << 20

func (f *fragments) trun(body []byte, h head, r *run, at int64, mdat box) (used, end int64) {
	c := &cursor{b: body}
	version, flags := c.full()
	count := int(min(c.u32(), samplesAtMost))
	from := h.base + int64(f.mdatOffset(mdat))
	if flags&1 != 0 {
		from = h.base + int64(int32(c.u32())) //nolint:gosec // signed by definition
	}
	firstFlags := h.flags
	if flags&4 != 0 {
		firstFlags = c.u32()
	}
	if c.over || count*trunFields(flags) > len(c.b) {
		f.complain("mp4.box_broken", "trun")
		return 0, at
	}
	begin := int64(mdat.from + mdat.head)
	stop := begin + int64(len(mdat.body))
	if count > 0 && (from < begin || from >= stop) {
		f.complain("mp4.data_offset", from, begin, stop)
		return int64(len(mdat.body)), at
	}
	for i := range count {
		s := sample{dts: at, dur: h.dur, size: h.size, flags: h.flags}
		if i == 0 {
			s.flags = firstFlags
		}
		s.read(c, flags, version)
		if i == 0 && flags&0x404 == 4 {
			s.flags = firstFlags
		}
		f.sizes = append(f.sizes, s.size)
		if from+int64(s.size) > stop {
			f.complain("mp4.sample_range", r.samples+1, from+int64(s.size)-stop)
			return int64(len(mdat.body)), at + int64(s.dur)
		}
		f.sample(r, &s, f.data[from:from+int64(s.size)])
		from, used, at = from+int64(s.size), used+int64(s.size), at+int64(s.dur)
	}
	return used, at
}

// mdatOffset is where the first trun's data would start if it does not say: right after the moof.
func (f *fragments) mdatOffset(mdat box) int {
	pair := f.spans[len(f.spans)-1]
	return int(pair.length) - mdat.size + mdat.head
}

// sample is an entry of trun.
type sample struct {
	dts              int64
	cto              int64
	dur, size, flags uint32
}

func (s *sample) read(c *cursor, flags uint32, version byte) {
	if flags&0x100 != 0 {
		s.dur = c.u32()
	}
	if flags&0x200 != 0 {
		s.size = c.u32()
	}
	if flags&0x400 != 0 {
		s.flags = c.u32()
	}
	if flags&0x800 != 0 {
		if v := c.u32(); version == 0 {
			s.cto = int64(v)
		} else {
			s.cto = int64(int32(v)) //nolint:gosec // signed by definition
		}
	}
}

func (f *fragments) sample(r *run, s *sample, data []byte) {
	sync := s.flags&0x10000 == 0
	pts := s.dts + s.cto
	if r.samples == 0 {
		r.firstSync, r.minPTS, r.maxPTS, r.shortest, r.head = sync, pts, pts, s.dur, int64(s.size)
		// no raw AAC frame starts with twelve ones: that would be an end without an element
		if r.track.entry == "mp4a" && !r.track.encrypted && len(data) > 7 && data[0] == 0xff && data[1]&0xf6 == 0xf0 {
			f.complain("mp4.adts", r.track.id)
		}
	}
	r.shortest, r.longest = min(r.shortest, s.dur), max(r.longest, s.dur)
	if r.pts[pts] && s.dur > 0 {
		f.complain("mp4.pts_twice", r.track.id, seconds(float64(pts)/float64(r.track.timescale)))
	}
	r.pts[pts] = true
	if s.dur == 0 {
		f.complain("mp4.duration_zero", r.track.id)
	}
	r.minPTS, r.maxPTS = min(r.minPTS, pts), max(r.maxPTS, pts+int64(s.dur))
	if r.track.nal > 0 && !r.track.encrypted {
		f.units(r, sync, data)
	} else if r.track.kind == "audio" && !sync {
		f.complain("mp4.audio_sync", r.track.id)
	}
	r.sum = crc32.Update(r.sum, crc32.IEEETable, data)
	r.samples++
	r.bytes += int64(s.size)
	if sync {
		r.syncs++
	}
}

func (f *fragments) units(r *run, sync bool, data []byte) {
	hevc := family(r.track.codec) == "hvc1" || family(r.track.codec) == "hev1"
	random, known, whole := startsRandomAccess(data, r.track.nal, hevc)
	if !whole {
		f.complain("mp4.nal_broken", r.samples+1)
	}
	if r.samples == 0 {
		r.random, r.known = random, known
	}
	switch {
	case known && sync && !random:
		f.complain("mp4.sync_flag", r.samples+1, "sync", "not a random access picture")
	case known && !sync && random:
		f.complain("mp4.sync_flag", r.samples+1, "non-sync", "a random access picture")
	}
}
