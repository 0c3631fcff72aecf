//go:build !linux

package transcode

// bound does nothing: only Linux sets the limits of another process.
func bound(int) {}
