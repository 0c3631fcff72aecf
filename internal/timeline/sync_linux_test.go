package timeline

import (
	"os"
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
