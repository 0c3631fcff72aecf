package timeline

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"

	"weir/internal/blob"
)

const maxIdleFiles = 4

// objects hands out descriptors of one object. Each reader gets one of its own, because sendfile moves the
// descriptor's offset; a few are kept for the next reader.
type objects struct {
	open func() (blob.Object, error)

	mu      sync.Mutex
	idle    []blob.Object
	retired bool
}

func (o *objects) get() (blob.Object, error) {
	o.mu.Lock()
	if n := len(o.idle); n > 0 {
		obj := o.idle[n-1]
		o.idle = o.idle[:n-1]
		o.mu.Unlock()
		return obj, nil
	}
	o.mu.Unlock()
	return o.open()
}

func (o *objects) put(obj blob.Object) {
	o.mu.Lock()
	keep := !o.retired && len(o.idle) < maxIdleFiles
	if keep {
		o.idle = append(o.idle, obj)
	}
	o.mu.Unlock()
	if !keep {
		_ = obj.Close()
	}
}

// retire closes what is idle, and what is put back later. The object can still be read.
func (o *objects) retire() {
	o.mu.Lock()
	idle := o.idle
	o.idle, o.retired = nil, true
	o.mu.Unlock()
	for _, obj := range idle {
		_ = obj.Close()
	}
}

// localFile is a file of the open folder as an object.
type localFile struct{ f *os.File }

func (l localFile) ReadAt(b []byte, at int64) (int, error) { return l.f.ReadAt(b, at) }

func (l localFile) Close() error { return l.f.Close() }

func (l localFile) File() *os.File { return l.f }

func (l localFile) Size() int64 {
	st, err := l.f.Stat()
	if err != nil {
		return 0
	}
	return st.Size()
}

// fileOf is the descriptor of an object that lies in a local file, or nil.
func fileOf(o blob.Object) *os.File {
	if f, ok := o.(interface{ File() *os.File }); ok {
		return f.File()
	}
	return nil
}

// opener opens a file wherever it is: in the open folder, or already in the blob store.
func (v *volume) opener(path, key string) func() (blob.Object, error) {
	return func() (blob.Object, error) {
		for range 2 { // it may move just between the two looks
			f, err := os.Open(path)
			if err == nil {
				return localFile{f}, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			o, err := v.blobs.Open(context.Background(), key)
			if !errors.Is(err, blob.ErrUnknown) {
				return o, err
			}
		}
		return nil, ErrGone
	}
}
