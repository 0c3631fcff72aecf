package trackfile

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"weir/internal/media"
)

// lines is a hex dump of a piece of a file, with the file's offsets.
func lines(b []byte, from, to int64) string {
	var out strings.Builder
	for at := from; at < to; at += 16 {
		row := b[at:min(at+16, to)]
		text := []byte(string(row))
		for i, c := range text {
			if c < 32 || c > 126 {
				text[i] = '.'
			}
		}
		fmt.Fprintf(&out, "%08x  %-48s |%s|\n", at, fmt.Sprintf("% x", row), text)
	}
	return out.String()
}

// example is a whole sealed file of two segments and a gap, with frames of a few bytes.
func example(t *testing.T) string {
	s := tiny(t, media.Video)
	b := s.sealed("rotate")
	first := s.segs[0]
	var out strings.Builder
	put := func(title string, from, to int64) {
		fmt.Fprintf(&out, "# %s\n%s", title, lines(b, from, to))
	}
	put("ftyp, moov …", 0, 48)
	put("head", int64(len(s.init)), s.marks[0])
	put("mark", s.marks[0], first.Offset)
	put("styp, prft, moof, mdat …", first.Offset, s.chunks[0])
	put("mark (gap)", s.marks[2], s.marks[2]+markSize)
	put("index", int64(len(s.bytes)), int64(len(b)))
	return out.String()
}

// The example in the documents is what this package writes.
func TestDocuments(t *testing.T) {
	const begin, end = "<!-- example: go test ./internal/format/cmaf/trackfile -run TestDocuments -update -->\n```text\n", "```\n"
	want := example(t)
	for _, name := range []string{"../../../../docs/ref/timeline-format.en.md", "../../../../docs/ref/timeline-format.zh.md"} {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, ok := strings.Cut(string(page), begin)
		have, tail, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no example", name)
		}
		if *update {
			if err := os.WriteFile(name, []byte(head+begin+want+end+tail), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if have != want {
			t.Errorf("the example of %s is not what is written today; run with -update:\n%s", name, want)
		}
		for _, kind := range []string{headKind, markKind, indexKind} {
			if id := fmt.Sprintf("%x-%x-%x-%x-%x", kind[:4], kind[4:6], kind[6:8], kind[8:10], kind[10:]); !strings.Contains(string(page), id) {
				t.Errorf("%s does not name the user type %s", name, id)
			}
		}
	}
}
