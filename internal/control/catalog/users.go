package catalog

import (
	"cmp"
	"context"
	"time"
)

// User is somebody who may sign in; PasswordHash is "" while none is set.
type User struct {
	ID, Name, Role, PasswordHash string
	CreatedAt                    time.Time
}

// WebSession is a signed-in browser; Lookup is a keyed hash of its cookie.
type WebSession struct {
	Lookup, UserID, Agent string
	CreatedAt, ExpiresAt  time.Time
}

// LoginLink signs a browser in once; Lookup is a keyed hash of its token.
type LoginLink struct {
	Lookup, UserID       string
	CreatedAt, ExpiresAt time.Time
}

const userColumns = `id, name, role, password_hash, created_at`

func scanUser(row scanner) (User, error) {
	var u User
	var created int64
	err := row.Scan(&u.ID, &u.Name, &u.Role, &u.PasswordHash, &created)
	u.CreatedAt = instant(created)
	return u, notFound(err)
}

// AddUser stores a new user, or gives ErrExists when the ID or name is taken.
func (s *Store) AddUser(ctx context.Context, u User) error {
	return s.insert(ctx, `INSERT INTO users (`+userColumns+`) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		u.ID, u.Name, u.Role, u.PasswordHash, stamp(u.CreatedAt))
}

// User returns a user by ID, or ErrNotFound.
func (s *Store) User(ctx context.Context, id string) (User, error) {
	return scanUser(s.db.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE id = $1`, id))
}

// UserByName returns a user by name, or ErrNotFound.
func (s *Store) UserByName(ctx context.Context, name string) (User, error) {
	return scanUser(s.db.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE name = $1`, name))
}

// SetPassword replaces a user's password hash and forgets the user's web sessions,
// but for the one whose lookup is keep, and all login links: all or nothing.
func (s *Store) SetPassword(ctx context.Context, userID, hash, keep string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	result, err := tx.ExecContext(ctx, `UPDATE users SET password_hash = $1 WHERE id = $2`, hash, userID)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return cmp.Or(err, ErrNotFound)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM web_sessions WHERE user_id = $1 AND lookup <> $2`, userID, keep); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM login_links WHERE user_id = $1`, userID); err != nil {
		return err
	}
	return tx.Commit()
}

// AddWebSession stores a signed-in browser and drops those that have expired.
func (s *Store) AddWebSession(ctx context.Context, w WebSession) error {
	if _, err := s.exec(ctx, `DELETE FROM web_sessions WHERE expires_at <= $1`, stamp(w.CreatedAt)); err != nil {
		return err
	}
	return s.insert(ctx, `INSERT INTO web_sessions (lookup, user_id, agent, created_at, expires_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		w.Lookup, w.UserID, w.Agent, stamp(w.CreatedAt), stamp(w.ExpiresAt))
}

// WebSession returns the session with this lookup that has not expired at now, or ErrNotFound.
func (s *Store) WebSession(ctx context.Context, lookup string, now time.Time) (WebSession, error) {
	var w WebSession
	var created, expires int64
	err := s.db.QueryRowContext(ctx,
		`SELECT lookup, user_id, agent, created_at, expires_at FROM web_sessions WHERE lookup = $1 AND expires_at > $2`, lookup, stamp(now),
	).Scan(&w.Lookup, &w.UserID, &w.Agent, &created, &expires)
	w.CreatedAt, w.ExpiresAt = instant(created), instant(expires)
	return w, notFound(err)
}

// DeleteWebSession signs a browser out, or gives ErrNotFound.
func (s *Store) DeleteWebSession(ctx context.Context, lookup string) error {
	return s.one(ctx, `DELETE FROM web_sessions WHERE lookup = $1`, lookup)
}

// AddLoginLink stores a login link and drops those that have expired.
func (s *Store) AddLoginLink(ctx context.Context, l LoginLink) error {
	if _, err := s.exec(ctx, `DELETE FROM login_links WHERE expires_at <= $1`, stamp(l.CreatedAt)); err != nil {
		return err
	}
	return s.insert(ctx, `INSERT INTO login_links (lookup, user_id, created_at, expires_at, used_at) VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING`,
		l.Lookup, l.UserID, stamp(l.CreatedAt), stamp(l.ExpiresAt))
}

// UseLoginLink uses a link up and returns its user's ID. It gives ErrNotFound when
// the link is unknown, used or expired; of two who race, one succeeds.
func (s *Store) UseLoginLink(ctx context.Context, lookup string, now time.Time) (string, error) {
	err := s.one(ctx, `UPDATE login_links SET used_at = $1 WHERE lookup = $2 AND used_at = 0 AND expires_at > $3`, stamp(now), lookup, stamp(now))
	if err != nil {
		return "", err
	}
	var userID string
	err = s.db.QueryRowContext(ctx, `SELECT user_id FROM login_links WHERE lookup = $1`, lookup).Scan(&userID)
	return userID, notFound(err)
}
