package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestOfFindsTheFaultInAChain(t *testing.T) {
	f := New(NotFound, "stream_unknown", "There is no stream live/x.", "Publish it first.")
	err := fmt.Errorf("play: %w", f)
	if Of(err) != f || Code(err) != "stream_unknown" {
		t.Fatalf("Of(%v) = %v", err, Of(err))
	}
	if !errors.Is(err, New(Internal, "stream_unknown", "", "")) {
		t.Error("errors.Is should compare codes")
	}
}

func TestOfHidesForeignErrors(t *testing.T) {
	cause := errors.New("open /secret: no")
	f := Of(cause)
	if f.Kind != Internal || f.Code != "internal" || !errors.Is(f, cause) {
		t.Fatalf("Of = %+v", f)
	}
	if Of(nil) != nil || Code(nil) != "" {
		t.Error("nil must stay nil")
	}
}
