// Weir is a streaming media server. This package knows flags, files and the environment, and calls the rooms.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"weir/internal/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	err := root().ExecuteContext(ctx)
	stop()
	if code := finish(err, func(s string) { fmt.Fprintln(os.Stderr, s) }); code != 0 {
		os.Exit(code)
	}
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
