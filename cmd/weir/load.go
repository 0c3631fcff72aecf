package main

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"weir/internal/fault"
)

// field is one scalar of the settings: its path ("http.listen") and its place in memory.
type field struct {
	path  string
	doc   string
	value reflect.Value
}

// fields lists the scalars (and lists of scalars) of a settings struct in the order of the file.
func fields(s *settings) []field {
	var out []field
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := prefix + f.Tag.Get("yaml")
			switch {
			case scalar(f.Type):
				out = append(out, field{name, f.Tag.Get("doc"), v.Field(i)})
			case f.Type.Kind() == reflect.Struct:
				walk(name+".", v.Field(i))
			}
		}
	}
	walk("", reflect.ValueOf(s).Elem())
	return out
}

// scalar reports whether a setting fits into a flag or a variable. Hooks, pulls and pushes do not; they are written in the file only.
func scalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		return textual(t)
	case reflect.Map:
		return false
	case reflect.Slice:
		return scalar(t.Elem())
	default:
		return true
	}
}

func textual(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// set parses text into the field.
func (f field) set(text string) error {
	if err := setValue(f.value, text); err != nil {
		return fault.Wrap(err, fault.Invalid, "config_value_bad", fmt.Sprintf("%s cannot be %q.", f.path, text), f.doc)
	}
	return nil
}

func setValue(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Interface().(type) {
	case string:
		v.SetString(text)
	case time.Duration:
		d, err := time.ParseDuration(text)
		v.SetInt(int64(d))
		return err
	case bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		return err
	case float64:
		n, err := strconv.ParseFloat(text, 64)
		v.SetFloat(n)
		return err
	case int, int64:
		n, err := strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
		return err
	default: // a list: comma separated
		list := reflect.MakeSlice(v.Type(), 0, 4)
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			e := reflect.New(v.Type().Elem()).Elem()
			if err := setValue(e, part); err != nil {
				return err
			}
			list = reflect.Append(list, e)
		}
		v.Set(list)
	}
	return nil
}

// envName is the variable of a path: http.listen is WEIR_HTTP_LISTEN.
func envName(path string) string {
	return "WEIR_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// load reads the file (which may be missing when it was not asked for by name), then the environment, then the flags.
func load(file string, named bool, environ []string, flags map[string]string) (settings, error) {
	s := defaultSettings()
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
	case err != nil:
		return s, fault.Wrap(err, fault.Invalid, "config_unreadable", "The configuration "+file+" cannot be read.", "Check the path and its permissions.")
	default:
		if err := parseFile(text, file, &s); err != nil {
			return s, err
		}
	}
	byEnv, byPath := map[string]field{}, map[string]field{}
	for _, f := range fields(&s) {
		byEnv[envName(f.path)], byPath[f.path] = f, f
	}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "WEIR_") || name == serverVariable || name == tokenVariable {
			continue
		}
		f, ok := byEnv[name]
		if !ok && injected(name, value) {
			continue
		}
		if key := fileOnly(name); !ok && key != "" {
			return s, fault.New(fault.Invalid, "config_key_unknown", "The environment variable "+name+" cannot set "+key+".", "Write "+key+" in the file.")
		}
		if !ok {
			return s, unknownKey("environment variable "+name, "", nearest(name, keysOf(byEnv)))
		}
		if err := f.set(value); err != nil {
			return s, err
		}
	}
	for path, value := range flags {
		if err := byPath[path].set(value); err != nil {
			return s, err
		}
	}
	return s, nil
}

// injected reports whether a variable is one of those that Kubernetes and Docker give every container about a service named
// weir, or weir-something: nobody has written it.
func injected(name, value string) bool {
	return orchestrated.MatchString(name) && (!strings.HasSuffix(name, "_PORT") || strings.Contains(value, "://") || strings.Contains(name, "_SERVICE_") || strings.Contains(name, "_PORT_"))
}

