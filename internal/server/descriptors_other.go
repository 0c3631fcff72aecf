//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package server

import "math"

func descriptors() int { return math.MaxInt32 }
