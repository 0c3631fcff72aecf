package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is the release that this source is on its way to.
const version = "0.1.0"

// commit is what the binary was built from, as far as the Go command recorded it or -ldflags told.
func commit() string {
	if builtFrom != "" {
		return builtFrom
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return s.Value[:12]
			}
		}
	}
	return "unknown"
}

var builtFrom string // set by the linker (Makefile)

// options are the flags that all commands share.
type options struct {
	file    string
	setting map[string]*string
}

func root() *cobra.Command {
	o := &options{setting: map[string]*string{}}
	c := &cobra.Command{
		Use: "weir", Short: "Streaming media server: publish with anything, watch with anything",
		SilenceErrors: true, SilenceUsage: true, Version: version,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c, o, "") },
	}
	c.PersistentFlags().StringVarP(&o.file, "config", "c", "weir.yaml", "configuration file")
	s := defaultSettings()
	for _, f := range fields(&s) {
		value := new(string)
		o.setting[f.path] = value
		c.PersistentFlags().StringVar(value, f.path, "", f.doc)
	}
	hideSettings(c.PersistentFlags())
	key, token := keyCommand(o), tokenCommand(o)
	keyRemotes(key)
	tokenRemotes(token)
	c.AddCommand(serveCommand(o), initCommand(o), key, token, userCommand(o), configCommand(o), versionCommand(),
		publishCommand(), streamCommand(), sessionCommand(), pullCommand(), pushCommand(), probeCommand(), lintCommand(), doctorCommand(o),
		recordingCommand(), storageCommand(), footageCheckCommand(o))
	for _, sub := range c.Commands() {
		group(sub)
	}
	return c
}

// group has a command that only holds others refuse a word that is none of them: cobra would print its help and call it a success.
func group(c *cobra.Command) {
	if c.Runnable() {
		return
	}
	c.Args, c.DisableFlagsInUseLine = cobra.NoArgs, true
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
}

// hideSettings keeps the help short: the settings are described by `weir config schema` and the reference.
func hideSettings(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) { f.Hidden = f.Name != "config" && f.Name != "data_dir" })
}

// settings loads file, environment and flags.
func (o *options) settings(c *cobra.Command) (settings, error) {
	flags := map[string]string{}
	c.Flags().Visit(func(f *pflag.Flag) {
		if v, ok := o.setting[f.Name]; ok {
			flags[f.Name] = *v
		}
	})
	return load(o.file, c.Flags().Changed("config"), os.Environ(), flags)
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "weir "+version+" ("+commit()+")")
			return err
		},
	}
}
