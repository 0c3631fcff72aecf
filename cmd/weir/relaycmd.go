package main

import (
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/api"
)

// relayCommand is `weir pull` or `weir push`.
func relayCommand(kind, plural, short, address string) *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: kind, Short: short}
	r.flags(c)
	path := "/" + plural
	var onDemand bool
	add := &cobra.Command{
		Use: "add STREAM URL", Short: "Add one; " + address, Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{"stream": args[0], "url": args[1]}
			if onDemand {
				body["on_demand"] = true
			}
			var made api.Relay
			if err := r.call(c.Context(), http.MethodPost, path, body, &made); err != nil {
				return err
			}
			return show(c, r.output, made, func(row func(...any)) { row(made.ID) })
		},
	}
	if kind == "pull" {
		add.Flags().BoolVar(&onDemand, "on-demand", false, "pull only while somebody watches")
	}
	list := &cobra.Command{
		Use: "list", Short: "List them with their state", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			relays, err := all[api.Relay](c.Context(), r, path, nil)
			if err != nil {
				return err
			}
			return show(c, r.output, relays, func(row func(...any)) {
				row("ID", "STREAM", "ADDRESS", "STATE", "ATTEMPTS", "SINCE", "LAST ERROR")
				for i := range relays {
					s := &relays[i]
					row(s.ID, s.Stream, s.URL, relayState(s), s.Attempts, when(s.Since), lastError(s))
				}
			})
		},
	}
	c.AddCommand(list, add, r.deleteCommand("remove", "Stop and remove one", path+"/"))
	return c
}

func pullCommand() *cobra.Command {
	return relayCommand("pull", "pulls", "Streams that a running server fetches from elsewhere", "the address is rtmp://, rtmps:// or http(s)://….flv")
}

func pushCommand() *cobra.Command {
	return relayCommand("push", "pushes", "Streams that a running server sends elsewhere", "the address is rtmp:// or rtmps://")
}

func relayState(s *api.Relay) string {
	if s.OnDemand {
		return s.State + " (on demand)"
	}
	return s.State
}

func lastError(s *api.Relay) string {
	if s.LastError == nil || s.State == "running" {
		return "-"
	}
	return strings.TrimSpace(s.LastError.Code + ": " + s.LastError.Message)
}
