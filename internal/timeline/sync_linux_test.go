package timeline

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFoldersAreSpread: a new volume asks ext4 for block groups of its own, where the file system knows how.
func TestFoldersAreSpread(t *testing.T) {
	probe := t.TempDir()
	flags := func(dir string) int {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		n, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		if err != nil {
			t.Skip("no flags on this file system")
		}
		return n
	}
	if spread(probe); flags(probe)&topDir == 0 {
		t.Skip("the file system does not take the flag")
	}
	dir := t.TempDir()
	openDir(t, dir, Config{})
	if flags(dir)&topDir == 0 {
		t.Error("the volume's folder has not got the flag")
	}
	spread(dir + "/nothing") // no harm
}

// What is no file among those that were open neither holds up the start nor is touched.
func TestOddThingsAmongOpenFiles(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, openFolder)
	pipe, link, folder, mine := filepath.Join(open, "1-v0-0"+openSuffix), filepath.Join(open, "2-v0-0"+openSuffix), filepath.Join(open, "3.draft"), filepath.Join(dir, "mine")
	if err := errors.Join(os.MkdirAll(folder, 0o700), unix.Mkfifo(pipe, 0o600), os.WriteFile(mine, []byte("mine"), 0o600), os.Symlink(mine, link)); err != nil {
		t.Fatal(err)
	}
	openDir(t, dir, Config{})
	for _, path := range []string{pipe, link, folder, mine} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}
