package main

import (
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/api"
)

// recordingCommand is `weir recording`.
func recordingCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "recording", Short: "What a running server keeps of its streams"}
	r.flags(c)
	c.AddCommand(r.listRecordings(), r.startRecording(), r.stopRecording(), r.keepRange(), r.renameRecording(), r.deleteRecording())
	return c
}

func (r *remote) listRecordings() *cobra.Command {
	var stream string
	c := &cobra.Command{
		Use: "list", Short: "List recordings, the newest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			q := url.Values{}
			if stream != "" {
				q.Set("stream", stream)
			}
			list, err := all[api.Recording](c.Context(), r, "/recordings", q)
			if err != nil {
				return err
			}
			return show(c, r.output, list, func(row func(...any)) {
				row("ID", "STREAM", "TITLE", "STATE", "FROM", "SECONDS", "BYTES", "COMPLETE")
				for i := range list {
					k := &list[i]
					row(k.ID, k.Stream, k.Title, k.State, k.From.Format(time.RFC3339), k.DurationS, k.Bytes, k.Complete)
				}
			})
		},
	}
	c.Flags().StringVar(&stream, "stream", "", "only of this stream")
	return c
}

// answered prints the id of a recording, or all of it as JSON.
func (r *remote) answered(c *cobra.Command, method, path string, body any) error {
	var made api.Recording
	if err := r.call(c.Context(), method, path, body, &made); err != nil {
		return err
	}
	return show(c, r.output, made, func(row func(...any)) { row(made.ID) })
}

func (r *remote) startRecording() *cobra.Command {
	var title string
	var preRoll time.Duration
	c := &cobra.Command{
		Use: "start STREAM", Short: "Record a stream until it is stopped or ends", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return r.answered(c, http.MethodPost, "/recordings", map[string]any{"stream": args[0], "title": title, "pre_roll_s": preRoll.Seconds()})
		},
	}
	c.Flags().StringVar(&title, "title", "", "its title; else the stream's name and the time")
	c.Flags().DurationVar(&preRoll, "pre-roll", 0, "begin so much earlier")
	return c
}

func (r *remote) stopRecording() *cobra.Command {
	return &cobra.Command{
		Use: "stop ID", Short: "End a recording; answers when all of it is on the disk", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return r.answered(c, http.MethodPost, "/recordings/"+url.PathEscape(args[0])+"/stop", nil)
		},
	}
}

func (r *remote) keepRange() *cobra.Command {
	var title string
	c := &cobra.Command{
		Use: "keep STREAM FROM TO", Short: "Keep a range of the past; times as 2026-11-22T10:00:00Z", Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			return r.answered(c, http.MethodPost, "/recordings", map[string]any{"stream": args[0], "from": args[1], "to": args[2], "title": title})
		},
	}
	c.Flags().StringVar(&title, "title", "", "its title; else the stream's name and the time")
	return c
}

func (r *remote) renameRecording() *cobra.Command {
	return &cobra.Command{
		Use: "rename ID TITLE", Short: "Give a recording another title", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return r.answered(c, http.MethodPatch, "/recordings/"+url.PathEscape(args[0]), map[string]any{"title": args[1]})
		},
	}
}

func (r *remote) deleteRecording() *cobra.Command {
	var footage bool
	c := &cobra.Command{
		Use: "delete ID", Short: "Forget a recording", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			path := "/recordings/" + url.PathEscape(args[0])
			if footage {
				path += "?footage=true"
			}
			return r.call(c.Context(), http.MethodDelete, path, nil, nil)
		},
	}
	c.Flags().BoolVar(&footage, "footage", false, "delete its footage at once, but for what another recording keeps")
	return c
}

// storageCommand is `weir storage`.
func storageCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "storage", Short: "Where a running server keeps footage, and how long the room lasts"}
	r.flags(c)
	status := &cobra.Command{
		Use: "show", Short: "State, room and forecast", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var s api.Storage
			if err := r.call(c.Context(), http.MethodGet, "/storage", nil, &s); err != nil {
				return err
			}
			return show(c, r.output, s, func(row func(...any)) {
				row("FOLDER", "STATE", "USED", "FREE", "HELD", "PER DAY", "FULL IN DAYS", "CAUSE")
				for i := range s.Volumes {
					v := &s.Volumes[i]
					days := any("-")
					if v.FullInDays != nil {
						days = *v.FullInDays
					}
					row(v.Dir, v.State, v.Used, v.Free, v.Held, v.BytesPerDay, days, v.Cause)
				}
			})
		},
	}
	release := &cobra.Command{
		Use: "release [STREAM]", Short: "Let retention have the footage that was found and not known", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{}
			if len(args) > 0 {
				body["timeline"] = args[0]
			}
			return r.call(c.Context(), http.MethodPost, "/storage/release", body, nil)
		},
	}
	c.AddCommand(status, release)
	return c
}
