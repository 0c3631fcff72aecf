package timeline

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"weir/internal/fault"
)

// disk is what recording asks of the operating system. Tests let each call fail, or stop at it.
type disk struct {
	create   func(path string) (*os.File, error)
	open     func(path string) (*os.File, error) // for mending: reading and writing
	write    func(f *os.File, b []byte, at int64) error
	cut      func(f *os.File, size int64) error
	sync     func(f *os.File) error   // contents and size of one file
	syncAll  func(dir *os.File) error // everything on the file system
	syncDir  func(path string) error  // the names in a folder
	syncOpen func(dir *os.File) error // the same, of a folder that is open already: descriptors may have run out
	mkdir    func(path string) error
	link     func(from, to string) error
	rename   func(from, to string) error
	space    func(dir string) (total, free int64, err error)
	remove   func(path string) error
}

func realDisk() disk {
	return disk{
		create: func(path string) (*os.File, error) {
			return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
		},
		open: func(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR, 0) },
		write: func(f *os.File, b []byte, at int64) error {
			_, err := f.WriteAt(b, at)
			return err
		},
		cut:     func(f *os.File, size int64) error { return f.Truncate(size) },
		space:   statFS,
		sync:    syncData,
		syncAll: syncFileSystem,
		syncDir: func(path string) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			return errors.Join(f.Sync(), f.Close())
		},
		syncOpen: func(dir *os.File) error { return dir.Sync() },
		mkdir:    func(path string) error { return os.Mkdir(path, 0o750) },
		link:     os.Link,
		rename:   os.Rename,
		remove: func(path string) error {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		},
	}
}

// counted is the disk with its syncs counted.
func (d disk) counted(n *atomic.Int64) disk {
	file := func(sync func(*os.File) error) func(*os.File) error {
		return func(f *os.File) error {
			n.Add(1)
			return sync(f)
		}
	}
	syncDir := d.syncDir
	d.sync, d.syncAll, d.syncOpen = file(d.sync), file(d.syncAll), file(d.syncOpen)
	d.syncDir = func(path string) error {
		n.Add(1)
		return syncDir(path)
	}
	return d
}

// replace writes a small file so that after a crash it has either its old or its new content.
func (d *disk) replace(path string, content []byte) error {
	draft := path + ".draft"
	if err := d.remove(draft); err != nil {
		return err
	}
	f, err := d.create(draft)
	if err != nil {
		return err
	}
	err = d.write(f, content, 0)
	if err == nil {
		err = d.sync(f)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = d.rename(draft, path)
	}
	if err == nil {
		err = d.syncDir(filepath.Dir(path))
	}
	return err
}

// trouble says in words what is wrong with the disk, what it makes of the volume, and what to do.
func trouble(err error) (state, cause, remedy string) {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), fault.Code(err) == "index_full":
		return VolumeFull, "the disk is full", "Free some space, or keep less footage; recording resumes by itself."
	case errors.Is(err, syscall.EROFS):
		return VolumeReadOnly, "the disk can only be read", "Look at the system's log for why it was made read-only, and mount it for writing again."
	case errors.Is(err, syscall.EIO):
		return VolumeFailed, "the disk reports errors", "Check the disk and its cables, and copy the footage to another one."
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return VolumeFailed, "too many files are open", "Raise the limit of open files (LimitNOFILE, ulimit -n)."
	case errors.Is(err, fs.ErrPermission):
		return VolumeFailed, "the folder may not be written to", "Give the server's user the right to write to the folder."
	case errors.Is(err, fs.ErrNotExist):
		return VolumeFailed, "the folder has gone", "Mount the disk again, or make the folder."
	}
	return VolumeFailed, "the disk cannot be written (" + err.Error() + ")", "Check the disk."
}
