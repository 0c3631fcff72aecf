package index

// schema makes an empty database. Times are nanoseconds since 1970.
//
// Tables are WITHOUT ROWID, so that a row lies at its key and costs one page. The names
// of columns that a query compares stand here; all else is packed into `row`.
var schema = [...]string{
	`CREATE TABLE meta (key INTEGER PRIMARY KEY, text TEXT NOT NULL, number INTEGER NOT NULL, crc INTEGER NOT NULL)`,
	`CREATE TABLE timeline (id INTEGER PRIMARY KEY, name TEXT NOT NULL, crc INTEGER NOT NULL)`,
	`CREATE UNIQUE INDEX timeline_name ON timeline (name)`,
	`CREATE TABLE coverage (name TEXT NOT NULL PRIMARY KEY, timeline INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
 bytes INTEGER NOT NULL, files INTEGER NOT NULL, held INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE file (timeline INTEGER NOT NULL, start INTEGER NOT NULL, id INTEGER NOT NULL, held INTEGER NOT NULL, object TEXT NOT NULL, row BLOB NOT NULL,
 PRIMARY KEY (timeline, start, id)) WITHOUT ROWID`,
	`CREATE TABLE recent (seq INTEGER PRIMARY KEY, timeline INTEGER NOT NULL, start INTEGER NOT NULL, id INTEGER NOT NULL, held INTEGER NOT NULL, object TEXT NOT NULL, row BLOB NOT NULL)`,
	`CREATE UNIQUE INDEX file_object ON file (object)`,
	`CREATE INDEX file_age ON file (held, start)`,
	`CREATE TABLE run (timeline INTEGER NOT NULL, id INTEGER NOT NULL, stop INTEGER NOT NULL, row BLOB NOT NULL, PRIMARY KEY (timeline, id)) WITHOUT ROWID`,
	`CREATE INDEX run_stop ON run (timeline, stop)`,
	`CREATE TABLE init (hash BLOB NOT NULL PRIMARY KEY, refs INTEGER NOT NULL, data BLOB NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE garbage (object TEXT NOT NULL PRIMARY KEY, crc INTEGER NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE hour (timeline INTEGER NOT NULL, hour INTEGER NOT NULL, row BLOB NOT NULL, PRIMARY KEY (timeline, hour)) WITHOUT ROWID`,
}

// query numbers a statement.
type query int

const (
	qMeta query = iota
	qMoves
	qRecent
	qTimelineByName
	qTimelineByID
	qCoverage
	qCoverages
	qFiles
	qHours
	qFirstFile
	qLastFile
	qFileByObject
	qHeldAfter
	qOldest
	qOldestOf
	qObjects
	qRun
	qRuns
	qRunsAmong
	qFirstRun
	qLastRun
	qInit
	qGarbage
	reads // the statements above only read
)

const (
	xMeta = reads + iota
	xMoves
	xRecent
	xNoRecent
	xMove
	xEmpty
	xTimeline
	xCoverage
	xNoCoverage
	xFile
	xNoFile
	xHour
	xNoHour
	xRun
	xNoRun
	xInit
	xInitRefs
	xNoInit
	xGarbage
	xNoGarbage
	statements
)

