package webrtc

import (
	"runtime/debug"

	"github.com/pion/logging"
)

// quiet is a logger for pion's parts that says nothing: what matters to people is said by the session's
// own end, and the parts warn about every stray packet.
type quiet struct{}

func (quiet) Trace(string)          {}
func (quiet) Tracef(string, ...any) {}
func (quiet) Debug(string)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(string)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warn(string)           {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Error(string)          {}
func (quiet) Errorf(string, ...any) {}

// NewLogger makes quiet its own factory.
func (q quiet) NewLogger(string) logging.LeveledLogger { return q }

func stack() string { return string(debug.Stack()) }
