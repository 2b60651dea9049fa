package engine

import (
	"context"
	"sync"

	beamlens "github.com/beamlens/beamlens-go"
)

// Explain serves an engine until it has produced an insight, which is in the store and has been told by then, and returns it; nil if ctx ended before. It is for
// what has happened already: the end of a program, that its monitor has to explain.
func Explain(ctx context.Context, o Options) (*beamlens.Insight, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex // guards first
	var first *beamlens.Insight
	tell := o.OnEvent
	o.OnEvent = func(ev beamlens.Event) {
		if tell != nil {
			tell(ev)
		}
		if ev.Name != beamlens.EventInsightProduced {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = ev.Insight
			cancel()
		}
	}
	e, err := New(o)
	if err != nil {
		return nil, err
	}
	err = e.Serve(ctx)
	mu.Lock()
	defer mu.Unlock()
	if ctx.Err() != nil {
		err = nil // it was told to end
	}
	return first, err
}
