//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package server

import "os"

// lock has no equivalent here.
func lock(*os.File) error { return nil }

func holder(*os.File) string { return "-" }
