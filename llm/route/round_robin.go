package route

import (
	"context"
	"sync/atomic"

	"github.com/beamlens/beamlens-go/llm"
)

// RoundRobin asks its models in turn, one turn each. A model that fails is made up for by the others, in their order.
type RoundRobin struct {
	models []llm.Model
	onNext func(failed llm.About, err error)
	next   atomic.Uint64
}

// NewRoundRobin returns the models. It panics when there are none. onNext, which may be nil, is told each model that failed.
func NewRoundRobin(onNext func(failed llm.About, err error), models ...llm.Model) *RoundRobin {
	if len(models) == 0 {
		panic("route: a round-robin without models")
	}
	if onNext == nil {
		onNext = func(llm.About, error) {}
	}
	return &RoundRobin{models: models, onNext: onNext}
}

var (
	_ llm.Model     = (*RoundRobin)(nil)
	_ llm.Described = (*RoundRobin)(nil)
)

// Describe tells what the first of the models is. It is local only if all are.
func (r *RoundRobin) Describe() llm.About { return describeAll(r.models) }

// Show shows what the next of the models would send.
func (r *RoundRobin) Show(req *llm.Request) ([]byte, error) {
	return llm.Show(r.models[r.next.Load()%uint64(len(r.models))], req)
}

// Turn asks the next model, and the others if it fails.
func (r *RoundRobin) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	n := len(r.models)
	first := int((r.next.Add(1) - 1) % uint64(n))
	order := make([]llm.Model, n)
	for i := range order {
		order[i] = r.models[(first+i)%n]
	}
	return inTurn(ctx, req, order, r.onNext)
}
