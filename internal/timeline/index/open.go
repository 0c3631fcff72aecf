package index

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
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"

	"weir/internal/fault"
)

// Settings of the database; docs/design/timeline-index.md has the figures they come from.
const (
	pageSize        = 4096
	checkpointPages = 8000 // pages in the log before they are written to their places: rewrites of a page meet here
	readers         = 4
)

// Opened says what Open found. Unless all of it is zero the index does not know every
// file of the volume, and what it does not know must be adopted and held.
type Opened struct {
	Fresh   bool   // the index begins empty
	Older   bool   // the index missed a start of the volume: it was restored from a backup. Call Hold
	Foreign bool   // there was an index of another volume; it was set aside
	Damaged string // there was a damaged index; it was set aside. What was wrong
	Aside   string // where it went
}

// DB is an open index. All methods may be called concurrently; readers never wait for the writer.
type DB struct {
	path string
	dir  *os.File // the folder, on the disk that the index was opened on, whatever is mounted there now
	read *sql.DB
	get  [reads]*sql.Stmt
	names
	endings
	recent atomic.Pointer[recent]

	moveAt, direct int  // the constants of these names, less in tests
	summed         bool // the table hour is there

	mu       sync.Mutex // held by the one who writes
	write    *sql.DB
	conn     *sql.Conn
	put      [statements]*sql.Stmt
	nextID   int64               // of a timeline
	nextSeq  int64               // of a row in the table recent
	arrivals map[string]*arrival // by object
	older    bool                // the rows are to be held
	closed   bool
}

// Open opens, and creates if missing, the index in the folder dir. volume is the
// volume's identity and generation the number of this start: one more than at the start
// before. Write the generation to the volume only after Open returned, so that a crash in
// between does not look like a restored backup.
func Open(ctx context.Context, dir, volume string, generation int64) (*DB, Opened, error) {
	var found Opened
	path, err := filepath.Abs(filepath.Join(dir, Name))
	if err != nil {
		return nil, found, failed(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, found, failed(err)
	}
	d, err := existing(ctx, path, volume, generation, &found)
	if err != nil || d != nil {
		return d, found, err
	}
	found.Fresh = true
	d, err = create(ctx, path, volume, generation)
	return d, found, err
}

// existing opens the index that is there. It returns nil if there is none, or none that can be used any more.
func existing(ctx context.Context, path, volume string, generation int64, found *Opened) (*DB, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		// A log without its database belongs to nobody; SQLite would take it for the new one's.
		return nil, leftover(path, found)
	}
	if err != nil {
		return nil, failed(err)
	}
	if info.Size() == 0 {
		return nil, nil // created, and no further
	}
	d := &DB{path: path, moveAt: moveAt, direct: direct}
	was, err := d.adopt(ctx)
	switch {
	case err == nil && was.volume == volume:
		found.Older = was.generation < generation-1
		if d.older = found.Older; d.older {
			return d, nil // its generation stays until Hold is through: a start that is cut off finds it older again
		}
		return d, d.Advance(ctx, max(generation, was.generation))
	case err == nil:
		found.Foreign = true
		if err := d.Close(); err != nil {
			return nil, err
		}
		return nil, setAside(path, "foreign", found)
	case errors.Is(err, ErrDamaged):
		found.Damaged = cause(err)
		_ = d.Close() // it is beyond repair
		return nil, setAside(path, "damaged", found)
	}
	return nil, errors.Join(err, d.Close())
}

// adopt attaches to an existing database and says whose it is.
func (d *DB) adopt(ctx context.Context) (identity, error) {
	if err := checkHeader(d.path); err != nil {
		return identity{}, err
	}
	if note, err := os.ReadFile(d.path + distrustSuffix); err == nil {
		return identity{}, damaged("%s", strings.TrimSpace(string(note)))
	}
	if err := d.attach(ctx, true, nil); err != nil {
		return identity{}, err
	}
	return d.identity(ctx)
}

