package route

import (
	"context"

	"github.com/beamlens/beamlens-go/llm"
)

// Limit bounds how many turns of a model are on at once. Who comes later waits for his place, within his own time.
type Limit struct {
	model  llm.Model
	places chan struct{}
}

// DefaultTurns is how many turns of one model may be on at once.
const DefaultTurns = 4

// NewLimit returns the model with at most n turns at once; 0 means [DefaultTurns].
func NewLimit(m llm.Model, n int) *Limit {
	if n <= 0 {
		n = DefaultTurns
	}
	return &Limit{m, make(chan struct{}, n)}
}

var (
	_ llm.Model     = (*Limit)(nil)
	_ llm.Described = (*Limit)(nil)
)

// Describe tells what the wrapped model is.
func (l *Limit) Describe() llm.About { return describe(l.model) }

// Show shows what the wrapped model would send.
func (l *Limit) Show(req *llm.Request) ([]byte, error) { return llm.Show(l.model, req) }

// Turn waits for a place and asks.
func (l *Limit) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	select {
	case l.places <- struct{}{}:
		defer func() { <-l.places }()
	case <-ctx.Done():
		return nil, &llm.Error{Kind: llm.ErrTimeout, Msg: "too many turns are on at once: no place became free in time", Err: ctx.Err()}
	}
	return l.model.Turn(ctx, req)
}
