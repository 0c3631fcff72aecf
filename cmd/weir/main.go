// Weir is a streaming media server. This package knows flags, files and the environment, and calls the rooms.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"weir/internal/fault"
)

func main() {
	command := root()
	if serves(command, os.Args[1:]) {
		signal.Ignore(syscall.SIGHUP) // until the configuration is watched: it would end a server that is only starting. An exec keeps this.
		if err := coarseTimers(); err != nil {
			fmt.Fprintf(os.Stderr, "weir: the server runs on, but takes somewhat more CPU time (%v)\n", err)
		}
	}
	if serves(command, os.Args[1:]) {
		// Who reads the log may die, and the next line would take the server along (os/signal, "SIGPIPE"). It is caught and
		// not ignored, because children would inherit that.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	err := command.ExecuteContext(ctx)
	stop()
	if code := finish(err, func(s string) { fmt.Fprintln(os.Stderr, s) }); code != 0 {
		os.Exit(code)
	}
}

// serves says whether these arguments run the server.
func serves(root *cobra.Command, args []string) bool {
	c, _, err := root.Find(args)
	return err == nil && (c == root || c.Name() == "serve")
}

// describe is an error as a person should see it.
func describe(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return "weir: " + err.Error()
	}
	s := "weir: " + f.Message
	if f.Remedy != "" {
		s += "\n      " + f.Remedy
	}
	if f.Err != nil {
		s += "\n      (" + f.Err.Error() + ")"
	}
	return s
}
