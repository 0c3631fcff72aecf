package testpattern

// writeBlock writes the coefficients of one residual block in scan order, in CAVLC (9.2). Only the two
// kinds of block that this encoder makes are known: 16 luma DC levels with nC = 0, and 4 chroma DC levels.
func writeBlock(w *bitWriter, scan []int32) {
	var levels [16]int32 // the non-zero ones, highest frequency first
	var runs [16]int     // zeros just before each of them
	total, zeros := 0, 0
	last := len(scan) - 1
	for last >= 0 && scan[last] == 0 {
		last--
	}
	for i := last; i >= 0; i-- {
		if scan[i] != 0 {
			levels[total] = scan[i]
			total++
			continue
		}
		runs[total-1]++
		zeros++
	}
	ones := trailingOnes(levels[:total])
	w.code(coeffToken(len(scan), total, ones))
	if total == 0 {
		return
	}
	writeLevels(w, levels[:total], ones)
	if total < len(scan) {
		w.code(totalZeros(len(scan), total, zeros))
	}
	left := zeros
	for i := 0; i < total-1 && left > 0; i++ {
		w.code(runBefore[min(left, 7)-1][runs[i]])
		left -= runs[i]
	}
}

func (w *bitWriter) code(c vlc) { w.u(int(c.len), uint32(c.bits)) }

func coeffToken(size, total, ones int) vlc {
	if size == 4 {
		return coeffTokenChroma[total][ones]
	}
	return coeffTokenLuma[total][ones]
}

func totalZeros(size, total, zeros int) vlc {
	if size == 4 {
		return totalZerosChroma[total-1][zeros]
	}
	return totalZerosLuma[total-1][zeros]
}

// trailingOnes counts the levels of ±1 at the high-frequency end, at most three (9.2.1).
func trailingOnes(levels []int32) int {
	n := 0
	for n < len(levels) && n < 3 && (levels[n] == 1 || levels[n] == -1) {
		n++
	}
	return n
}

// writeLevels writes the signs of the trailing ones and then the other levels (9.2.2).
func writeLevels(w *bitWriter, levels []int32, ones int) {
	for _, l := range levels[:ones] {
		w.flag(l < 0)
	}
	suffix := 0
	if len(levels) > 10 && ones < 3 {
		suffix = 1
	}
	for i, l := range levels[ones:] {
		code := 2*l - 2
		if l < 0 {
			code = -2*l - 1
		}
		if i == 0 && ones < 3 {
			code -= 2 // ±1 is impossible here: it would have been a trailing one
		}
		writeLevel(w, uint32(code), suffix)
		if suffix == 0 {
			suffix = 1
		}
		if max(l, -l) > 3<<(suffix-1) && suffix < 6 {
			suffix++
		}
	}
}

// writeLevel writes one level code as level_prefix and level_suffix (9.2.2.1). The escape with its 12
// bits is the longest a Baseline decoder takes; the quantiser keeps levels inside it.
func writeLevel(w *bitWriter, code uint32, suffix int) {
	switch {
	case suffix == 0 && code < 14:
		w.u(int(code)+1, 1)
	case suffix == 0 && code < 30:
		w.u(15, 1)
		w.u(4, code-14)
	case suffix == 0:
		w.u(16, 1)
		w.u(12, code-30)
	case code < 15<<suffix:
		w.u(int(code>>suffix)+1, 1)
		w.u(suffix, code)
	default:
		w.u(16, 1)
		w.u(12, code-15<<suffix)
	}
}
