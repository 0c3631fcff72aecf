// Package arch holds the test that keeps the house standing: it reads the floor
// table of docs/ARCHITECTURE.md and asks the go command who imports whom.
package arch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
	// The files of tests, inside the package and beside it.
	TestGoFiles, XTestGoFiles []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// floors reads the table; the value is twice the floor so that a child without a row can stand half a floor up.
func floors(t *testing.T) map[string]int {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "docs/ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	row := regexp.MustCompile(`^\|\s*(\d+)\s*\|([^|]+)\|$`)
	table := map[string]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		m := row.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[1])
		for name := range strings.SplitSeq(m[2], ",") {
			table[strings.TrimSpace(name)] = 2 * n
		}
	}
	if len(table) < 20 {
		t.Fatalf("the floor table has only %d packages: is its form still `| floor | packages |`?", len(table))
	}
	return table
}

// floorOf finds the floor of a package named relative to internal/: its own row, its parent's `x/*` row, or half a floor above the parent.
func floorOf(table map[string]int, name string) (int, bool) {
	if n, ok := table[name]; ok {
		return n, true
	}
	parent, _, ok := cutLast(name)
	if !ok {
		return 0, false
	}
	if n, ok := table[parent+"/*"]; ok {
		return n, true
	}
	n, ok := floorOf(table, parent)
	return n + 1, ok
}

func cutLast(name string) (parent, child string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

func short(importPath string) (string, bool) {
	if rest, ok := strings.CutPrefix(importPath, "weir/internal/"); ok {
		return rest, true
	}
	if importPath == "weir/cmd/weir" {
		return "cmd/weir", true
	}
	return "", false
}

func TestImportsGoDown(t *testing.T) {
	table := floors(t)
	for _, p := range packages(t) {
		name, ok := short(p.ImportPath)
		if !ok {
			continue // test/, bench/ and web tools stand outside the house
		}
		from, ok := floorOf(table, name)
		if !ok {
			t.Errorf("%s stands on no floor: give it a row in docs/ARCHITECTURE.md", name)
			continue
		}
		for _, imp := range p.Imports {
			to, ok := short(imp)
			if !ok {
				continue
			}
			if n, _ := floorOf(table, to); n >= from {
				t.Errorf("%s (floor %g) imports %s (floor %g): imports go down", name, float64(from)/2, to, float64(n)/2)
			}
		}
	}
}

// TestLaws holds laws 2, 3, 5 and 6.
func TestLaws(t *testing.T) {
	for _, p := range packages(t) {
		name, ok := short(p.ImportPath)
		if !ok {
			continue
		}
		for _, imp := range p.Imports {
			if why := forbidden(name, imp); why != "" {
				t.Errorf("%s imports %s: %s", name, imp, why)
			}
		}
	}
}

func forbidden(name, imp string) string {
	room, _, _ := strings.Cut(name, "/")
	target, inside := short(imp)
	switch room {
	case "media", "bits", "codec", "format":
		switch imp {
		case "net", "net/http", "os", "os/exec", "database/sql":
			return "pure rooms do no I/O (law 5)"
		}
	}
	if !inside {
		return ""
	}
	switch room {
	case "media", "codec", "format", "hub", "timeline", "fan", "segmenter", "replay", "transcode", "presentation", "pipeline", "gateway", "deliver":
		if strings.HasPrefix(target, "control/") {
			door := target == "control/session" && (room == "gateway" || room == "deliver")
			if !door && (room != "deliver" || target != "control/drm") {
				return "the data plane knows nothing of control but the door (law 2)"
			}
		}
	case "app":
		for _, p := range []string{"gateway/", "format/", "codec"} {
			if strings.HasPrefix(target, p) {
				return "scenarios are thin (law 3)"
			}
		}
	}
	if room == "lint" {
		for _, judged := range []string{"hub", "timeline", "segmenter", "presentation", "deliver"} {
			if target == judged || strings.HasPrefix(target, judged+"/") {
				return "the judge shares nothing with the judged (law 6)"
			}
		}
	}
	if (name == "hub" && target == "timeline") || (name == "timeline" && target == "hub") {
		return "now and ever do not know each other (law 3)"
	}
	return ""
}

// TestBudgets holds law 8 on the code that ships.
func TestBudgets(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			path := filepath.Join(p.Dir, file)
			fset := token.NewFileSet()
			tree, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if n := fset.Position(tree.End()).Line; n > 500 {
				t.Errorf("%s/%s has %d lines; a file fits a sitting (500)", p.ImportPath, file, n)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if lines := fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1; lines > 60 {
						t.Errorf("%s/%s: %s has %d lines; a function fits a screen (60)", p.ImportPath, file, n.Name.Name, lines)
					}
				case *ast.TypeSpec:
					if s, ok := n.Type.(*ast.StructType); ok && s.Fields.NumFields() > 20 {
						t.Errorf("%s/%s: %s has %d fields; a struct has at most twenty", p.ImportPath, file, n.Name.Name, s.Fields.NumFields())
					}
				}
				return true
			})
		}
	}
}

