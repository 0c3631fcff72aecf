package catalog

import (
	"context"
	"strings"
	"time"
)

// Key is a stream key. Its secret is sealed; Lookup is a keyed hash of it.
type Key struct {
	ID, Name, Pattern, Sealed, Lookup string
	Actions                           []string
	CreatedAt, RotatedAt, LastUsedAt  time.Time // zero: never
	ShownCount                        int64
}

// Showing records that a key's secret was shown to somebody.
type Showing struct {
	ID, KeyID, Who, Via string
	At                  time.Time
}

const keyColumns = `id, name, pattern, actions, sealed, lookup, created_at, rotated_at, last_used_at, shown_count`

func scanKey(row scanner) (Key, error) {
	var k Key
	var actions string
	var created, rotated, used int64
	err := row.Scan(&k.ID, &k.Name, &k.Pattern, &actions, &k.Sealed, &k.Lookup, &created, &rotated, &used, &k.ShownCount)
	k.Actions = strings.Fields(actions)
	k.CreatedAt, k.RotatedAt, k.LastUsedAt = instant(created), instant(rotated), instant(used)
	return k, notFound(err)
}

// AddKey stores a new key, or gives ErrExists when its ID or Lookup is taken.
func (s *Store) AddKey(ctx context.Context, k Key) error {
	return s.insert(ctx, `INSERT INTO stream_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		k.ID, k.Name, k.Pattern, strings.Join(k.Actions, " "), k.Sealed, k.Lookup,
		stamp(k.CreatedAt), stamp(k.RotatedAt), stamp(k.LastUsedAt), k.ShownCount)
}

// Key returns a key by ID, or ErrNotFound.
func (s *Store) Key(ctx context.Context, id string) (Key, error) {
	return scanKey(s.db.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM stream_keys WHERE id = $1`, id))
}

// KeyByLookup returns the key whose secret has this keyed hash, or ErrNotFound.
func (s *Store) KeyByLookup(ctx context.Context, lookup string) (Key, error) {
	return scanKey(s.db.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM stream_keys WHERE lookup = $1`, lookup))
}

// KeysByPattern returns the keys of exactly this pattern, oldest first.
func (s *Store) KeysByPattern(ctx context.Context, pattern string) ([]Key, error) {
	return list(ctx, s, scanKey, `SELECT `+keyColumns+` FROM stream_keys WHERE pattern = $1 ORDER BY id`, pattern)
}

// Keys returns up to limit keys with an ID above after, in the order of IDs.
func (s *Store) Keys(ctx context.Context, after string, limit int) ([]Key, error) {
	return list(ctx, s, scanKey, `SELECT `+keyColumns+` FROM stream_keys WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// RotateKey replaces a key's secret, or gives ErrNotFound.
func (s *Store) RotateKey(ctx context.Context, id, sealed, lookup string, at time.Time) error {
	return s.one(ctx, `UPDATE stream_keys SET sealed = $1, lookup = $2, rotated_at = $3 WHERE id = $4`, sealed, lookup, stamp(at), id)
}

// UseKey notes when a key was last used.
func (s *Store) UseKey(ctx context.Context, id string, at time.Time) error {
	return s.one(ctx, `UPDATE stream_keys SET last_used_at = $1 WHERE id = $2`, stamp(at), id)
}

// DeleteKey removes a key and the record of its showings, or gives ErrNotFound.
func (s *Store) DeleteKey(ctx context.Context, id string) error {
	return s.one(ctx, `DELETE FROM stream_keys WHERE id = $1`, id)
}

// ShowKey records a showing and counts it, both or neither, and returns the key.
func (s *Store) ShowKey(ctx context.Context, w Showing) (Key, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return Key{}, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	if _, err := tx.ExecContext(ctx, `UPDATE stream_keys SET shown_count = shown_count + 1 WHERE id = $1`, w.KeyID); err != nil {
		return Key{}, err
	}
	k, err := scanKey(tx.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM stream_keys WHERE id = $1`, w.KeyID))
	if err != nil {
		return Key{}, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO key_showings (id, key_id, at, who, via) VALUES ($1, $2, $3, $4, $5)`,
		w.ID, w.KeyID, stamp(w.At), w.Who, w.Via); err != nil {
		return Key{}, err
	}
	return k, tx.Commit()
}

// Showings returns the latest showings of a key, newest first.
func (s *Store) Showings(ctx context.Context, keyID string, limit int) ([]Showing, error) {
	scan := func(row scanner) (Showing, error) {
		var w Showing
		var at int64
		err := row.Scan(&w.ID, &w.KeyID, &at, &w.Who, &w.Via)
		w.At = instant(at)
		return w, err
	}
	return list(ctx, s, scan, `SELECT id, key_id, at, who, via FROM key_showings WHERE key_id = $1 ORDER BY id DESC LIMIT $2`, keyID, limit)
}
