package main

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/control/access"
	"weir/internal/control/catalog"
	"weir/internal/control/catalog/sqlite"
)

// withAccess opens the data folder, which works beside a running server too.
func (o *options) withAccess(c *cobra.Command, f func(context.Context, *access.Access) error) error {
	s, err := o.settings(c)
	if err != nil {
		return err
	}
	if !exists(s.DataDir) {
		// Whoever stands in another folder than the server would wonder why it does not know the secret.
		c.PrintErrf("weir: made a new data folder, %s; a server with another one will not know what is made here (--data_dir names it)\n", s.DataDir)
	}
	if err := os.MkdirAll(s.DataDir, 0o750); err != nil {
		return err
	}
	ctx := c.Context()
	db, err := sqlite.Open(ctx, s.DataDir)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := catalog.New(ctx, db, catalog.SQLite)
	if err != nil {
		return err
	}
	a, err := access.Open(ctx, store, s.DataDir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return f(ctx, a)
}

func keyCommand(o *options) *cobra.Command {
	c := &cobra.Command{Use: "key", Short: "Stream keys"}
	var play bool
	create := &cobra.Command{
		Use: "create NAME|PATTERN", Short: "Make a key for a stream (live/show) or a pattern (live/*) and print just the key", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.withAccess(c, func(ctx context.Context, a *access.Access) error {
				n := access.NewKey{Name: args[0], Pattern: args[0], Actions: []string{access.ActionPublish}}
				if play {
					n.Actions = []string{access.ActionPlay}
				}
				_, secret, err := a.CreateKey(ctx, n)
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write([]byte(secret + "\n"))
				return err
			})
		},
	}
	create.Flags().BoolVar(&play, "play", false, "a key for watching instead of publishing")
	c.AddCommand(create)
	return c
}

func tokenCommand(o *options) *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "API tokens"}
	var scopes []string
	create := &cobra.Command{
		Use: "create [NAME]", Short: "Make an API token and print just the token", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.withAccess(c, func(ctx context.Context, a *access.Access) error {
				_, secret, err := a.CreateToken(ctx, strings.Join(append(args, "command line")[:1], ""), scopes)
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write([]byte(secret + "\n"))
				return err
			})
		},
	}
	create.Flags().StringSliceVar(&scopes, "scope", []string{access.ScopeAdmin}, "what the token may do: "+strings.Join(access.Scopes(), ", "))
	c.AddCommand(create)
	return c
}

func userCommand(o *options) *cobra.Command {
	c := &cobra.Command{Use: "user", Short: "Users"}
	c.AddCommand(&cobra.Command{
		Use: "reset-password [NAME]", Short: "Give a user a new password and print it", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.withAccess(c, func(ctx context.Context, a *access.Access) error {
				if err := a.EnsureOwner(ctx); err != nil {
					return err
				}
				password, err := a.ResetPassword(ctx, append(args, access.Owner)[0], "")
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write([]byte(password + "\n"))
				return err
			})
		},
	})
	return c
}
