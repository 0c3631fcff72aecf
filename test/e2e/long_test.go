package e2e

import (
	"os"
	"testing"
)

// long skips the long form of a line unless it was asked for: WEIR_LONG=1, as `make show` sets.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("WEIR_LONG") == "" {
		t.Skip("long form: run it with make show L=…")
	}
}
