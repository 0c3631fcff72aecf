// Package mem is a blob store in memory, for tests. Nothing outlives the process.
package mem

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/internal/blob"
)

// Store keeps objects in memory.
type Store struct {
	mu      sync.Mutex
	objects map[string]entry
}

type entry struct {
	data []byte
	at   time.Time
}

// New returns an empty store.
func New() *Store { return &Store{objects: map[string]entry{}} }

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if err := s.free(key); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(r, size+1))
	if err != nil {
		return err
	}
	if int64(len(data)) != size {
		return blob.ErrSize
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.freeLocked(key); err != nil {
		return err
	}
	s.objects[key] = entry{data, time.Now()}
	return nil
}

func (s *Store) free(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.freeLocked(key)
}

// freeLocked says whether an object of this key may come.
func (s *Store) freeLocked(key string) error {
	if _, ok := s.objects[key]; ok {
		return blob.ErrExists
	}
	for other := range s.objects {
		if strings.HasPrefix(other, key+"/") || strings.HasPrefix(key, other+"/") {
			return blob.ErrFolder
		}
	}
	return nil
}

func (s *Store) get(ctx context.Context, key string) (entry, error) {
	if err := blob.CheckKey(key); err != nil {
		return entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.objects[key]
	if !ok {
		return e, blob.ErrUnknown
	}
	return e, ctx.Err()
}

type object struct{ *bytes.Reader }

func (object) Close() error { return nil }

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, key string) (blob.Object, error) {
	e, err := s.get(ctx, key)
	if err != nil {
		return nil, err
	}
	return object{bytes.NewReader(e.data)}, nil
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	e, err := s.get(ctx, key)
	return blob.Info{Key: key, Size: int64(len(e.data)), Modified: e.at}, err
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context, prefix string, visit func(blob.Info) error) error {
	s.mu.Lock()
	objects := maps.Clone(s.objects)
	s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := visit(blob.Info{Key: key, Size: int64(len(objects[key].data)), Modified: objects[key].at}); err != nil {
			return err
		}
	}
	return nil
}
