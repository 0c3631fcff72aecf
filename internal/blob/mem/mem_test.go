package mem_test

import (
	"testing"

	"weir/internal/blob"
	"weir/internal/blob/blobtest"
	"weir/internal/blob/mem"
)

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(*testing.T) blob.Store { return mem.New() })
}
