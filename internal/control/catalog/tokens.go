package catalog

import (
	"context"
	"strings"
	"time"
)

// Token is an API token; only a keyed hash of its secret is kept.
type Token struct {
	ID, Name, Lookup      string
	Scopes                []string
	CreatedAt, LastUsedAt time.Time // zero: never
}

const tokenColumns = `id, name, scopes, lookup, created_at, last_used_at`

func scanToken(row scanner) (Token, error) {
	var t Token
	var scopes string
	var created, used int64
	err := row.Scan(&t.ID, &t.Name, &scopes, &t.Lookup, &created, &used)
	t.Scopes = strings.Fields(scopes)
	t.CreatedAt, t.LastUsedAt = instant(created), instant(used)
	return t, notFound(err)
}

// AddToken stores a new token, or gives ErrExists.
func (s *Store) AddToken(ctx context.Context, t Token) error {
	return s.insert(ctx, `INSERT INTO api_tokens (`+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		t.ID, t.Name, strings.Join(t.Scopes, " "), t.Lookup, stamp(t.CreatedAt), stamp(t.LastUsedAt))
}

// TokenByLookup returns the token whose secret has this keyed hash, or ErrNotFound.
func (s *Store) TokenByLookup(ctx context.Context, lookup string) (Token, error) {
	return scanToken(s.db.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM api_tokens WHERE lookup = $1`, lookup))
}

// Tokens returns up to limit tokens with an ID above after, in the order of IDs.
func (s *Store) Tokens(ctx context.Context, after string, limit int) ([]Token, error) {
	return list(ctx, s, scanToken, `SELECT `+tokenColumns+` FROM api_tokens WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// UseToken notes when a token was last used.
func (s *Store) UseToken(ctx context.Context, id string, at time.Time) error {
	return s.one(ctx, `UPDATE api_tokens SET last_used_at = $1 WHERE id = $2`, stamp(at), id)
}

// DeleteToken removes a token, or gives ErrNotFound.
func (s *Store) DeleteToken(ctx context.Context, id string) error {
	return s.one(ctx, `DELETE FROM api_tokens WHERE id = $1`, id)
}