// text has every statement that runs while Weir serves; a test holds that each of them searches by a key or an index.
var text = [statements]string{
	qMeta:           `SELECT text, number, crc FROM meta WHERE key = 1`,
	qMoves:          `SELECT number, crc FROM meta WHERE key = 2`,
	qRecent:         `SELECT seq, timeline, start, id, held, object, row FROM recent`,
	qTimelineByName: `SELECT id, name, crc FROM timeline WHERE name = ?`,
	qTimelineByID:   `SELECT id, name, crc FROM timeline WHERE id = ?`,
	qCoverage:       `SELECT name, timeline, start, stop, bytes, files, held, crc, 0, 0 FROM coverage WHERE name = ?`,
	qCoverages:      `SELECT name, timeline, start, stop, bytes, files, held, crc, (SELECT number FROM meta WHERE key = 2), (SELECT crc FROM meta WHERE key = 2) FROM coverage WHERE name >= ? AND name < ? ORDER BY name LIMIT ?`,
	qFiles:          `SELECT timeline, start, id, held, object, row FROM file WHERE timeline = ? AND start >= ? AND start < ? ORDER BY start, id`,
	qHours:          `SELECT hour, row FROM hour WHERE timeline = ? AND hour >= ? AND hour < ? ORDER BY hour`,
	qFirstFile:      `SELECT start FROM file WHERE timeline = ? ORDER BY start LIMIT 1`,
	qLastFile:       `SELECT start FROM file WHERE timeline = ? ORDER BY start DESC LIMIT 1`,
	qFileByObject:   `SELECT timeline, start, id, held, object, row FROM file WHERE object = ?`,
	qHeldAfter:      `SELECT timeline, start, id, held, object, row FROM file WHERE held = ? AND (start, timeline, id) > (?, ?, ?) ORDER BY start, timeline, id LIMIT ?`,
	qOldest:         `SELECT timeline, start, id, held, object, row FROM file WHERE held = 0 AND start >= ? AND start <= ? ORDER BY start, timeline, id`,
	qOldestOf:       `SELECT timeline, start, id, held, object, row FROM file WHERE timeline = ? AND start >= ? AND start <= ? AND held = 0 ORDER BY start, id`,
	qObjects:        `SELECT timeline, start, id, held, object, row FROM file WHERE object > ? ORDER BY object LIMIT ?`,
	qRun:            `SELECT timeline, id, stop, row FROM run WHERE timeline = ? AND id = ?`,
	qRuns:           `SELECT timeline, id, stop, row FROM run WHERE timeline = ? AND stop >= ?`,
	qRunsAmong:      `SELECT timeline, id, stop, row FROM run WHERE timeline = ? AND id >= ? AND id <= ?`,
	qFirstRun:       `SELECT timeline, id, stop, row FROM run WHERE timeline = ? ORDER BY id LIMIT 1`,
	qLastRun:        `SELECT timeline, id, stop, row FROM run WHERE timeline = ? ORDER BY id DESC LIMIT 1`,
	qInit:           `SELECT refs, data FROM init WHERE hash = ?`,
	qGarbage:        `SELECT object, crc FROM garbage WHERE object > ? ORDER BY object LIMIT ?`,

	xMeta:       `INSERT INTO meta (key, text, number, crc) VALUES (1, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET text = excluded.text, number = excluded.number, crc = excluded.crc`,
	xMoves:      `INSERT INTO meta (key, text, number, crc) VALUES (2, '', ?, ?) ON CONFLICT (key) DO UPDATE SET number = excluded.number, crc = excluded.crc`,
	xRecent:     `INSERT INTO recent (seq, timeline, start, id, held, object, row) VALUES (?, ?, ?, ?, ?, ?, ?)`,
	xNoRecent:   `DELETE FROM recent WHERE seq = ?`,
	xMove:       `INSERT INTO file (timeline, start, id, held, object, row) SELECT timeline, start, id, held, object, row FROM recent ORDER BY timeline, start, id`,
	xEmpty:      `DELETE FROM recent`,
	xTimeline:   `INSERT INTO timeline (id, name, crc) VALUES (?, ?, ?)`,
	xCoverage:   `INSERT INTO coverage (name, timeline, start, stop, bytes, files, held, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET timeline = excluded.timeline, start = excluded.start, stop = excluded.stop, bytes = excluded.bytes, files = excluded.files, held = excluded.held, crc = excluded.crc`,
	xNoCoverage: `DELETE FROM coverage WHERE name = ?`,
	xFile:       `INSERT INTO file (timeline, start, id, held, object, row) VALUES (?, ?, ?, ?, ?, ?)`,
	xNoFile:     `DELETE FROM file WHERE timeline = ? AND start = ? AND id = ?`,
	xHour:       `INSERT INTO hour (timeline, hour, row) VALUES (?, ?, ?) ON CONFLICT (timeline, hour) DO UPDATE SET row = excluded.row`,
	xNoHour:     `DELETE FROM hour WHERE timeline = ? AND hour = ?`,
	xRun:        `INSERT INTO run (timeline, id, stop, row) VALUES (?, ?, ?, ?) ON CONFLICT (timeline, id) DO UPDATE SET stop = excluded.stop, row = excluded.row`,
	xNoRun:      `DELETE FROM run WHERE timeline = ? AND id = ?`,
	xInit:       `INSERT INTO init (hash, refs, data) VALUES (?, 1, ?)`,
	xInitRefs:   `UPDATE init SET refs = refs + ? WHERE hash = ?`,
	xNoInit:     `DELETE FROM init WHERE hash = ? AND refs <= 0`,
	xGarbage:    `INSERT INTO garbage (object, crc) VALUES (?, ?) ON CONFLICT (object) DO NOTHING`,
	xNoGarbage:  `DELETE FROM garbage WHERE object = ?`,
}
