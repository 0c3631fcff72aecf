package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"weir/internal/fault"
	"weir/internal/timeline"
)

// footageCheckCommand is `weir check`.
func footageCheckCommand(o *options) *cobra.Command {
	var quick bool
	var output string
	c := &cobra.Command{
		Use: "check", Short: "Look through the footage for damage: every file, its index and its checksums; changes nothing",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := o.settings(c)
			if err != nil {
				return err
			}
			dir := s.Recording.Dir
			if dir == "" {
				dir = filepath.Join(s.DataDir, "timeline")
			}
			found := []timeline.Finding{}
			report, err := timeline.Check(c.Context(), dir, !quick, func(f timeline.Finding) {
				found = append(found, f)
				if output != "json" {
					fmt.Fprintln(c.OutOrStdout(), f.String())
				}
			})
			if err != nil {
				return err
			}
			if err := show(c, output, map[string]any{"report": report, "findings": found}, func(row func(...any)) {
				row("FILES", "OPEN", "UNKNOWN", "BYTES", "FINDINGS")
				row(report.Files, report.Open, report.Unknown, report.Bytes, report.Findings)
			}); err != nil {
				return err
			}
			if len(found) > 0 {
				return fault.New(fault.Invalid, "footage_damaged", fmt.Sprintf("%d things are not as they should be.", len(found)),
					"Footage that is damaged is not played; everything else is. Restore the named files from a copy, or delete them.")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "only sizes and indexes, not every byte")
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return c
}
