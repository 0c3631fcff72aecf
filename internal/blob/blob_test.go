package blob

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"live/show": "live%2Fshow", "a.b": "a.b", "..": "%2E%2E", ".a": "%2Ea", "a..b": "a.%2Eb", "堰": "%E5%A0%B0", "50%": "50%25", "a b": "a%20b",
	} {
		if got := Escape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	long := Escape(strings.Repeat("堰", 85))
	if len(long) > maxEscaped || long == Escape(strings.Repeat("堰", 84)) || !strings.HasPrefix(long, "%E5%A0%B0%E5") {
		t.Errorf("%q", long)
	}
}

func TestEscapedNamesAreKeysOfTheirOwn(t *testing.T) {
	text := rapid.OneOf(rapid.StringN(1, -1, 300), rapid.StringMatching(`[./%a]{1,130}`))
	rapid.Check(t, func(rt *rapid.T) {
		a, b := text.Draw(rt, "a"), text.Draw(rt, "b")
		key := Escape(a)
		if err := CheckKey(key); err != nil || strings.Contains(key, "/") {
			rt.Fatalf("%q: %v", key, err)
		}
		if a != b && key == Escape(b) {
			rt.Fatalf("%q and %q are both %q", a, b, key)
		}
	})
}

func FuzzCheckKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, key string) {
		if CheckKey(key) == nil && (strings.Contains(key, "..") || strings.HasPrefix(key, "/") || strings.ContainsAny(key, "\\\x00~: ")) {
			t.Errorf("%q is a key", key)
		}
		if part := Escape(key); key != "" && CheckKey(part) != nil {
			t.Errorf("%q is escaped to %q", key, part)
		}
	})
}
