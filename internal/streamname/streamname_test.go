package streamname

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"weir/internal/fault"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, code, cites string }{
		{"live/show", "", ""},
		{"show", "", ""},
		{"a/b/c/d", "", ""},
		{"直播/晚会", "", ""},
		{"live/été_2-x.y", "", ""},
		{"live/api", "", ""}, // reserved only as the first part
		{"embed/show", "", ""},
		{"live/streams", "", ""},
		{strings.Repeat("a", 128), "", ""},
		{"", "name_empty", "empty"},
		{"live//show", "name_empty", "live//show"},
		{"/live", "name_empty", "/live"},
		{"live/", "name_empty", "live/"},
		{"a/b/c/d/e", "name_too_deep", "5 parts"},
		{"live/..", "name_bad_char", `".."`},
		{"../etc", "name_bad_char", `".."`},
		{"live/./x", "name_bad_char", `"."`},
		{"live/.hidden", "name_bad_char", ".hidden"},
		{"live/.well-known/x", "name_bad_char", ".well-known"},
		{"live/a b", "name_bad_char", "' '"},
		{"live/a\x00b", "name_bad_char", "U+0000"},
		{"live/a\\b", "name_bad_char", `\`},
		{"live/a%2e", "name_bad_char", "%"},
		{"live/a\u202eb", "name_bad_char", "U+202E"},
		{"live/a\u200db", "name_bad_char", "U+200D"},
		{"live/e\u0301", "name_bad_char", "U+0301"},
		{"live/\u212b", "name_bad_char", "normal form C"}, // the Ångström sign has a canonical twin
		{"live/\xff", "name_bad_char", "UTF-8"},
		{"live/show?key=x", "name_bad_char", "'?'"},
		{"api/v1", "name_reserved", `"api"`},
		{".well-known/x", "name_reserved", ".well-known"},
		{"vod", "name_reserved", `"vod"`},
		{"live/whip", "name_reserved", `"whip"`},
		{"live/index.m3u8", "name_reserved", "index.m3u8"},
		{"live/stream.x", "name_reserved", "stream.x"},
		{"live/show.flv", "name_reserved", "show.flv"},
		{"live/frame.jpg", "name_reserved", "frame.jpg"},
		{"live/sprite-300.jpg", "name_reserved", "sprite-300.jpg"},
		{"live/seg-1-v0-7.m4s", "name_reserved", ".m4s"},
		{strings.Repeat("a", 129), "name_too_long", "129"},
		{strings.Repeat("直", 86), "name_too_long", "258"},
	} {
		err := Check(c.name)
		if got := fault.Code(err); got != c.code {
			t.Errorf("Check(%q) = %q, want %q", c.name, got, c.code)
			continue
		}
		if err != nil && !strings.Contains(fault.Of(err).Message, c.cites) {
			t.Errorf("Check(%q): message %q does not cite %q", c.name, fault.Of(err).Message, c.cites)
		}
		if err != nil && len(fault.Of(err).Message) > 512 {
			t.Errorf("Check(%q): message has %d bytes", c.name, len(fault.Of(err).Message))
		}
	}
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"live/show", "live/show", true},
		{"live/show", "live/show2", false},
		{"live/show", "live", false},
		{"live/show", "live/show/x", false},
		{"live/*", "live/show", true},
		{"live/*", "live/a/b", true},
		{"live/*", "live", false},
		{"live/*", "lives/show", false},
		{"*", "a", true},
		{"*", "a/b/c/d", true},
		{"*/show", "live/show", true},
		{"*/show", "live/a/show", false},
		{"live/*/cam", "live/x/cam", true},
		{"live/*/cam", "live/cam", false},
	} {
		if err := CheckPattern(c.pattern); err != nil {
			t.Errorf("CheckPattern(%q): %v", c.pattern, err)
		}
		if got := Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
	for pattern, code := range map[string]string{
		"": "name_empty", "live/": "name_empty", "live/sh*": "name_bad_char", "**": "name_bad_char",
		"api/*": "name_reserved", "a/b/c/d/*": "name_too_deep", strings.Repeat("a", 300): "name_too_long",
	} {
		if got := fault.Code(CheckPattern(pattern)); got != code {
			t.Errorf("CheckPattern(%q) = %q, want %q", pattern, got, code)
		}
	}
}

// A name made by the grammar's own rules is legal, every pattern made from it by
// putting stars covers it, and changing one letter of a plain pattern uncovers it.
func TestLegalNames(t *testing.T) {
	segment := rapid.StringMatching(`[a-zA-Z0-9_\x{4e00}-\x{9fff}][a-z0-9_.\-]{0,12}x`)
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfN(segment, 1, MaxSegments).Draw(t, "segments")
		name := strings.Join(segments, "/")
		if strings.HasPrefix(segments[len(segments)-1], "stream.") {
			t.Skip("reserved")
		}
		if err := Check(name); err != nil {
			t.Fatalf("Check(%q): %v", name, err)
		}
		starred := append([]string(nil), segments...)
		for i := range starred {
			if rapid.Bool().Draw(t, "star") {
				starred[i] = "*"
			}
		}
		if p := strings.Join(starred, "/"); !Match(p, name) {
			t.Fatalf("%q does not cover %q", p, name)
		}
		if Match(name+"y", name) || Match(name, name+"y") {
			t.Fatalf("%q covers a longer name", name)
		}
	})
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"live/show", "", "a//b", "..", "直播/晚会", "api/x", "live/stream.flv", "e\u0301", "\xff", "a/b/c/d/e", ".well-known"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if err := Check(name); err != nil {
			if fe := fault.Of(err); fe.Code == "internal" || fe.Remedy == "" || !utf8.ValidString(fe.Message) {
				t.Fatalf("Check(%q): %#v", name, fe)
			}
			return
		}
		if len(name) == 0 || len(name) > MaxBytes || !norm.NFC.IsNormalString(name) || strings.Count(name, "/") >= MaxSegments {
			t.Fatalf("%q is outside the grammar", name)
		}
		for segment := range strings.SplitSeq(name, "/") {
			if segment == "" || segment[0] == '.' {
				t.Fatalf("%q has the segment %q", name, segment)
			}
		}
		for _, r := range name {
			if r != '/' && !unicode.In(r, unicode.L, unicode.Nd) && !strings.ContainsRune("_-.", r) {
				t.Fatalf("%q has %q", name, r)
			}
		}
		if !Match(name, name) || !Match("*", name) || CheckPattern(name) != nil {
			t.Fatalf("%q is no pattern for itself", name)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("live/*", "live/show")
	f.Add("*/x/*", "a/x/b/c")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if CheckPattern(pattern) != nil || Check(name) != nil {
			Match(pattern, name) // must not hang or panic on what is illegal
			return
		}
		if Match(pattern, name) && !strings.Contains(pattern, "*") && pattern != name {
			t.Fatalf("%q covers %q", pattern, name)
		}
	})
}
