package main

import (
	"fmt"
	"net"
	"os"
	"strings"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/pipeline"
)

// validate finds what each value for itself cannot show: the rooms check the rest when they get their part.
func (s settings) validate() error {
	for _, f := range fields(&s) {
		if f.value.CanInt() && f.value.Int() < 0 || f.value.CanFloat() && !(f.value.Float() >= 0) { // NaN is neither
			return fault.New(fault.Invalid, "config_value_bad", fmt.Sprintf("%s is negative.", f.path), f.doc)
		}
	}
	if err := s.addresses(); err != nil {
		return err
	}
	if s.Segments.Enabled && s.Segments.Part > s.Segments.Duration {
		return fault.New(fault.Invalid, "config_value_bad", fmt.Sprintf("segments.part, %v, is longer than segments.duration, %v.", s.Segments.Part, s.Segments.Duration), "A segment is made of several parts, for example 2s of 200ms.")
	}
	if (s.HTTP.Certificate == "") != (s.HTTP.Key == "") {
		return fault.New(fault.Invalid, "config_value_bad", "Only one of http.certificate and http.key is set.", "Set both, or neither for a self-signed one.")
	}
	if _, err := newHandler(os.Stderr, s.Log); err != nil {
		return err
	}
	return session.Config{Limits: session.Limits(s.Limits), Rates: s.Rates.rates()}.Validate()
}

// addresses looks at what is listened on and reached. A gateway that cannot open its port is off while the server runs, and a
// relay is tried for ever: what can never work must be said before.
func (s settings) addresses() error {
	for _, f := range fields(&s) {
		if text, ok := f.value.Interface().(string); ok && (strings.HasSuffix(f.path, ".listen") || strings.HasSuffix(f.path, ".tls_listen")) && text != "" && text != "off" {
			_, port, err := net.SplitHostPort(text)
			if err == nil {
				_, err = net.LookupPort("tcp", port)
			}
			if err != nil {
				return fault.Wrap(err, fault.Invalid, "config_value_bad", fmt.Sprintf("%s cannot be %q.", f.path, text), "Write it as :PORT or ADDRESS:PORT.")
			}
		}
	}
	for _, list := range []struct {
		key    string
		relays []relaySettings
	}{{"pulls", s.Pulls}, {"pushes", s.Pushes}} {
		for _, r := range list.relays {
			scheme, rest, _ := strings.Cut(r.URL, "://")
			web := list.key == "pulls" && (scheme == "http" || scheme == "https")
			if rest == "" || scheme != "rtmp" && scheme != "rtmps" && !web {
				return fault.New(fault.Invalid, "config_value_bad", fmt.Sprintf("The address of %s in %s cannot be used.", r.Stream, list.key),
					"Use rtmp://, rtmps://, or for pulls http(s)://….flv.")
			}
			relay := pipeline.Relay{Stream: r.Stream, URL: r.URL, OnDemand: r.OnDemand && list.key == "pulls"}
			if err := relay.Validate(); err != nil {
				return fault.New(fault.Invalid, "config_value_bad", fmt.Sprintf("%s cannot have the stream %.200q.", list.key, r.Stream), fault.Of(err).Message)
			}
		}
	}
	return nil
}
