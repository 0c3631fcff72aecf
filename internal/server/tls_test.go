package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The self-signed certificate is made anew when a power cut left half of the pair, and when the clock was wrong as it was made.
func TestSelfSignedIsMadeAnew(t *testing.T) {
	now := time.Now()
	whole := func(string, string) error { return nil }
	for _, c := range []struct {
		name  string
		made  time.Time
		spoil func(cert, key string) error
	}{
		{"no key", now, func(_, key string) error { return os.Remove(key) }},
		{"an empty key", now, func(_, key string) error { return os.Truncate(key, 0) }},
		{"half a key", now, func(_, key string) error { return os.Truncate(key, 100) }},
		{"half a certificate", now, func(cert, _ string) error { return os.Truncate(cert, 100) }},
		{"another's key", now, func(cert, key string) error { return selfSigned(cert+"2", key, now) }},
		{"made tomorrow", now.Add(24 * time.Hour), whole},
		{"made a year ago", now.Add(-390 * 24 * time.Hour), whole},
	} {
		dir := t.TempDir()
		cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		if err := errors.Join(selfSigned(cert, key, c.made), c.spoil(cert, key)); err != nil {
			t.Fatal(err)
		}
		if err := selfSigned(cert, key, now); err != nil || !good(cert, key, now) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
