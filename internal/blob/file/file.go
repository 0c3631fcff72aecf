// Package file is a blob store in a folder: each object is a file whose path is its key.
// Everything is synced before it is said to be done: the file, then its name. What does not
// belong here: what the objects hold, and files of the folder that are no objects.
package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"weir/internal/blob"
	"weir/internal/fault"
)

// draft is the folder of what is not whole yet. No key can have a '~'.
const draft = "~draft"

// Store keeps objects in a folder. One process has a folder at a time.
type Store struct {
	dir string
	// mu makes "is it there?" and "now it is" one step, and keeps a folder from being removed
	// as empty while an object is about to move in.
	mu sync.Mutex
}

// New opens the folder, making it if need be, and removes what a crash has left half-written.
func New(dir string) (*Store, error) {
	s := &Store{dir: dir}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, failed(err)
	}
	// The folder above may be another's, and then it has been there for long.
	if err := syncFolder(filepath.Dir(filepath.Clean(dir))); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, failed(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, draft)); err != nil {
		return nil, failed(err)
	}
	if err := os.Mkdir(filepath.Join(dir, draft), 0o750); err != nil {
		return nil, failed(err)
	}
	return s, nil
}

// failed is the fault for what the file system refuses. The cause stays in it, so that
// errors.Is finds a full disk.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(err, fault.Unavailable, "object_store_failed", "The storage folder does not work.",
		"Check the disk, its free space and the rights on the folder.")
}

func (s *Store) path(key string) string { return filepath.Join(s.dir, filepath.FromSlash(key)) }

func check(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if err := s.free(key); err != nil {
		return err // before all the bytes are read for nothing
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, draft), "")
	if err != nil {
		return failed(err)
	}
	err = fill(ctx, f, r, size)
	if err == nil {
		err = s.move(f.Name(), key)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return s.syncOf(key)
}

// fill writes the object into its draft and closes it.
func fill(ctx context.Context, f *os.File, r io.Reader, size int64) error {
	n, err := io.Copy(sink{f}, io.LimitReader(&patient{ctx, r}, size+1))
	if err == nil && n != size {
		err = blob.ErrSize
	}
	if err == nil {
		err = failed(f.Sync())
	}
	if e := f.Close(); err == nil {
		err = failed(e)
	}
	return err
}

// sink tells a disk that does not take bytes from a source that does not give them.
type sink struct{ f *os.File }

func (s sink) Write(b []byte) (int, error) {
	n, err := s.f.Write(b)
	return n, failed(err)
}

// patient reads until its context ends.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// free says whether an object of this key may come.
func (s *Store) free(key string) error {
	switch st, err := os.Lstat(s.path(key)); {
	case err == nil && st.IsDir():
		return blob.ErrFolder
	case err == nil:
		return blob.ErrExists
	case errors.Is(err, syscall.ENOTDIR):
		return blob.ErrFolder
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return failed(err)
	}
}

// move gives a whole and synced file its name.
func (s *Store) move(from, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.free(key); err != nil {
		return err
	}
	if err := makeFolders(s.dir, filepath.Dir(filepath.FromSlash(key))); err != nil {
		return failed(err)
	}
	if err := os.Rename(from, s.path(key)); err != nil {
		return failed(err)
	}
	return nil
}

// makeFolders makes the folders of rel below dir, each durable in the one above it.
func makeFolders(dir, rel string) error {
	if rel == "." {
		return nil
	}
	for part := range strings.SplitSeq(rel, string(filepath.Separator)) {
		above := dir
		dir = filepath.Join(dir, part)
		err := os.Mkdir(dir, 0o750)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = syncFolder(above)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// syncOf makes the name of an object durable.
func (s *Store) syncOf(key string) error {
	err := syncFolder(filepath.Dir(s.path(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted again meanwhile, with its folder
	}
	return failed(err)
}

// Adopt implements blob.Adopter. From another file system the file is copied.
func (s *Store) Adopt(ctx context.Context, key, path string) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if err := syncFile(path); err != nil {
		return failed(err)
	}
	err := s.move(path, key)
	if errors.Is(err, syscall.EXDEV) {
		return s.copyFrom(ctx, key, path)
	}
	if err != nil {
		return err
	}
	return errors.Join(s.syncOf(key), failed(syncFolder(filepath.Dir(path))))
}

func (s *Store) copyFrom(ctx context.Context, key, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return failed(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return failed(err)
	}
	if err := s.Put(ctx, key, f, st.Size()); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return failed(err)
	}
	return failed(syncFolder(filepath.Dir(path)))
}

type object struct {
	f    *os.File
	size int64
}

func (o *object) ReadAt(b []byte, off int64) (int, error) { return o.f.ReadAt(b, off) }
func (o *object) Close() error                            { return o.f.Close() }
func (o *object) Size() int64                             { return o.size }

// File is the object's own descriptor, valid until Close.
func (o *object) File() *os.File { return o.f }

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, key string) (blob.Object, error) {
	info, err := s.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, blob.ErrUnknown
	}
	if err != nil {
		return nil, failed(err)
	}
	return &object{f, info.Size}, nil
}

// Delete implements blob.Store. Folders that are empty then go too.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.stat(key); err != nil {
		if errors.Is(err, blob.ErrUnknown) {
			return nil
		}
		return err
	}
	if err := os.Remove(s.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed(err)
	}
	dir := filepath.Dir(s.path(key))
	for dir != filepath.Clean(s.dir) && os.Remove(dir) == nil {
		dir = filepath.Dir(dir)
	}
	// If it came back after a power loss, it would be taken for an unknown object.
	return failed(syncFolder(dir))
}

// stat looks at an object; a folder is none.
func (s *Store) stat(key string) (fs.FileInfo, error) {
	st, err := os.Stat(s.path(key))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), err == nil && !st.Mode().IsRegular():
		return nil, blob.ErrUnknown
	case err != nil:
		return nil, failed(err)
	}
	return st, nil
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := check(ctx, key); err != nil {
		return blob.Info{}, err
	}
	st, err := s.stat(key)
	if err != nil {
		return blob.Info{}, err
	}
	return blob.Info{Key: key, Size: st.Size(), Modified: st.ModTime()}, nil
}

// List implements blob.Store. Files that are no objects are passed over.
func (s *Store) List(ctx context.Context, prefix string, visit func(blob.Info) error) error {
	return s.list(ctx, "", prefix, visit)
}

// list visits the folder at, which is "" or ends in a slash.
func (s *Store) list(ctx context.Context, at, prefix string, visit func(blob.Info) error) error {
	entries, err := os.ReadDir(filepath.Join(s.dir, filepath.FromSlash(at)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failed(err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/" // so that "a.b" comes before "a/b", as their bytes say
		}
		key := at + name
		if (strings.HasPrefix(key, prefix) || e.IsDir() && strings.HasPrefix(prefix, key)) && blob.CheckKey(strings.TrimSuffix(key, "/")) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if strings.HasSuffix(name, "/") {
			err = s.list(ctx, at+name, prefix, visit)
		} else {
			err = s.visit(at+name, visit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) visit(key string, visit func(blob.Info) error) error {
	st, err := s.stat(key)
	if errors.Is(err, blob.ErrUnknown) {
		return nil // gone meanwhile, or no plain file
	}
	if err != nil {
		return err
	}
	return visit(blob.Info{Key: key, Size: st.Size(), Modified: st.ModTime()})
}
