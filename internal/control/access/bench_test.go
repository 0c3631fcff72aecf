package access

import (
	"log/slog"
	"testing"

	"weir/internal/control/catalog"
	"weir/internal/control/catalog/sqlite"
)

func benchOpen(b *testing.B, dir string) *Access {
	b.Helper()
	db, err := sqlite.Open(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	store, err := catalog.New(b.Context(), db, catalog.SQLite)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	a, err := Open(b.Context(), store, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	return a
}

// What a start of the server pays for its records.
func BenchmarkOpenNew(b *testing.B) {
	for b.Loop() {
		benchOpen(b, b.TempDir())
	}
}

func BenchmarkOpenExisting(b *testing.B) {
	dir := b.TempDir()
	benchOpen(b, dir)
	for b.Loop() {
		benchOpen(b, dir)
	}
}

// What a publisher or viewer with a key pays.
func BenchmarkCheckKey(b *testing.B) {
	a := benchOpen(b, b.TempDir())
	_, secret, err := a.CreateKey(b.Context(), NewKey{Pattern: "live/*"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.CheckKey(b.Context(), secret, "live/show", ActionPublish); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPass(b *testing.B) {
	a := benchOpen(b, b.TempDir())
	pass := a.Pass("live/show", passLife)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.CheckKey(b.Context(), pass, "live/show", ActionPlay); err != nil {
			b.Fatal(err)
		}
	}
}
