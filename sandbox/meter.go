package sandbox

import (
	"context"
	"time"
)

// meter counts what a run uses. Everything that takes time calls charge before it is done, everything that takes memory calls
// alloc before it is made; there is no other way to make an object or to walk over one.
type meter struct {
	left     int64 // steps until the next poll
	slice    int64 // steps of this poll
	steps    int64 // until now, without the slice
	maxSteps int64

	ctx      context.Context
	began    time.Time
	inside   time.Duration // in callbacks, which is not the program's time
	maxTime  time.Duration
	dead     *failure // set once: nothing goes on after it
	used     int64    // bytes: what was live at the last trace, and all that was made since
	maxUsed  int64
	fixed    int64 // of the compiled program, live as long as the run
	pinned   int64 // held by library code and reachable from nowhere else yet
	traces   int
	freed    int64 // by traces, since Go's collector was last asked
	liveSum  int64
	traceSum int64
}

// pollSteps is how many steps pass between two looks at the clock, about 50 µs.
const pollSteps = 10_000

// A step is about the time of one instruction; touching so many bytes is one step.
const bytesPerStep = 16

// charge takes n steps.
func (r *run) charge(n int64) *failure {
	if r.left -= n; r.left < 0 {
		return r.poll()
	}
	return nil
}

// touch charges for walking over n bytes.
func (r *run) touch(n int) *failure { return r.charge(int64(n)/bytesPerStep + 1) }

// poll looks whether the run may go on.
func (r *run) poll() *failure {
	if r.dead != nil {
		r.left = 0
		return r.dead
	}
	r.steps += r.slice - r.left
	r.slice, r.left = pollSteps, pollSteps
	switch {
	case r.ctx.Err() != nil:
		return r.kill(&Error{Kind: Timeout, Msg: "the run was cancelled"})
	case r.steps > r.maxSteps:
		return r.kill(&Error{Kind: Timeout, Msg: "the program took more than " + itoa(r.maxSteps) + " steps", Hint: hintTimeout})
	case time.Since(r.began)-r.inside > r.maxTime:
		return r.kill(&Error{Kind: Timeout, Msg: "the program took longer than " + r.maxTime.String(), Hint: hintTimeout})
	}
	return nil
}

// kill ends the run. No code of the program runs after it.
func (r *run) kill(e *Error) *failure {
	if r.dead == nil {
		r.dead = &failure{limit: e, line: r.currentLine()}
	}
	r.left = -1
	return r.dead
}

// alloc takes n bytes, before they are made.
func (r *run) alloc(n int64) *failure {
	if r.used += n; r.used > r.maxUsed || n < 0 {
		return r.collect(n)
	}
	return nil
}

// collect finds out what is still reachable, and ends the run if the n bytes that were just taken do not fit beside it.
func (r *run) collect(n int64) *failure {
	if r.dead != nil {
		return r.dead
	}
	if n < 0 || n > r.maxUsed {
		return r.memory()
	}
	before := r.used
	live, f := r.trace()
	if f != nil {
		return f
	}
	live += r.fixed + r.pinned
	r.used = live + n
	if r.used > r.maxUsed {
		return r.memory()
	}
	// A program whose live memory stays at the edge would spend its time in traces: each must win something.
	r.liveSum += live
	r.traceSum += before - live
	if r.traces++; r.traces > 8 && r.traceSum < r.liveSum/16 {
		return r.memory()
	}
	r.release(before - live)
	return nil
}

func (r *run) memory() *failure {
	r.used = max(r.used, 0)
	return r.kill(&Error{Kind: Memory, Msg: "the program needs more than " + megabytes(r.maxUsed) + " of memory",
		Hint: "Keep fewer rows or shorter strings; ask a function for fewer rows and keep only the fields that you need."})
}

const hintTimeout = "Look for a loop that does not end, or do less: fewer rows, fewer passes."