func create(ctx context.Context, path, volume string, generation int64) (*DB, error) {
	// SQLite would follow the umask; its log takes its mode from this file.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, failed(err)
	}
	if err := f.Close(); err != nil {
		return nil, failed(err)
	}
	d := &DB{path: path, moveAt: moveAt, direct: direct}
	err = d.attach(ctx, true, func(c *sql.Conn) error {
		if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE;"+strings.Join(schema[:], ";")+fmt.Sprintf(";INSERT INTO meta VALUES (2, '', 0, %d);COMMIT", sumMoves(0))); err != nil {
			return failed(err)
		}
		return nil
	})
	if err == nil {
		err = d.transact(ctx, func(w *writer) error { return w.identify(volume, generation) })
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Inspect opens the index in dir for reading only, beside a process that may be writing it.
// Apply fails on it.
func Inspect(ctx context.Context, dir string) (*DB, error) {
	path, err := filepath.Abs(filepath.Join(dir, Name))
	if err != nil {
		return nil, failed(err)
	}
	if err := checkHeader(path); err != nil {
		return nil, err
	}
	d := &DB{path: path, moveAt: moveAt, direct: direct}
	if err := d.attach(ctx, false, nil); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// attach connects the writer, makes the tables, then connects the readers and prepares all statements.
func (d *DB) attach(ctx context.Context, writing bool, make func(*sql.Conn) error) error {
	var err error
	if d.dir, err = os.Open(filepath.Dir(d.path)); err != nil {
		return failed(err)
	}
	if writing {
		if d.write, err = sql.Open("sqlite", source(d.path, true)); err != nil {
			return failed(err)
		}
		if d.conn, err = d.write.Conn(ctx); err != nil {
			return failed(err)
		}
		if make != nil {
			if err := make(d.conn); err != nil {
				return err
			}
		}
	}
	if d.read, err = sql.Open("sqlite", source(d.path, false)); err != nil {
		return failed(err)
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	n, err := d.checkSchema(ctx)
	if err == nil && n == hourless && writing {
		_, err = d.conn.ExecContext(ctx, schema[hourless])
		n, err = len(schema), failed(err)
	}
	if err != nil {
		return err
	}
	d.summed = n == len(schema)
	for q := range reads {
		if q == qHours && !d.summed {
			continue
		}
		if d.get[q], err = d.read.PrepareContext(ctx, text[q]); err != nil {
			return failed(err)
		}
	}
	if err := d.loadRecent(ctx); err != nil || !writing {
		return err
	}
	for q := range statements {
		if d.put[q], err = d.conn.PrepareContext(ctx, text[q]); err != nil {
			return failed(err)
		}
	}
	err = d.conn.QueryRowContext(ctx, `SELECT id + 1 FROM timeline ORDER BY id DESC LIMIT 1`).Scan(&d.nextID)
	if errors.Is(err, sql.ErrNoRows) {
		d.nextID, err = 1, nil
	}
	return failed(err)
}

// hourless is how many tables and indexes there were before the table hour. An index of then gets it when it is opened to write.
const hourless = len(schema) - 1

// checkSchema compares the tables with those that create makes: with others no query can be trusted. It returns how many there are.
func (d *DB) checkSchema(ctx context.Context) (int, error) {
	rows, err := d.read.QueryContext(ctx, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid`)
	if err != nil {
		return 0, failed(err)
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for ; rows.Next(); n++ {
		var s string
		if err := rows.Scan(&s); err != nil {
			return 0, failed(err)
		}
		if n >= len(schema) || s != schema[n] {
			return 0, damaged("the tables are not those of this version: %.60s", s)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, failed(err)
	}
	if n != len(schema) && n != hourless {
		return 0, damaged("there are %d tables and indexes instead of %d", n, len(schema))
	}
	return n, nil
}

// Close waits for the writer and closes the index.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	var all error
	for _, s := range d.get {
		if s != nil {
			all = errors.Join(all, s.Close())
		}
	}
	for _, s := range d.put {
		if s != nil {
			all = errors.Join(all, s.Close())
		}
	}
	if d.read != nil {
		all = errors.Join(all, d.read.Close())
	}
	if d.conn != nil {
		all = errors.Join(all, d.conn.Close())
	}
	if d.write != nil { // last, because the last connection empties the log
		all = errors.Join(all, d.write.Close())
	}
	if d.dir != nil {
		all = errors.Join(all, d.dir.Close())
	}
	return failed(all)
}

// Answers asks the disk of the index whether it works. SQLite makes no difference between a page that the disk cannot
// read and one that holds something else than was written, so that after ErrDamaged only this tells them apart.
func (d *DB) Answers() error { return failed(d.dir.Sync()) }

// source is the address of a connection.
func source(path string, writing bool) string {
	q := url.Values{}
	// The driver runs busy_timeout first and the other pragmas by name; journal_mode has a parameter
	// of its own because it must come after page_size, which holds only until the first page is written.
	// FULL, because a row that was acknowledged must be there after a power cut.
	pragmas := []string{"busy_timeout(10000)", "cell_size_check(1)", "query_only(1)", "cache_size(-8192)"}
	if writing {
		pragmas = []string{
			"busy_timeout(10000)", fmt.Sprintf("page_size(%d)", pageSize), "synchronous(FULL)", "cell_size_check(1)", "temp_store(MEMORY)",
			fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages), "cache_size(-8192)",
		}
		q.Set("_journal_mode", "WAL")
	} else {
		q.Set("mode", "ro")
	}
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	u := url.URL{Path: filepath.ToSlash(path)}
	return "file:" + strings.ReplaceAll(u.EscapedPath(), "?", "%3f") + "?" + q.Encode()
}

// failed turns an error of SQLite or of the file system into a fault.
func failed(err error) error {
	var known *fault.Error
	var s *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, sql.ErrConnDone), err.Error() == "sql: database is closed", err.Error() == "sql: statement is closed":
		return errClosed
	case errors.As(err, &s):
		switch s.Code() & 0xff {
		case 11, 26: // SQLITE_CORRUPT, SQLITE_NOTADB
			return damaged("%w", err)
		case 19: // SQLITE_CONSTRAINT: a row is where an index said there was none
			return damaged("%w", err)
		case 13: // SQLITE_FULL
			return fault.Wrap(err, fault.Unavailable, "index_full", "The disk of the recordings' index is full.", "Free some space or add a disk.")
		case 9: // SQLITE_INTERRUPT
			return errors.Join(context.Canceled, err)
		}
	}
	return fault.Wrap(err, fault.Unavailable, "index_failed", "The index of the recordings cannot be read or written.", "Look at the disk that holds it.")
}

func cause(err error) string {
	if f := fault.Of(err); f != nil && f.Err != nil {
		return f.Err.Error()
	}
	return err.Error()
}

// distrustSuffix is that of a note beside the database: at the next Open it is set aside as damaged.
const distrustSuffix = ".distrusted"

// Distrust has the next Open set this index aside and begin an empty one. It is for the
// one who met ErrDamaged in a running server, where the index cannot be exchanged.
func (d *DB) Distrust(why string) error {
	return failed(os.WriteFile(d.path+distrustSuffix, []byte(why+"\n"), 0o600))
}

// setAside renames the database together with its log, so that it can still be opened by hand.
func setAside(path, why string, found *Opened) error {
	aside := fmt.Sprintf("%s.%s-%s", path, why, time.Now().UTC().Format("20060102T150405.000000000"))
	for _, part := range []string{"-wal", "-shm", distrustSuffix, ""} { // the database last: until then the next start tries again
		if err := os.Rename(path+part, aside+part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed(err)
		}
	}
	found.Aside = aside
	return syncDir(filepath.Dir(path))
}

func leftover(path string, found *Opened) error {
	for _, part := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + part); err == nil {
			return setAside(path, "damaged", found)
		}
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return failed(err)
	}
	return failed(errors.Join(f.Sync(), f.Close()))
}

// checkHeader reads what SQLite would obey without a word: a wrong version here makes a
// sound database read-only, a wrong page size makes it empty.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = f.Close() }()
	var h [24]byte
	if _, err := f.ReadAt(h[:], 0); err != nil {
		return damaged("the database has no header: %w", err)
	}
	const want = "SQLite format 3\x00" + "\x10\x00" + "\x02\x02" + "\x00" + "\x40\x20\x20" // page size, WAL, no reserve, payload fractions
	if string(h[:]) != want {
		return damaged("the header of the database is %x", h)
	}
	return nil
}
