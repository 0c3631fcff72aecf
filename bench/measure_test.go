package main

import (
	"context"
	"errors"
	"testing"
)

func TestBesideCanBeStoppedTwice(t *testing.T) {
	failed := errors.New("failed")
	stop := beside(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return failed })
	if first, again := stop(), stop(); first != failed || again != failed {
		t.Error(first, again)
	}
}
