package docs

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/ref anew")

// known is what the source says of one code.
type known struct {
	kind               string
	messages, remedies []string
}

// codes collects the calls of fault.New and fault.Wrap whose code is written there.
func codes(t *testing.T) map[string]*known {
	t.Helper()
	all := map[string]*known{}
	for _, root := range []string{"../internal", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			makers := map[string]maker{}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					if m, ok := makerOf(f); ok {
						makers[f.Name.Name] = m
					}
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					collect(call, makers, all)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// maker is a function that makes faults of a code that it is given.
type maker struct {
	code, message int // which parameters; message may be -1
	kind          string
	text, remedy  string
}

// faultCall returns the four arguments of fault.New or fault.Wrap.
func faultCall(call *ast.CallExpr) ([]ast.Expr, bool) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil, false
	}
	if p, ok := f.X.(*ast.Ident); !ok || p.Name != "fault" {
		return nil, false
	}
	args := call.Args
	if f.Sel.Name == "Wrap" && len(args) == 5 {
		args = args[1:]
	}
	return args, (f.Sel.Name == "New" || f.Sel.Name == "Wrap") && len(args) == 4
}

func kindOf(e ast.Expr) string {
	if k, ok := e.(*ast.SelectorExpr); ok {
		return k.Sel.Name
	}
	return ""
}

func makerOf(f *ast.FuncDecl) (m maker, ok bool) {
	place := map[string]int{}
	for _, p := range f.Type.Params.List {
		for _, name := range p.Names {
			place[name.Name] = len(place)
		}
	}
	at := func(e ast.Expr) int {
		if id, ok := e.(*ast.Ident); ok {
			if i, ok := place[id.Name]; ok {
				return i
			}
		}
		return -1
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, is := n.(*ast.CallExpr)
		if !is {
			return true
		}
		if args, is := faultCall(call); is && at(args[1]) >= 0 {
			m, ok = maker{at(args[1]), at(args[2]), kindOf(args[0]), text(args[2]), text(args[3])}, true
		}
		return true
	})
	return m, ok
}

func collect(call *ast.CallExpr, makers map[string]maker, all map[string]*known) {
	if f, ok := call.Fun.(*ast.Ident); ok {
		if m, ok := makers[f.Name]; ok && len(call.Args) > max(m.code, m.message) {
			message := m.text
			if m.message >= 0 {
				message = text(call.Args[m.message])
			}
			note(all, call.Args[m.code], m.kind, message, m.remedy)
		}
	}
	if args, ok := faultCall(call); ok {
		note(all, args[1], kindOf(args[0]), text(args[2]), text(args[3]))
	}
}

// note enters what is said under a code, if the code is written out.
func note(all map[string]*known, code ast.Expr, kind, message, remedy string) {
	literal, ok := code.(*ast.BasicLit)
	if !ok {
		return
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		return
	}
	if all[name] == nil {
		all[name] = &known{kind: kind}
	}
	add(&all[name].messages, message)
	add(&all[name].remedies, remedy)
}

func add(list *[]string, s string) {
	if strings.Trim(s, " …") != "" && !slices.Contains(*list, s) {
		*list = append(*list, s)
	}
}

var verb = regexp.MustCompile(`%[-+#0-9.\[\]]*[a-zA-Z]`)

// text is an expression as far as it is written there; the rest is an ellipsis.
func text(e ast.Expr) string {
	const gap = "…"
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
	case *ast.BinaryExpr:
		return strings.ReplaceAll(text(e.X)+text(e.Y), gap+gap, gap)
	case *ast.ParenExpr:
		return text(e.X)
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" && len(e.Args) > 0 {
			return strings.ReplaceAll(verb.ReplaceAllString(text(e.Args[0]), gap), "%%", "%")
		}
	}
	return gap
}

// statuses are what the API answers for a kind, see internal/api.
var statuses = map[string]string{
	"Internal": "500", "Invalid": "400", "Unauthorized": "401", "Forbidden": "403", "NotFound": "404", "Conflict": "409",
	"TooLarge": "413", "TooMany": "429", "Unsupported": "422", "Unavailable": "503",
}

func TestReferenceOfTheErrors(t *testing.T) {
	all := codes(t)
	if len(all) < 100 {
		t.Fatalf("only %d codes were found", len(all))
	}
	chinese := map[string]struct{ Message, Remedy string }{}
	b, err := os.ReadFile("../web/src/i18n/server.zh-CN.json")
	if err == nil {
		err = json.Unmarshal(b, &chinese)
	}
	if err != nil {
		t.Fatal(err)
	}
	for lang, head := range map[string]string{"en": "| code | HTTP | what happened | what to do |\n|---|---|---|---|\n", "zh": "| 错误码 | HTTP | 说明 | 处理建议 |\n|---|---|---|---|\n"} {
		var out strings.Builder
		out.WriteString("\n" + head)
		for _, code := range slices.Sorted(maps.Keys(all)) {
			k := all[code]
			message, remedy := strings.Join(k.messages, "<br>"), strings.Join(k.remedies, "<br>")
			if own := chinese[code]; lang == "zh" && own.Message != "" {
				message, remedy = gaps(own.Message), gaps(own.Remedy)
			}
			fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", code, statuses[k.kind], cell(message), cell(remedy))
		}
		compare(t, "ref/errors."+lang+".md", out.String())
	}
}

func gaps(s string) string {
	return regexp.MustCompile(`\{\{[^}]*\}\}`).ReplaceAllString(s, "…")
}

func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<app>", "&lt;app&gt;").Replace(s)
}

// compare holds the generated part of a page against what it should be; the text above the mark is written by hand.
func compare(t *testing.T, file, want string) {
	t.Helper()
	const mark = "<!-- generated below this line -->\n"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, have, ok := strings.Cut(string(b), mark)
	if !ok {
		t.Fatalf("%s lacks %s", file, mark)
	}
	if *update {
		if err := os.WriteFile(file, []byte(head+mark+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("%s is not what the source says; go test ./docs -update writes it anew:\n%s", file, d)
	}
}
