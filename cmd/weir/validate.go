package main

import (
	"fmt"
	"os"

	"weir/internal/control/session"
	"weir/internal/fault"
)

// validate finds what each value for itself cannot show: the rooms check the rest when they get their part.
func (s settings) validate() error {
	for _, f := range fields(&s) {
		if f.value.CanInt() && f.value.Int() < 0 || f.value.CanFloat() && f.value.Float() < 0 {
			return fault.New(fault.Invalid, "config_value_bad", fmt.Sprintf("%s is negative.", f.path), f.doc)
		}
	}
	if s.Segments.Enabled && s.Segments.Part > s.Segments.Duration {
		return fault.New(fault.Invalid, "config_value_bad", fmt.Sprintf("segments.part, %v, is longer than segments.duration, %v.", s.Segments.Part, s.Segments.Duration), "A segment is made of several parts, for example 2s of 200ms.")
	}
	if (s.HTTP.Certificate == "") != (s.HTTP.Key == "") {
		return fault.New(fault.Invalid, "config_value_bad", "Only one of http.certificate and http.key is set.", "Set both, or neither for a self-signed one.")
	}
	if _, err := newLogger(os.Stderr, s.Log); err != nil {
		return err
	}
	return session.Config{Limits: session.Limits(s.Limits), Rates: s.Rates.rates()}.Validate()
}
