// Package sqlite opens the catalog's default database, a file in the data folder.
// What belongs here: the driver and its settings. What does not: tables and queries
// (catalog), which know no driver.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// File is the database's name in the data folder.
const File = "catalog.db"

// Open opens, and creates if missing, the database in the folder dir. The file can
// be read by nobody but its owner. Several processes may have it open: readers never
// wait (WAL) and a writer waits up to ten seconds for another.
func Open(ctx context.Context, dir string) (*sql.DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	path, err := filepath.Abs(filepath.Join(dir, File))
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db, err := sql.Open("sqlite", source(path))
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(2)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: open %s: %w", path, err), db.Close())
	}
	return db, nil
}

// create makes the file before SQLite does, because SQLite would follow the umask;
// its journal files take their mode from this one.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func source(path string) string {
	q := url.Values{}
	// busy_timeout comes first: changing the journal mode needs the lock already.
	for _, pragma := range []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-1024)"} {
		q.Add("_pragma", pragma)
	}
	// A transaction that starts reading and then writes could fail instead of waiting.
	q.Set("_txlock", "immediate")
	u := url.URL{Path: filepath.ToSlash(path)}
	return "file:" + strings.ReplaceAll(u.EscapedPath(), "?", "%3f") + "?" + q.Encode()
}
