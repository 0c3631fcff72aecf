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

const topDir = 0x20000 // FS_TOPDIR_FL, chattr +T

// spread asks ext4 to give the folders in dir block groups of their own. Each sync writes the inodes of all files that grow; in a
// group that others have filled with holes they would lie in many times as many pages. Other file systems refuse, and need not care.
func spread(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil && flags&topDir == 0 {
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|topDir) // only for speed
	}
}

// statFS gives the size of a file system and what of it users may still fill.
func statFS(dir string) (total, free int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Blocks) * int64(s.Bsize), int64(s.Bavail) * int64(s.Bsize), nil
}
