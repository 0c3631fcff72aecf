package timeline

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes a file's contents and size durable, without its times.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

// syncFileSystem makes everything on the file system of f durable. It reports errors of writing since Linux 5.8.
func syncFileSystem(f *os.File) error { return unix.Syncfs(int(f.Fd())) }

// statFS gives the size of a file system and what of it users may still fill.
func statFS(dir string) (total, free int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Blocks) * s.Bsize, int64(s.Bavail) * s.Bsize, nil
}
