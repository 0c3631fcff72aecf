package thumb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"weir/internal/blob"
	"weir/internal/deliver"
	"weir/internal/fault"
	"weir/internal/timeline"
	"weir/internal/transcode"
)

const (
	spritePrefix = "sprite-"
	spriteSuffix = ".jpg"
)

// Start reads the name of a sprite: the beginning of its window. Each sprite has exactly one name.
func Start(file string) (time.Time, bool) {
	digits, ok1 := strings.CutPrefix(file, spritePrefix)
	digits, ok2 := strings.CutSuffix(digits, spriteSuffix)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok1 || !ok2 || err != nil || n < 0 || n > 1<<40 || n%int64(window/time.Second) != 0 || strconv.FormatInt(n, 10) != digits {
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}

// IsSprite reports whether the last part of an address looks like that of a sprite.
func IsSprite(file string) bool {
	return strings.HasPrefix(file, spritePrefix) && strings.HasSuffix(file, spriteSuffix)
}

// ServeSprite answers sprite-<start>.jpg of a stream.
func (s *Server) ServeSprite(w http.ResponseWriter, r *http.Request, name, file string, now time.Time) {
	if !deliver.Allowed(w, r) {
		return
	}
	if err := s.serveSprite(w, r, name, file, now); err != nil && r.Context().Err() == nil {
		deliver.WriteFault(w, r, err)
	}
}

func (s *Server) serveSprite(w http.ResponseWriter, r *http.Request, name, file string, now time.Time) error {
	start, ok := Start(file)
	if !ok {
		return errAddress
	}
	// Thumbnails are part of watching: the session that the viewer's first document opened counts.
	visit, err := s.deliver.Enter(w, r, name, "", false, now)
	if err != nil {
		return err
	}
	name = visit.Session.Name()
	if start.After(now) {
		return errNoFootage
	}
	over := now.After(start.Add(window + afterEnd))
	least, _ := strconv.Atoi(r.URL.Query().Get("n"))
	least = min(max(least, 0), columns*rows)
	p, err := s.get(r.Context(), spriteKey(name, start), now, func(p *picture) bool { return over && p.final || !over && p.count >= least },
		func(ctx context.Context, p *picture) { s.sprite(ctx, name, start, over, p) })
	if err != nil {
		return err
	}
	age := "public, max-age=3600"
	if !over {
		age = "public, max-age=5"
	}
	n := serveJPEG(w, r, p.jpeg, age, visit.Keyed())
	visit.Session.Out(n)
	return nil
}

func serveJPEG(w http.ResponseWriter, r *http.Request, jpeg []byte, age string, keyed bool) int {
	if keyed {
		age = strings.Replace(age, "public", "private", 1)
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(jpeg)))
	h.Set("Cache-Control", age)
	if r.Method == http.MethodHead {
		return 0
	}
	n, _ := w.Write(jpeg) // a failed write means that the peer has gone
	return n
}

const root = "thumbs/"

func folder(name string) string { return root + blob.Escape(name) + "/" }

// spriteKey is where a sprite is kept.
func spriteKey(name string, start time.Time) string {
	return folder(name) + strconv.FormatInt(start.Unix(), 10) + spriteSuffix
}

// sprite fetches or makes the sprite of a window; over says that nothing will be added to it.
func (s *Server) sprite(ctx context.Context, name string, start time.Time, over bool, p *picture) {
	key := spriteKey(name, start)
	p.final, p.until = over, time.Now().Add(fresh)
	if over {
		p.until = time.Now().Add(compared)
	}
	snap, err := s.footage.Past(ctx, name, timeline.Range{From: start, To: start.Add(window)})
	if err != nil && !errors.Is(err, errNoFootage) {
		p.err = err
		return
	}
	var found [columns * rows]spot
	if snap != nil {
		found, p.count = places(snap, start)
	}
	store := s.cfg.Blobs
	if over && store != nil && s.fetch(ctx, key, mask(found[:]), p) {
		return
	}
	switch {
	case err != nil:
		p.err = err
		return
	case p.count == 0:
		p.err = errNoVideo
		return
	}
	jpeg, err := s.engine.Sheet(ctx, sheet, s.shots(name, found[:]))
	if err != nil {
		p.err = err
		return
	}
	p.jpeg = sign(jpeg, mask(found[:]))
	if !over || store == nil {
		return
	}
	if err := store.Put(ctx, key, bytes.NewReader(p.jpeg), int64(len(p.jpeg))); err != nil && !errors.Is(err, blob.ErrExists) {
		s.log.Warn("a sprite could not be kept", "key", key, "cause", err)
	}
}

