package route

import (
	"context"
	"errors"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

// Fallback asks the first of its models, the next when that one fails, and so on. Each gets a fair part of the time that is left, so
// that one which never answers leaves time for the others.
type Fallback struct {
	models []llm.Model
	onNext func(failed llm.About, err error)
}

// NewFallback returns the models in the order in which they are asked. It panics when there are none. onNext, which may be nil, is told
// each model that failed.
func NewFallback(onNext func(failed llm.About, err error), models ...llm.Model) *Fallback {
	if len(models) == 0 {
		panic("route: a fallback without models")
	}
	if onNext == nil {
		onNext = func(llm.About, error) {}
	}
	return &Fallback{models, onNext}
}

var (
	_ llm.Model     = (*Fallback)(nil)
	_ llm.Described = (*Fallback)(nil)
)

// Describe tells what the first of the models is. It is local only if all are.
func (f *Fallback) Describe() llm.About { return describeAll(f.models) }

func describeAll(models []llm.Model) llm.About {
	about := describe(models[0])
	for _, m := range models {
		about.Local = about.Local && describe(m).Local
	}
	return about
}

// Show shows what the first of the models would send.
func (f *Fallback) Show(req *llm.Request) ([]byte, error) { return llm.Show(f.models[0], req) }

// Turn asks one after the other until one answers.
func (f *Fallback) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	return inTurn(ctx, req, f.models, f.onNext)
}

// inTurn asks the models in order. When all fail, the error is the first model's that says more than that its time is over, because that
// is the model the user chose.
func inTurn(ctx context.Context, req *llm.Request, models []llm.Model, onNext func(llm.About, error)) (*llm.Response, error) {
	var all error
	for i, m := range models {
		response, err := within(ctx, req, m, len(models)-i)
		if err == nil {
			return response, nil
		}
		all = errors.Join(all, err)
		if ctx.Err() != nil {
			break
		}
		onNext(describe(m), err)
	}
	return nil, gravest(all)
}

// within asks one model within its part of the time.
func within(ctx context.Context, req *llm.Request, m llm.Model, left int) (*llm.Response, error) {
	if end, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		defer cancel()
	}
	response, err := m.Turn(ctx, req)
	if err == nil && response == nil {
		err = &llm.Error{Kind: llm.ErrBadAnswer, Msg: "neither an answer nor an error"}
	}
	return response, err
}

// gravest gives the failure to report of several: a single one as it is, else one *llm.Error that holds them all.
func gravest(all error) error {
	joined, ok := all.(interface{ Unwrap() []error })
	if !ok {
		return all
	}
	errs := joined.Unwrap()
	if len(errs) == 1 {
		return errs[0]
	}
	k := kind(errs[0])
	if k == "" {
		k = llm.ErrServer
	}
	return &llm.Error{Kind: k, Msg: "all models failed", Err: all}
}
