//go:build !linux

package timeline

import (
	"errors"
	"os"
)

func syncData(f *os.File) error { return f.Sync() }

// syncFileSystem has no equivalent here; each file is then synced by itself.
func syncFileSystem(*os.File) error { return errors.ErrUnsupported }

func spread(string) {}

// statFS knows nothing here: no space is left free.
func statFS(string) (total, free int64, err error) { return 0, 0, errors.ErrUnsupported }
