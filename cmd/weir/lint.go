package main

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/fault"
	"weir/internal/lint"
)

// exit is an error with an exit code of its own; without a cause there is nothing left to say.
type exit struct {
	code  int
	cause error
}

func (e *exit) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *exit) Unwrap() error { return e.cause }

// linter is `weir lint`.
type linter struct {
	follow   time.Duration
	format   string
	severity string
	language string
	segments int
	insecure bool
}

func lintCommand() *cobra.Command {
	l := &linter{}
	c := &cobra.Command{
		Use: "lint URL|FILE", Short: "Judge an HLS or DASH stream: which rule is broken where, with its clause",
		Long: "Judge an HLS or DASH stream: fetch its playlists, init segments, segments and parts, and say which rule is broken where, with its clause and a remedy.\n" +
			"The exit code is 0 when no requirement is broken, 1 when one is, and 2 when nothing can be read.",
		Example: `  weir lint http://127.0.0.1:8080/live/show/index.m3u8 --for 30s
  weir lint movie/manifest.mpd --severity must --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return l.run(c, args[0]) },
	}
	f := c.Flags()
	f.DurationVar(&l.follow, "for", 20*time.Second, "how long to follow a live stream")
	f.StringVar(&l.format, "format", "text", "text or json")
	f.StringVar(&l.severity, "severity", "note", "the least to report: must, should or note")
	f.IntVar(&l.segments, "max-segments", 60, "how many segments to read of each playlist or representation")
	f.StringVar(&l.language, "lang", "", "language of the sentences: en or zh-CN; by default that of the system")
	f.BoolVar(&l.insecure, "insecure", false, "believe any TLS certificate, such as a self-signed one")
	return c
}

func (l *linter) run(c *cobra.Command, target string) error {
	var least lint.Severity
	if err := least.UnmarshalText([]byte(l.severity)); err != nil {
		return &exit{2, fault.Wrap(err, fault.Invalid, "usage", "--severity "+l.severity+" is not known.", "Give must, should or note.")}
	}
	if l.format != "text" && l.format != "json" {
		return &exit{2, fault.New(fault.Invalid, "usage", "--format "+l.format+" is not known.", "Give text or json.")}
	}
	if l.segments < 1 || l.follow < 0 {
		return &exit{2, fault.New(fault.Invalid, "usage", "--max-segments and --for must be positive.", "Leave them out for the defaults.")}
	}
	report, err := lint.Run(c.Context(), target, l.options())
	if err != nil {
		return &exit{2, err}
	}
	broken := report.Count(lint.Must) > 0
	report.AtLeast(least)
	if l.format == "json" {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(report)
	} else {
		err = report.Text(c.OutOrStdout(), l.lang())
	}
	if err == nil && broken {
		return &exit{code: 1}
	}
	return err
}

func (l *linter) options() lint.Options {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: l.insecure}} //nolint:gosec // asked for by --insecure
	return lint.Options{For: l.follow, MaxSegments: l.segments, Language: l.lang(), Client: &http.Client{Transport: transport}}
}

func (l *linter) lang() string {
	if l.language != "" {
		return l.language
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			if strings.HasPrefix(v, "zh") {
				return "zh-CN"
			}
			break
		}
	}
	return "en"
}

// finish tells the person what went wrong and returns the exit code.
func finish(err error, say func(string)) int {
	if err == nil {
		return 0
	}
	if e, ok := err.(*exit); ok {
		if e.cause != nil {
			say(describe(e.cause))
		}
		return e.code
	}
	say(describe(err))
	return 1
}
