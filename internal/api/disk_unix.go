//go:build unix

package api

import "golang.org/x/sys/unix"

// disk asks for the room that an ordinary user has.
func disk(dir string) (Disk, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Disk{}, err
	}
	size := uint64(s.Bsize) //nolint:unconvert // the type differs between systems
	return Disk{FreeBytes: uint64(s.Bavail) * size, TotalBytes: s.Blocks * size}, nil
}
