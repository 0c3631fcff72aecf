// Package sqlite opens the catalog's default database, a file in the data folder.
// What belongs here: the driver and its settings. What does not: tables and queries
// (catalog), which know no driver.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite" // the driver "sqlite"

	"weir/internal/fault"
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
		return nil, unusable(path, err)
	}
	db, err := open(ctx, path)
	if err != nil && os.Remove(path+reserve) == nil {
		db, err = open(ctx, path)
	}
	if err != nil {
		return nil, unusable(path, err)
	}
	keepReserve(path + reserve)
	return db, nil
}

func open(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", source(path))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(2)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Opening takes some room for the journal's index. On a full disk it is taken from a reserve beside the database, so that
// a server can start, and make room.
const (
	reserve     = ".reserve"
	reserveSize = 128 << 10
)

func keepReserve(path string) {
	if info, err := os.Stat(path); err == nil && info.Size() == reserveSize {
		return
	}
	room := make([]byte, reserveSize)
	_, _ = rand.Read(room) // some file systems keep no room for what is all alike
	if os.WriteFile(path, room, 0o600) != nil {
		_ = os.Remove(path)
	}
}

// unusable says what is wrong with a database that cannot be opened.
func unusable(path string, err error) error {
	var s *sqlite.Error
	if errors.As(err, &s) && (s.Code()&0xff == damaged || s.Code()&0xff == noDatabase) {
		return fault.Wrap(err, fault.Unavailable, "catalog_damaged", fmt.Sprintf("The catalog %s, with users, keys and tokens, is damaged.", path),
			"Restore it from a backup. Without one, move it away: users, keys and tokens must be made anew then, and recordings stay.")
	}
	return fault.Wrap(err, fault.Unavailable, "catalog_unusable", fmt.Sprintf("The catalog %s cannot be opened for writing.", path),
		"Check the rights of the data folder and its files, the free space, and that the disk is not read-only.")
}

// Results of SQLite, https://www.sqlite.org/rescode.html.
const (
	damaged    = 11 // SQLITE_CORRUPT
	noDatabase = 26 // SQLITE_NOTADB
)

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
