package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/api"
	"weir/internal/fault"
)

// The two variables that are no settings: where the API is, and who asks.
const (
	serverVariable = "WEIR_SERVER"
	tokenVariable  = "WEIR_TOKEN"
)

const apiTimeout = 30 * time.Second

// remote is a server that commands talk to over its API.
type remote struct {
	server, token, output string
}

// flags adds what all commands over the API take.
func (r *remote) flags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&r.server, "server", "", "address of the server (default $"+serverVariable+" or http://127.0.0.1:8080)")
	f.StringVar(&r.token, "token", "", "API token (default $"+tokenVariable+")")
	outputFlag(c, &r.output)
}

func outputFlag(c *cobra.Command, to *string) {
	c.PersistentFlags().StringVarP(to, "output", "o", "table", "table or json")
}

func checkOutput(o string) error {
	if o != "table" && o != "json" {
		return fault.New(fault.Invalid, "usage", "There is no output "+o+".", "Use -o table or -o json.")
	}
	return nil
}

// base is the server's address without a slash at its end.
func (r *remote) base() string {
	for _, s := range []string{r.server, os.Getenv(serverVariable)} {
		if s != "" {
			return strings.TrimRight(s, "/")
		}
	}
	return "http://127.0.0.1:8080"
}

// call asks the API and reads the answer into out, which may be nil.
func (r *remote) call(ctx context.Context, method, path string, body, out any) error {
	if err := checkOutput(r.output); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base()+"/api/v1"+path, send)
	if err != nil || req.URL.Host == "" {
		return fault.Wrap(err, fault.Invalid, "server_address_bad", r.base()+" is not the address of a server.", "Write it like http://127.0.0.1:8080.")
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	token := r.token
	if token == "" {
		token = os.Getenv(tokenVariable)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return r.unreachable(ctx, err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end or given up
	if res.StatusCode >= 300 {
		return refused(res, token != "")
	}
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fault.Wrap(err, fault.Unavailable, "server_strange", r.base()+" does not answer as Weir's API does.", "Check the address: --server or "+serverVariable+".")
	}
	return nil
}

func (r *remote) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fault.Wrap(err, fault.Unavailable, "server_unreachable", "No Weir answers at "+r.base()+".", "Start it, or name the server with --server or "+serverVariable+".")
}

// refused turns the body of an error into the fault it was.
func refused(res *http.Response, hadToken bool) error {
	var p api.Problem
	raw, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // a body that breaks off is no problem document
	if json.Unmarshal(raw, &p) != nil || p.Code == "" {
		return fault.New(fault.Unavailable, "server_strange", fmt.Sprintf("The server answered %s, and not as Weir's API does.", res.Status), "Check the address: --server or "+serverVariable+".")
	}
	if res.StatusCode == http.StatusUnauthorized && !hadToken {
		p.Remedy = "Make a token with `weir token create` on the server, and give it as --token or " + tokenVariable + "."
	}
	return fault.New(fault.Unavailable, p.Code, p.Detail, p.Remedy)
}

// all reads every page of a list.
func all[T any](ctx context.Context, r *remote, path string, query url.Values) ([]T, error) {
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", "200")
	list := []T{}
	for {
		var page api.Page[T]
		if err := r.call(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		list = append(list, page.Items...)
		if page.NextCursor == "" {
			return list, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

// show prints a value as JSON, or as what table writes into columns.
func show(c *cobra.Command, output string, v any, table func(row func(cells ...any))) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	w := c.OutOrStdout()
	if output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	table(func(cells ...any) {
		for i, cell := range cells {
			if i > 0 {
				_, _ = io.WriteString(t, "\t") // errors come out at Flush
			}
			_, _ = fmt.Fprint(t, cell)
		}
		_, _ = io.WriteString(t, "\n")
	})
	return t.Flush()
}

// bitrate writes bits per second for people.
func bitrate[N int | int64](bps N) string {
	switch {
	case bps >= 1e6:
		return fmt.Sprintf("%.2f Mbit/s", float64(bps)/1e6)
	case bps > 0:
		return fmt.Sprintf("%.0f kbit/s", float64(bps)/1e3)
	}
	return "-"
}

// when writes a moment for people.
func when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