// fetch takes a kept sprite, unless it cannot be read or shows footage that is gone; then it is removed. have are
// the places that have footage.
func (s *Server) fetch(ctx context.Context, key string, have uint32, p *picture) bool {
	b, err := s.load(ctx, key)
	switch {
	case errors.Is(err, blob.ErrUnknown):
		return false
	case err != nil:
		s.log.Warn("a sprite could not be read, making it again", "key", key, "cause", err)
	case have != 0 && signed(b)&^have == 0:
		s.fromBlobs.Add(1)
		p.jpeg = b
		return true
	}
	if err := s.cfg.Blobs.Delete(ctx, key); err != nil {
		s.log.Warn("a sprite could not be removed", "key", key, "cause", err)
	}
	return false
}

func (s *Server) shots(name string, found []spot) []transcode.Shot {
	var shots []transcode.Shot
	for i := range found {
		x := &found[i]
		if x.rendition == nil {
			continue
		}
		shots = append(shots, transcode.Shot{Place: i, Track: &x.rendition.Track, Load: loader(s, name, x)})
	}
	return shots
}

// load reads a kept sprite.
func (s *Server) load(ctx context.Context, key string) ([]byte, error) {
	o, err := s.cfg.Blobs.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = o.Close() }() // it was only read
	if o.Size() <= 0 || o.Size() > mostFrame {
		return nil, fault.New(fault.Internal, "sprite_size", "A kept sprite has an impossible size.", "")
	}
	b := make([]byte, o.Size())
	if _, err := io.ReadFull(io.NewSectionReader(o, 0, o.Size()), b); err != nil {
		return nil, err
	}
	return b, nil
}

// Sweep forgets the kept sprites of a stream whose windows end at or before an instant, as their footage is gone.
// The zero instant means all of them.
func (s *Server) Sweep(ctx context.Context, name string, before time.Time) error {
	prefix := folder(name)
	gone := func(key string) bool {
		file, ok := strings.CutPrefix(key, prefix)
		start, good := Start(spritePrefix + file)
		return ok && good && (before.IsZero() || !start.Add(window).After(before))
	}
	s.mu.Lock()
	for key, p := range s.kept {
		if done(p) && gone(key) {
			s.dropLocked(key)
		}
	}
	s.mu.Unlock()
	if s.cfg.Blobs == nil {
		return nil
	}
	var keys []string
	err := s.cfg.Blobs.List(ctx, prefix, func(i blob.Info) error {
		if gone(i.Key) {
			keys = append(keys, i.Key)
		}
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, s.cfg.Blobs.Delete(ctx, key))
	}
	return err
}

// Tidy forgets the kept sprites whose footage is gone: oldest says for each stream that has any when its footage begins.
func (s *Server) Tidy(ctx context.Context, oldest map[string]time.Time) error {
	if s.cfg.Blobs == nil {
		return nil
	}
	from := make(map[string]time.Time, len(oldest))
	for name, at := range oldest {
		from[folder(name)] = at
	}
	var keys []string
	err := s.cfg.Blobs.List(ctx, root, func(i blob.Info) error {
		at := strings.LastIndexByte(i.Key, '/') + 1
		start, ok := Start(spritePrefix + i.Key[at:])
		begins, known := from[i.Key[:at]]
		if ok && (!known || !start.Add(window).After(begins)) {
			keys = append(keys, i.Key)
		}
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, s.cfg.Blobs.Delete(ctx, key))
	}
	return err
}
