package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"weir/internal/fault"
)

func configCommand(o *options) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check and describe the configuration"}
	c.AddCommand(&cobra.Command{
		Use: "check", Short: "Say whether the configuration is right", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := o.settings(c)
			if err != nil {
				return err
			}
			if _, err := o.config(s); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "The configuration is right.")
			return err
		},
	}, &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of weir.yaml", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(schema())
		},
	})
	return c
}

func initCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "init", Short: "Write a weir.yaml with the defaults and what they mean", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return fault.Wrap(err, fault.Conflict, "config_exists", o.file+" cannot be written.", "Move an existing file away first, or name another one with --config.")
			}
			_, err = f.WriteString(commented())
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err == nil {
				_, err = fmt.Fprintln(c.OutOrStdout(), "Wrote "+o.file+".")
			}
			return err
		},
	}
}

// commented is the default configuration with each key's meaning above it.
func commented() string {
	s := defaultSettings()
	var b strings.Builder
	b.WriteString("# Weir's configuration. Every key may be left out; these are the defaults.\n# The running server reads this file again when it changes, and cuts no stream. Where a setting does not take effect at once, it says when.\n")
	writeDefaults(&b, reflect.ValueOf(&s).Elem(), "")
	b.WriteString(`
# What is kept of which streams, beside the DVR window; the first that fits decides. It goes into the section recording.
# recording:
#   keep:
#     - {streams: "live/*", for: 168h, record: true}

# What viewers see while a publisher is away: the last picture, or a film that is shown again and again.
# slates:
#   - {streams: "live/*", after: 2s, for: 10m, file: /srv/back-soon.mp4}

# HTTP callbacks as nginx-rtmp has them, by application.
# hooks:
#   live:
#     on_publish: http://127.0.0.1:9000/publish

# Streams from and to other servers.
# pulls:
#   - {stream: live/news, url: "rtmp://example.org/live/news", on_demand: true}
# pushes:
#   - {stream: live/show, url: "rtmps://live.example.org:443/app/KEY"}
`)
	return b.String()
}

// writeDefaults writes the scalars of a section, each with its meaning above it. Hooks, pulls and pushes have no defaults.
func writeDefaults(b *strings.Builder, v reflect.Value, indent string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, doc := f.Tag.Get("yaml"), described(f)
		if !scalar(f.Type) && f.Type.Kind() != reflect.Struct {
			continue
		}
		if indent == "" {
			b.WriteByte('\n')
		}
		if doc != "" {
			fmt.Fprintf(b, "%s# %s\n", indent, doc)
		}
		if scalar(f.Type) {
			fmt.Fprintf(b, "%s%s: %s\n", indent, name, yamlValue(v.Field(i)))
			continue
		}
		fmt.Fprintf(b, "%s%s:\n", indent, name)
		writeDefaults(b, v.Field(i), indent+"  ")
	}
}

func yamlValue(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return fmt.Sprintf("%q", x)
	case time.Duration:
		return x.String()
	}
	if v.Kind() == reflect.Slice {
		return "[]"
	}
	b, err := yaml.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprint(v.Interface())
	}
	return strings.TrimSpace(string(b))
}

// described is what a key means, and when a change of it takes effect if not at once.
func described(f reflect.StructField) string {
	doc, when := f.Tag.Get("doc"), whenTaken(f.Tag.Get("takes"))
	if doc == "" || when == "" {
		return doc
	}
	return doc + " Changes take effect " + when + "."
}

// schema is the JSON Schema of the settings, for editors and for the reference.
func schema() map[string]any {
	s := schemaOf(reflect.TypeFor[settings]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "weir.yaml"
	return s
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string", "pattern": `^([0-9.]+(h|m|s|ms))+$`, "examples": []string{"20s", "200ms"}}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Struct:
		properties := map[string]any{}
		for i := range t.NumField() {
			f := t.Field(i)
			p := schemaOf(f.Type)
			if doc := described(f); doc != "" {
				p["description"] = doc
			}
			properties[f.Tag.Get("yaml")] = p
		}
		return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float64:
		return map[string]any{"type": "number", "minimum": 0}
	default:
		return map[string]any{"type": "integer", "minimum": 0}
	}
}
