package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/internal/control/catalog"
	"weir/internal/control/catalog/catalogtest"
	"weir/internal/control/catalog/sqlite"
	"weir/internal/fault"
)

func open(t *testing.T, dir string) *catalog.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := catalog.New(t.Context(), db, catalog.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	catalogtest.Run(t, func(t *testing.T) *catalog.Store { return open(t, t.TempDir()) })
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new data %3f ?#")
	s := open(t, dir)
	if _, err := s.InitSetting(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 2 {
		t.Fatalf("%d files; the journal is missing, so this is not WAL", len(entries))
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v", e.Name(), info.Mode())
		}
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	db, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.New(t.Context(), db, catalog.SQLite); fault.Code(err) != "catalog_newer" {
		t.Fatalf("error %v", err)
	}
}

const childDir = "WEIR_TEST_SQLITE_DIR"

// Four processes open one new data folder at once, as the server and the command
// line may, and write at the same time.
func TestProcessesShareTheFile(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		write(t, dir)
		return
	}
	dir := t.TempDir()
	children := make([]*exec.Cmd, 4)
	for i := range children {
		c := exec.Command(os.Args[0], "-test.run=^TestProcessesShareTheFile$", "-test.count=1")
		c.Env = append(os.Environ(), childDir+"="+dir)
		children[i] = c
	}
	outputs := make([]strings.Builder, len(children))
	for i, c := range children {
		c.Stdout, c.Stderr = &outputs[i], &outputs[i]
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range children {
		if err := c.Wait(); err != nil {
			t.Errorf("child %d: %v\n%s", i, err, outputs[i].String())
		}
	}
	keys, err := open(t, dir).Keys(t.Context(), "", 1000)
	if err != nil || len(keys) != 4*10 {
		t.Fatalf("%d keys, error %v", len(keys), err)
	}
}

func write(t *testing.T, dir string) {
	s := open(t, dir)
	for n := range 10 {
		id := fmt.Sprintf("%d-%d", os.Getpid(), n)
		if err := s.AddKey(context.Background(), catalog.Key{ID: id, Lookup: id, CreatedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ShowKey(context.Background(), catalog.Showing{ID: id, KeyID: id}); err != nil {
			t.Fatal(err)
		}
	}
}

// A damaged database is told from one that cannot be opened, each with what to do.
func TestUnusableFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, sqlite.File)
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), dir); fault.Code(err) != "catalog_damaged" {
		t.Error(err)
	}
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), dir); fault.Code(err) != "catalog_unusable" {
		t.Error(err)
	}
}
