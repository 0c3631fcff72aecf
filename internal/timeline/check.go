package timeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"weir/internal/blob"
	"weir/internal/fault"
	"weir/internal/format/cmaf/trackfile"
	"weir/internal/timeline/index"
)

// Finding is one thing that Check found.
type Finding struct {
	Object string // the file, relative to the volume
	At     int64  // where in it; 0 if it is about the whole
	What   string
}

func (f Finding) String() string {
	if f.At > 0 {
		return fmt.Sprintf("%s at byte %d: %s", f.Object, f.At, f.What)
	}
	return f.Object + ": " + f.What
}

// Report sums up what Check looked at.
type Report struct {
	Files, Open, Unknown int   // finished files, files that are being written, files that the index does not know
	Bytes                int64 // of the finished files
	Findings             int
}

// Check looks for damage in a volume: in the index, in the log of pins, and in every finished file. A deep check reads
// every byte; a shallow one the heads, the indexes at the files' ends, and whether the rows agree with them. It only
// reads, so it may run beside a server; files that come and go meanwhile are no findings.
func Check(ctx context.Context, dir string, deep bool, found func(Finding)) (Report, error) {
	c := &checking{ctx: ctx, dir: dir, deep: deep, found: found}
	if _, err := os.Stat(filepath.Join(dir, identityFile)); err != nil {
		return c.report, fault.Wrap(err, fault.NotFound, "volume_unknown", "There is no storage volume in the folder "+dir+".", "Name the folder that recording.dir names.")
	}
	if err := c.pins(); err != nil {
		return c.report, err
	}
	db, err := index.Inspect(ctx, dir)
	switch {
	case errors.Is(err, index.ErrDamaged):
		c.tell(index.Name, 0, why(err))
	case errors.Is(err, fs.ErrNotExist):
		// A copy for restoring is of the files alone; what was served has a folder for the open ones too.
		if _, err := os.Stat(filepath.Join(dir, openFolder)); err == nil {
			c.tell(index.Name, 0, "it is not there; the next start builds it from the files")
		}
	case err != nil:
		return c.report, err
	default:
		c.db = db
		if err = db.Check(ctx, func(what string) { c.tell(index.Name, 0, what) }); err == nil {
			err = c.rows("")
		}
		if err == nil {
			err = c.files()
		}
		return c.report, errors.Join(err, db.Close())
	}
	return c.report, c.files()
}

type checking struct {
	ctx    context.Context
	dir    string
	deep   bool
	found  func(Finding)
	db     *index.DB // nil if it is beyond reading
	report Report

	strangers []stranger
}

func (c *checking) tell(object string, at int64, what string) {
	c.report.Findings++
	c.found(Finding{object, at, what})
}

func why(err error) string {
	f := fault.Of(err)
	if f.Err != nil {
		return f.Err.Error()
	}
	return f.Message
}