// TestNobodySleeps holds law 9 on the code that ships and on the tests.
func TestNobodySleeps(t *testing.T) {
	files := 0
	for _, p := range packages(t) {
		for _, file := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			files++
			source, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range sleeps(t, source) {
				t.Errorf("%s/%s:%d sleeps: wait for the event, or let the time of a bubble pass with faketime.Pass", p.ImportPath, file, line)
			}
		}
	}
	if files < 500 {
		t.Errorf("only %d files were read", files)
	}
}

// sleeps finds the lines that name the function that law 9 forbids, under whatever name the file imports the package time.
func sleeps(t *testing.T, source []byte) (lines []int) {
	t.Helper()
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, "", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	as := ""
	for _, imp := range tree.Imports {
		if imp.Path.Value != `"time"` {
			continue
		}
		as = "time"
		if imp.Name != nil {
			as = imp.Name.Name
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == as {
				lines = append(lines, fset.Position(s.Pos()).Line)
			}
		}
		return true
	})
	return lines
}

// TestTheLawsBite feeds the rules imports that must be refused, so that a rule which lets everything pass is noticed.
func TestTheLawsBite(t *testing.T) {
	table := floors(t)
	hub, _ := floorOf(table, "hub")
	codec, _ := floorOf(table, "codec/h264")
	sibling, _ := floorOf(table, "codec/hevc")
	child, _ := floorOf(table, "control/catalog/sqlite")
	parent, _ := floorOf(table, "control/catalog")
	if codec >= hub || codec != sibling || child != parent+1 {
		t.Errorf("floors: codec/h264 %d, codec/hevc %d, hub %d, catalog %d, sqlite %d", codec, sibling, hub, parent, child)
	}
	if _, ok := floorOf(table, "attic"); ok {
		t.Error("an unlisted package found a floor")
	}
	for _, c := range [][2]string{
		{"hub", "weir/internal/control/session"}, {"codec/h264", "os"}, {"hub", "weir/internal/timeline"},
		{"app/live", "weir/internal/gateway/rtmp"}, {"gateway/rtmp", "weir/internal/control/access"}, {"lint", "weir/internal/deliver/hls"},
	} {
		if forbidden(c[0], c[1]) == "" {
			t.Errorf("%s may import %s", c[0], c[1])
		}
	}
	if why := forbidden("gateway/rtmp", "weir/internal/control/session"); why != "" {
		t.Errorf("a gateway must reach the door: %s", why)
	}
	for _, file := range []string{"plain", "renamed", "awake"} {
		source, err := os.ReadFile(filepath.Join("testdata", "sleeps", file+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		var want []int
		for i, line := range strings.Split(string(source), "\n") {
			if strings.HasSuffix(line, "// sleeps") {
				want = append(want, i+1)
			}
		}
		if got := sleeps(t, source); !slices.Equal(got, want) {
			t.Errorf("%s: lines %v sleep, found %v", file, want, got)
		}
	}
}
