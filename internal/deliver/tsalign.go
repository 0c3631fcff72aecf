package deliver

const (
	tsPacket  = 188
	tsHead    = 4
	tsCounts  = 16 // the continuity counter has four bits
	tsTableHi = 0x1000
)

// alignTS makes the continuity counters (ISO/IEC 13818-1 2.4.3.3) of segments that are made apart follow each other: an
// elementary stream gets a multiple of 16 packets in every segment, so that each begins with 0; program tables come once
// per segment and count by its number.
func alignTS(in []byte, n int64) []byte {
	counts := map[uint16]int{}
	for at := 0; at+tsPacket <= len(in); at += tsPacket {
		if p := in[at : at+tsPacket]; p[3]&0x10 != 0 {
			counts[tsPID(p)]++
		}
	}
	need := make(map[uint16]int, len(counts))
	for pid, k := range counts {
		need[pid] = (tsCounts - k%tsCounts) % tsCounts
	}
	split := plan(in, need)
	out := make([]byte, 0, len(in)+tsPacket*tsCounts*len(counts))
	seen := map[uint16]bool{}
	for i, at := 0, 0; at+tsPacket <= len(in); i, at = i+1, at+tsPacket {
		p := in[at : at+tsPacket]
		pid := tsPID(p)
		if isTable(pid) && seen[pid] {
			continue
		}
		seen[pid] = true
		out = appendSplit(out, p, split[i])
	}
	recount(out, n)
	return out
}

func tsPID(p []byte) uint16 { return uint16(p[1]&0x1f)<<8 | uint16(p[2]) }

func isTable(pid uint16) bool { return pid == 0 || pid == tsTableHi }

// plan says into how many more packets each packet is split, from the end on.
func plan(in []byte, need map[uint16]int) map[int]int {
	split := map[int]int{}
	for i := len(in)/tsPacket - 1; i >= 0; i-- {
		p := in[i*tsPacket : (i+1)*tsPacket]
		pid := tsPID(p)
		if isTable(pid) || need[pid] == 0 || p[3]&0x10 == 0 {
			continue
		}
		spare := tsPacket - payloadAt(p) - 1
		if p[1]&0x40 != 0 {
			spare -= 19 // the head of a PES packet stays together
		}
		if k := min(spare, need[pid]); k > 0 {
			split[i] = k
			need[pid] -= k
		}
	}
	return split
}

// payloadAt is where the payload of a packet begins.
func payloadAt(p []byte) int {
	if p[3]&0x20 == 0 {
		return tsHead
	}
	return min(tsHead+1+int(p[4]), tsPacket)
}

// appendSplit appends a packet with its last k bytes of payload in packets of their own.
func appendSplit(out, p []byte, k int) []byte {
	if k == 0 {
		return append(out, p...)
	}
	at := payloadAt(p)
	payload := p[at:]
	head, tail := payload[:len(payload)-k], payload[len(payload)-k:]
	out = appendStuffed(out, p[:at], head)
	for i := range tail {
		out = appendStuffed(out, []byte{p[0], p[1] &^ 0x40, p[2], p[3] &^ 0x20}, tail[i:i+1])
	}
	return out
}

// appendStuffed appends a packet with the given head (with its adaptation field, if it has one), made longer so that the
// payload ends the packet.
func appendStuffed(out, head, payload []byte) []byte {
	from := len(out)
	out = append(out, head...)
	n := tsPacket - len(head) - len(payload)
	out[from+3] |= 0x20
	if len(head) == tsHead {
		out = append(out, byte(n-1))
		if n > 1 {
			out = append(out, 0)
		}
	} else {
		if out[from+4] == 0 { // a field of its length alone gets its flags
			out = append(out, 0)
			n--
			out[from+4]++
		}
		out[from+4] += byte(n)
	}
	for len(out)-from < tsPacket-len(payload) {
		out = append(out, 0xFF)
	}
	return append(out, payload...)
}

// recount numbers the packets. One without a payload has the number of the one before.
func recount(b []byte, n int64) {
	next := map[uint16]byte{}
	for at := 0; at+tsPacket <= len(b); at += tsPacket {
		p := b[at : at+tsPacket]
		pid := tsPID(p)
		if isTable(pid) {
			p[3] = p[3]&0xF0 | byte(n&15)
			continue
		}
		if p[3]&0x10 == 0 {
			p[3] = p[3]&0xF0 | (next[pid]-1)&15
			continue
		}
		p[3] = p[3]&0xF0 | next[pid]
		next[pid] = (next[pid] + 1) & 15
	}
}
