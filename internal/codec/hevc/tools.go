package hevc

import "weir/internal/bits"

// skipTools passes over the coding tools between the picture order fields and the reference picture sets.
func skipTools(r *bits.Reader) bool {
	for range 6 {
		r.UE() // block sizes and depths
	}
	if r.Flag() && r.Flag() {
		skipScalingLists(r)
	}
	r.U(2) // amp, sample adaptive offset
	if r.Flag() {
		r.U(8)
		r.UE()
		r.UE()
		r.Flag()
	}
	return r.OK()
}

// skipScalingLists passes over scaling_list_data (7.3.4).
func skipScalingLists(r *bits.Reader) {
	for size := range 4 {
		step := 1
		if size == 3 {
			step = 3
		}
		for i := 0; i < 6; i += step {
			if !r.Flag() {
				r.UE()
				continue
			}
			if size > 1 {
				r.SE()
			}
			for range min(64, 1<<(4+size<<1)) {
				r.SE()
			}
		}
	}
}

// refSet is a short-term reference picture set (7.4.8): distances to earlier pictures, nearest first, and to later ones.
type refSet struct {
	before, after   [16]int
	nBefore, nAfter int
}

// skipReferences passes over the short-term and long-term reference pictures. A set
// may be coded as a change of the one before, so each must be understood to find its end.
func skipReferences(r *bits.Reader, pocBits uint) bool {
	count := r.UE()
	if count > 64 {
		return false
	}
	var last refSet
	for i := range count {
		ok := false
		if i > 0 && r.Flag() {
			last, ok = readPredicted(r, &last)
		} else {
			last, ok = readExplicit(r)
		}
		if !ok || !r.OK() {
			return false
		}
	}
	if r.Flag() {
		long := r.UE()
		if long > 32 {
			return false
		}
		r.Skip(int(long) * int(pocBits+1))
	}
	return r.OK()
}

func readExplicit(r *bits.Reader) (s refSet, ok bool) {
	before, after := r.UE(), r.UE()
	if before > 16 || after > 16 || before+after > 16 {
		return s, false
	}
	s.nBefore, s.nAfter = int(before), int(after)
	at := 0
	for i := range s.nBefore {
		at -= int(r.UE()&0x7FFF) + 1
		s.before[i] = at
		r.Flag()
	}
	at = 0
	for i := range s.nAfter {
		at += int(r.UE()&0x7FFF) + 1
		s.after[i] = at
		r.Flag()
	}
	return s, true
}

// readPredicted reads a set coded as a shift of ref (7-61, 7-62).
func readPredicted(r *bits.Reader, ref *refSet) (s refSet, ok bool) {
	negative := r.Flag()
	shift := int(r.UE()&0x7FFF) + 1
	if negative {
		shift = -shift
	}
	total := ref.nBefore + ref.nAfter
	var use [17]bool
	for j := range total + 1 {
		use[j] = r.Flag() || r.Flag()
	}
	add := func(distance int, used bool) {
		switch {
		case !used || distance == 0:
		case distance < 0 && s.nBefore+s.nAfter < 16:
			s.before[s.nBefore] = distance
			s.nBefore++
		case distance > 0 && s.nBefore+s.nAfter < 16:
			s.after[s.nAfter] = distance
			s.nAfter++
		}
	}
	side := func(sign int, near, far *[16]int, nNear, nFar, useNear, useFar int) {
		for j := nFar - 1; j >= 0; j-- {
			if d := far[j] + shift; d*sign > 0 {
				add(d, use[useFar+j])
			}
		}
		if shift*sign > 0 {
			add(shift, use[total])
		}
		for j := range nNear {
			if d := near[j] + shift; d*sign > 0 {
				add(d, use[useNear+j])
			}
		}
	}
	side(-1, &ref.before, &ref.after, ref.nBefore, ref.nAfter, 0, ref.nBefore)
	side(+1, &ref.after, &ref.before, ref.nAfter, ref.nBefore, ref.nBefore, 0)
	return s, true
}
