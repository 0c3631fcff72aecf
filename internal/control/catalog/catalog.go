// Package catalog keeps the server's records: keys, tokens, users, web sessions,
// login links, relays, webhooks and what these have still to be told. What belongs here: the records, their tables
// and their queries, in the SQL that SQLite and PostgreSQL share. What does not:
// opening a database (catalog/sqlite), secrets in the clear and rules about who may
// do what (control/access).
package catalog

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"weir/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The ways in which a query fails although the database works.
var (
	ErrNotFound = errors.New("catalog: no such record")
	ErrExists   = errors.New("catalog: such a record exists already")
)

// Dialect says which database is behind a *sql.DB.
type Dialect string

// SQLite is the default database.
const SQLite Dialect = "sqlite3"

// Store answers queries. All methods are safe for concurrent use, also by several
// processes on one database.
type Store struct{ db *sql.DB }

// New migrates db forward to this program's tables and returns a store over it.
// It fails when the database was made by a newer program.
func New(ctx context.Context, db *sql.DB, dialect Dialect) (*Store, error) {
	if err := migrate(ctx, db, dialect); err != nil {
		return nil, err
	}
	return &Store{db: db}, nil
}

// migrate may race with another process on a new database: the loser finds the
// tables made, and the next attempt sees the winner's version.
func migrate(ctx context.Context, db *sql.DB, dialect Dialect) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		provider, err := goose.NewProvider(goose.Dialect(dialect), db, files, goose.WithLogger(goose.NopLogger()))
		if err != nil {
			return fmt.Errorf("catalog: migrations: %w", err)
		}
		current, target, err := provider.GetVersions(ctx)
		if err == nil && current > target {
			return fault.New(fault.Unsupported, "catalog_newer", fmt.Sprintf("The catalog has version %d and was made by a newer Weir; this one knows version %d.", current, target),
				"Start the newer one, or restore the data folder from a backup that was made before.")
		}
		if err == nil {
			_, err = provider.Up(ctx)
		}
		if err == nil {
			return nil
		}
		if attempt == 5 || ctx.Err() != nil {
			return fmt.Errorf("catalog: migrate: %w", err)
		}
	}
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Stats describes the pool of connections.
func (s *Store) Stats() sql.DBStats { return s.db.Stats() }

// Setting returns the value of a setting, or ErrNotFound.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	var value string
	err := s.db.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = $1`, name).Scan(&value)
	return value, notFound(err)
}

// InitSetting stores value unless the setting exists, and returns what is stored.
func (s *Store) InitSetting(ctx context.Context, name, value string) (string, error) {
	_, err := s.db.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, value)
	if err != nil {
		return "", err
	}
	return s.Setting(ctx, name)
}

// insert runs an INSERT … ON CONFLICT DO NOTHING and tells a conflict as ErrExists,
// which needs no error codes of a driver.
func (s *Store) insert(ctx context.Context, query string, args ...any) error {
	n, err := s.exec(ctx, query, args...)
	if err == nil && n == 0 {
		return ErrExists
	}
	return err
}

// one runs a statement that must change a record, or gives ErrNotFound.
func (s *Store) one(ctx context.Context, query string, args ...any) error {
	n, err := s.exec(ctx, query, args...)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

func (s *Store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

type scanner interface{ Scan(dest ...any) error }

func list[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		record, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, record)
	}
	return all, rows.Err()
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// stamp and instant turn times into milliseconds and back; 0 is the zero time.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
