package main

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/api"
)

// keyRemotes adds to `weir key` what goes over the API.
func keyRemotes(c *cobra.Command) {
	r := &remote{}
	list := &cobra.Command{
		Use: "list", Short: "List the keys of a running server, without their secrets", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			keys, err := all[api.Key](c.Context(), r, "/keys", nil)
			if err != nil {
				return err
			}
			return show(c, r.output, keys, func(row func(...any)) {
				row("ID", "NAME", "PATTERN", "FOR", "KEY", "MADE", "LAST USED", "SHOWN")
				for i := range keys {
					k := &keys[i]
					row(k.ID, k.Name, k.Pattern, strings.Join(k.Actions, ","), k.Masked, when(&k.CreatedAt), when(k.LastUsedAt), k.ShownCount)
				}
			})
		},
	}
	rotate := &cobra.Command{
		Use: "rotate ID", Short: "Give a key of a running server a new secret and print just that", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var k api.Key
			if err := r.call(c.Context(), http.MethodPost, "/keys/"+url.PathEscape(args[0])+"/rotate", nil, &k); err != nil {
				return err
			}
			return show(c, r.output, k, func(row func(...any)) { row(k.Secret) })
		},
	}
	addRemote(c, r, list, rotate, r.deleteCommand("delete", "Delete a key of a running server", "/keys/"))
}

// tokenRemotes adds to `weir token` what goes over the API.
func tokenRemotes(c *cobra.Command) {
	r := &remote{}
	list := &cobra.Command{
		Use: "list", Short: "List the tokens of a running server, without their secrets", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			tokens, err := all[api.Token](c.Context(), r, "/tokens", nil)
			if err != nil {
				return err
			}
			return show(c, r.output, tokens, func(row func(...any)) {
				row("ID", "NAME", "SCOPES", "MADE", "LAST USED")
				for i := range tokens {
					t := &tokens[i]
					row(t.ID, t.Name, strings.Join(t.Scopes, ","), when(&t.CreatedAt), when(t.LastUsedAt))
				}
			})
		},
	}
	addRemote(c, r, list, r.deleteCommand("delete", "Delete a token of a running server", "/tokens/"))
}

// addRemote gives only these commands the flags of the API; create works on the data folder.
func addRemote(c *cobra.Command, r *remote, commands ...*cobra.Command) {
	for _, sub := range commands {
		r.flags(sub)
		c.AddCommand(sub)
	}
}
