//go:build !linux

package main

func coarseTimers() error { return nil }