// pins looks at the log of pins. A torn last line was never acknowledged.
func (c *checking) pins() error {
	b, err := os.ReadFile(filepath.Join(c.dir, pinFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if n := memoryPins().read(b); n > 0 {
		c.tell(pinFile, 0, fmt.Sprintf("%d lines do not match their checksum", n))
	}
	return nil
}

// rows looks for rows without a file.
func (c *checking) rows(after string) error {
	for {
		keys, err := c.db.Objects(c.ctx, after, adoptPage)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			if _, err := os.Stat(filepath.Join(c.dir, sealedFolder, filepath.FromSlash(key))); !errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if known, err := c.knownNow(key); err == nil && known { // else it was deleted just now
				c.tell(sealedFolder+"/"+key, 0, "the index knows this file, and it is not there")
			}
		}
		after = keys[len(keys)-1]
	}
}

// knownNow asks the index as it is now: a row goes before its file does, and comes after it.
func (c *checking) knownNow(key string) (bool, error) {
	if err := c.db.Refresh(c.ctx); err != nil {
		return false, err
	}
	return c.db.Has(c.ctx, key)
}

// files looks at the finished files, and counts the others.
func (c *checking) files() error {
	open, err := os.ReadDir(filepath.Join(c.dir, openFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range open {
		if strings.HasSuffix(e.Name(), openSuffix) {
			c.report.Open++
		}
	}
	lost, err := os.ReadDir(filepath.Join(c.dir, unreadableFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range lost {
		c.tell(unreadableFolder+"/"+e.Name(), 0, "the file did not read when the server started")
	}
	dir := filepath.Join(c.dir, sealedFolder)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone just now
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		key, err := filepath.Rel(dir, path)
		if err != nil || blob.CheckKey(filepath.ToSlash(key)) != nil {
			return err // a draft
		}
		return c.file(path, filepath.ToSlash(key))
	})
	return errors.Join(err, c.unknown())
}

func (c *checking) file(path, key string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	w, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted just now
	}
	name := sealedFolder + "/" + key
	if err != nil {
		c.tell(name, 0, why(err))
		return nil
	}
	o := localFile{w}
	defer func() { _ = o.Close() }() // it is only read
	c.report.Files++
	c.report.Bytes += o.Size()
	if c.deep {
		before := c.report.Findings
		if err := trackfile.Verify(o, o.Size(), func(at int64, what string) { c.tell(name, at, what) }); err != nil && c.report.Findings == before {
			c.tell(name, 0, why(err))
		}
	}
	f, err := trackfile.Read(o, o.Size())
	if err != nil {
		if !c.deep {
			c.tell(name, 0, why(err))
		}
		return nil
	}
	return c.compare(name, key, f, o.Size())
}

// stranger is a file without a row when it was looked at.
type stranger struct{ key, open string }

// unknown counts the strangers. A file with a working name too is on its way to the index, or the next start enters it; one
// whose row has become a garbage row is on its way out.
func (c *checking) unknown() error {
	if c.db == nil || len(c.strangers) == 0 {
		return nil
	}
	left := c.strangers[:0]
	for _, s := range c.strangers {
		if _, err := os.Lstat(filepath.Join(c.dir, openFolder, s.open)); errors.Is(err, fs.ErrNotExist) {
			left = append(left, s)
		}
	}
	if err := c.db.Refresh(c.ctx); err != nil {
		return err
	}
	rowless := left[:0]
	for _, s := range left {
		if known, err := c.db.Has(c.ctx, s.key); err == nil && !known {
			rowless = append(rowless, s)
		}
	}
	doomed, err := c.db.Garbage(c.ctx)
	if err != nil {
		return err
	}
	for _, s := range rowless {
		if _, err := os.Lstat(filepath.Join(c.dir, sealedFolder, filepath.FromSlash(s.key))); err == nil && !slices.Contains(doomed, s.key) {
			c.report.Unknown++
		}
	}
	return nil
}

// compare holds a file against its row.
func (c *checking) compare(name, key string, f *trackfile.File, size int64) error {
	if c.db == nil || len(f.Segments) == 0 {
		return nil
	}
	known, err := c.db.Has(c.ctx, key)
	if err != nil {
		return nil // told already: the index's own check reads every row
	}
	if !known {
		c.strangers = append(c.strangers, stranger{key, fileName(&f.Head)})
		return nil
	}
	first := f.Segments[0]
	r, err := c.db.File(c.ctx, f.Timeline, f.Run, f.Rendition, first.N, near(first.N, f.SegmentDuration))
	switch {
	case err != nil || r.Object != key:
		return nil // deleted just now, or another file holds the segment too
	case r.Size != size:
		c.tell(name, 0, fmt.Sprintf("the file has %d bytes, its row in the index says %d", size, r.Size))
	case string(r.Groups) != string(trackfile.AppendGroups(nil, f.Segments)):
		c.tell(name, 0, "the list of segments at the file's end is not the one in the index")
	}
	return nil
}