var orchestrated = regexp.MustCompile(`^WEIR(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// fileOnly is the key that a variable would set if it could: lists of more than words are written in the file.
func fileOnly(name string) string {
	for _, key := range []string{"hooks", "slates", "pulls", "pushes", "recording.keep"} {
		if strings.HasPrefix(name, envName(key)) {
			return key
		}
	}
	return ""
}

func keysOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func unknownKey(what, where, near string) error {
	remedy := "`weir config schema` lists all keys."
	if near != "" {
		remedy = "Did you mean " + near + "?"
	}
	return fault.New(fault.Invalid, "config_key_unknown", "Unknown "+what+where+".", remedy)
}

func parseFile(text []byte, file string, s *settings) error {
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")) // editors of Windows put a byte order mark there
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return notYAML(err, file)
	}
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}
		if err := checkKeys(doc.Body, reflect.TypeOf(*s), file, ""); err != nil {
			return err
		}
	}
	if len(tree.Docs) > 1 && !empty(tree.Docs[1].Body) {
		return fault.New(fault.Invalid, "config_syntax", fmt.Sprintf("%s holds a second document in line %d, which would not be read.", file, tree.Docs[1].Body.GetToken().Position.Line), "Put all into one, without --- between.")
	}
	if len(tree.Docs) == 0 || empty(tree.Docs[0].Body) {
		return nil
	}
	defaults := *s
	if err := yaml.Unmarshal(text, s); err != nil {
		return badValue(err, file, tree.Docs[0].Body)
	}
	keepEmpty(tree.Docs[0].Body, reflect.ValueOf(s).Elem(), reflect.ValueOf(defaults))
	return nil
}

// empty says whether a node holds nothing, for example because all that is under it is commented out.
func empty(n ast.Node) bool {
	switch n.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return true
	}
	return false
}

// keepEmpty gives sections that hold nothing their defaults back: the parser leaves nothing of them, and a server without RTMP
// is not what somebody wants who has commented out its port.
func keepEmpty(n ast.Node, v, defaults reflect.Value) {
	_ = eachPair(n, func(key string, _ int, value ast.Node) error {
		for i := range v.NumField() {
			f := v.Field(i)
			switch {
			case v.Type().Field(i).Tag.Get("yaml") != key || f.Kind() != reflect.Struct || textual(f.Type()):
			case empty(value):
				f.Set(defaults.Field(i))
			default:
				keepEmpty(value, f, defaults.Field(i))
			}
		}
		return nil
	})
}

// checkKeys walks the file beside the type, so that a wrong key can be named with its line and the nearest right one.
func checkKeys(n ast.Node, t reflect.Type, file, path string) error {
	switch t.Kind() {
	case reflect.Slice:
		if seq, ok := n.(*ast.SequenceNode); ok {
			for _, e := range seq.Values {
				if err := checkKeys(e, t.Elem(), file, path); err != nil {
					return err
				}
			}
		}
		return nil
	case reflect.Map:
		return eachPair(n, func(_ string, _ int, v ast.Node) error { return checkKeys(v, t.Elem(), file, path) })
	case reflect.Struct:
		if textual(t) {
			return nil
		}
	default:
		return nil
	}
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		known[t.Field(i).Tag.Get("yaml")] = t.Field(i).Type
	}
	return eachPair(n, func(key string, line int, v ast.Node) error {
		sub, ok := known[key]
		if !ok {
			return unknownKey("key "+path+key, fmt.Sprintf(" in %s, line %d", file, line), nearest(key, keysOf(known)))
		}
		return checkKeys(v, sub, file, path+key+".")
	})
}

func eachPair(n ast.Node, f func(key string, line int, v ast.Node) error) error {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	}
	for _, p := range pairs {
		tok := p.Key.GetToken()
		if err := f(tok.Value, tok.Position.Line, p.Value); err != nil {
			return err
		}
	}
	return nil
}

// nearest returns the candidate with the smallest edit distance, "" if none is near.
func nearest(word string, candidates []string) string {
	best, least := "", len(word)/2+1
	for _, c := range candidates {
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
