package timeline

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	fewFolders = 2 // up to here each folder is synced by itself; beyond, the whole file system at once
	linkTries  = 5 // a folder that is empty is removed by whoever deletes the last object in it
)

// unsynced is the folders that have names that a power cut would lose.
type unsynced map[string]struct{}

func (u *unsynced) add(dir string) {
	if *u == nil {
		*u = unsynced{}
	}
	(*u)[dir] = struct{}{}
}

func (v *volume) sealedPath(key string) string {
	return filepath.Join(v.dir, sealedFolder, filepath.FromSlash(key))
}

// linkSealed gives a file that is synced a second name in the folder of sealed files.
func (v *volume) linkSealed(key, path string, names *unsynced) error {
	to := v.sealedPath(key)
	for try := 1; ; try++ {
		err := v.makeFolders(filepath.Dir(to), names)
		if err == nil {
			err = v.disk.link(path, to)
		}
		switch {
		case err == nil:
			names.add(filepath.Dir(to))
			return nil
		case errors.Is(err, fs.ErrNotExist) && try < linkTries:
		default:
			return err
		}
	}
}

// makeFolders makes what is missing of a folder below the volume's.
func (v *volume) makeFolders(dir string, names *unsynced) error {
	rel, err := filepath.Rel(v.dir, dir)
	if err != nil {
		return err
	}
	at := v.dir
	for part := range strings.SplitSeq(rel, string(filepath.Separator)) {
		above := at
		at = filepath.Join(at, part)
		switch err := v.disk.mkdir(at); {
		case err == nil:
			names.add(above)
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	return nil
}

// syncNames makes names durable, of many folders with one call.
func (v *volume) syncNames(names *unsynced) error {
	if len(*names) > fewFolders && v.syncAll() == nil {
		return nil
	}
	for dir := range *names {
		if err := v.disk.syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // deleted again, with its folder
			return err
		}
	}
	return nil
}

func noLinks(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EMLINK)
}
