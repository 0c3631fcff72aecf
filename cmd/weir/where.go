package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"weir/internal/fault"
	"weir/internal/server"
)

// config is what the settings mean to the server, or the first mistake in them, with the line of the file that it is in.
func (o *options) config(s settings) (server.Config, error) {
	conf, err := s.config()
	if err == nil {
		err = conf.Validate()
	}
	return conf, located(err, o.file)
}

// located adds the line of the file to a mistake that no single value shows: the key that it names is there, or what it
// quotes is there just once.
func located(err error, file string) error {
	var f *fault.Error
	text, unread := os.ReadFile(file)
	if !errors.As(err, &f) || unread != nil {
		return err
	}
	tree, bad := parser.ParseBytes(text, 0)
	if bad != nil || len(tree.Docs) == 0 {
		return err
	}
	told := *f
	if line := lineOf(tree.Docs[0].Body, err.Error()); line > 0 {
		told.Message = fmt.Sprintf("%s (%s, line %d).", strings.TrimSuffix(told.Message, "."), filepath.Base(file), line)
	}
	return &told
}

// place is a scalar of the file.
type place struct {
	path, value string
	line        int
}

func lineOf(n ast.Node, message string) int {
	line, longest := 0, 0
	quoted, words := map[string][]int{}, quotations(message)
	for _, p := range placesOf(n, "") {
		if strings.Contains(message, p.path) && strings.Contains(p.path, ".") && len(p.path) > longest {
			line, longest = p.line, len(p.path)
		}
		for _, word := range words {
			if strings.Contains(p.value, word) {
				quoted[word] = append(quoted[word], p.line)
			}
		}
	}
	if line > 0 {
		return line
	}
	for word, lines := range quoted {
		if len(lines) == 1 && len(word) > longest {
			line, longest = lines[0], len(word)
		}
	}
	return line
}

// quotations are what a sentence has in quotation marks.
func quotations(s string) (words []string) {
	for _, m := range quotation.FindAllStringSubmatch(s, -1) {
		words = append(words, m[1])
	}
	return words
}

var quotation = regexp.MustCompile(`"([^"]{2,})"`)

func notYAML(err error, file string) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		return fault.Wrap(err, fault.Invalid, "config_syntax", file+" is not valid YAML.", "")
	}
	at := y.GetToken().Position
	return fault.New(fault.Invalid, "config_syntax", fmt.Sprintf("%s is not valid YAML in line %d, column %d: %s.", file, at.Line, at.Column, y.GetMessage()), "")
}

// badValue says which key has a value that is none for it.
func badValue(err error, file string, root ast.Node) error {
	line := lineOf(root, err.Error())
	if y := yaml.Error(nil); errors.As(err, &y) && y.GetToken() != nil {
		line = y.GetToken().Position.Line
	}
	for _, p := range placesOf(root, "") {
		if p.path == "" {
			return fault.New(fault.Invalid, "config_syntax", file+" does not hold keys with values.", "`weir init` writes one that does, with the defaults.")
		}
		if p.line == line {
			return fault.New(fault.Invalid, "config_value_bad", fmt.Sprintf("%s cannot be %q (%s, line %d).", p.path, p.value, file, line),
				"`weir config schema` tells what each key takes.")
		}
	}
	return fault.Wrap(err, fault.Invalid, "config_value_bad", file+" has a value that cannot be.", "`weir config schema` tells what each key takes.")
}

func placesOf(n ast.Node, path string) (out []place) {
	if seq, ok := n.(*ast.SequenceNode); ok {
		for _, e := range seq.Values {
			out = append(out, placesOf(e, path)...)
		}
		return out
	}
	if s, ok := n.(ast.ScalarNode); ok {
		return []place{{path, fmt.Sprint(s.GetValue()), s.GetToken().Position.Line}}
	}
	_ = eachPair(n, func(key string, _ int, v ast.Node) error {
		out = append(out, placesOf(v, strings.TrimPrefix(path+"."+key, "."))...)
		return nil
	})
	return out
}
