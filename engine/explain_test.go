package engine_test

import (
	"context"
	"errors"
	"testing"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
)

// TestExplainEnds: without anything to explain it ends with its context, and what cannot be served is an error.
func TestExplainEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	told := 0
	o := engine.Options{Target: beamlens.Target{Kind: "go", Name: "shop"}, OnEvent: func(beamlens.Event) {
		told++
		cancel()
	}}
	if i, err := engine.Explain(ctx, o); i != nil || err != nil || told == 0 {
		t.Errorf("%+v, %v, %d events", i, err, told)
	}
	if _, err := engine.Explain(t.Context(), engine.Options{}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("no target: %v", err)
	}
}
