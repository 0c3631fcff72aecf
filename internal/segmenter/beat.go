package segmenter

import (
	"time"

	"weir/internal/timeline"
)

// wellFilled is how much of the part target parts have at least, in percent: a little more than players may count on (RFC 8216bis
// section 4.4.4.9).
const wellFilled = 87

// pace is how the parts of the leading track come.
type pace struct {
	segment, ran int64 // where the open segment begins and how much of it there is in parts, ticks
	usual        int64 // duration of a part that is not a segment's last
}

// take returns where a part ends, by the decoding, which has no holes, from where its segment begins, and where the next one will.
func (c *pace) take(p *timeline.Part) (end, soon int64) {
	if p.Index == 0 {
		c.segment, c.ran = p.Start, 0
	}
	c.ran += p.Duration
	if !p.Last {
		c.usual = p.Duration
	}
	end = c.segment + c.ran
	return end, end + c.usual
}

// beat is where an audio track ends its parts: with those of the leading track. Players load the newest parts of all tracks in turn,
// so a track whose parts end at other times, and are more, is behind by one at the end of each segment: Shaka, which reads each list
// once in a part, had the next sound a quarter of a second late.
type beat struct {
	ends []time.Duration // of the leading track's parts, not reached yet
	soon time.Duration   // where the next one will end: audio that comes before its pictures cannot know better
}

// maxEnds is how many parts of the leading track an audio track can be behind and still follow them.
const maxEnds = 32

// follow notes where a part of the leading track ends, and where the next one will.
func (b *beat) follow(end, soon time.Duration) {
	if len(b.ends) == maxEnds { // the track is silent, or far behind
		b.ends = append(b.ends[:0], b.ends[1:]...)
	}
	b.ends, b.soon = append(b.ends, end), soon
}

// passed reports whether a part of the leading track ends after the first frame of the open part has begun and before, or as, the next
// frame begins, and forgets the ends up to there.
func (b *beat) passed(first, next time.Duration) bool {
	ended := b.soon > first && b.soon <= next
	k := 0
	for ; k < len(b.ends) && b.ends[k] <= next; k++ {
		ended = ended || b.ends[k] > first
	}
	b.ends = append(b.ends[:0], b.ends[k:]...)
	return ended
}
