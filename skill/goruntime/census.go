package goruntime

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// census counts goroutines by their stacks, and keeps how many there were.
type census struct {
	mu      sync.Mutex // guards what follows
	records []runtime.StackRecord
	history []count // the newest last
	stacks  map[uint64][]uintptr
}

// count is one counting.
type count struct {
	at     time.Time
	took   time.Duration
	total  int
	groups map[uint64]int
}

// Bounds of what is kept, and of what is counted.
const (
	keptCounts    = 24
	keptGroups    = 4096  // of one counting; what is beyond is in no group
	keptRecords   = 20000 // as memory that is kept for the next; the rest is given back
	mostGoroutine = 200_000
	// perGoroutine is what counting one takes, and countShare the share of the time that it may.
	perGoroutine = time.Microsecond
	countShare   = 0.0005
)

// take counts now. With more goroutines than mostGoroutine it does not.
func (c *census) take() (count, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := time.Now()
	n := runtime.NumGoroutine()
	if n > mostGoroutine {
		return count{}, false
	}
	for {
		if need := n + n/10 + 50; cap(c.records) < need {
			c.records = make([]runtime.StackRecord, need)
		}
		c.records = c.records[:cap(c.records)]
		var ok bool
		if n, ok = runtime.GoroutineProfile(c.records); ok {
			break
		}
	}
	out := count{at: began, total: n, groups: make(map[uint64]int, 64)}
	if c.stacks == nil || len(c.stacks) > 2*keptGroups {
		c.stacks = make(map[uint64][]uintptr, 64)
	}
	for i := range c.records[:n] {
		pcs := c.records[i].Stack()
		h := stackHash(pcs)
		if k, ok := out.groups[h]; ok {
			out.groups[h] = k + 1
			continue
		}
		if len(out.groups) < keptGroups {
			out.groups[h] = 1
			if _, ok := c.stacks[h]; !ok {
				c.stacks[h] = slices.Clone(pcs)
			}
		}
	}
	if cap(c.records) > keptRecords {
		c.records = nil
	}
	out.took = time.Since(began)
	return out, true
}

// keep adds a counting to the history.
func (c *census) keep(n count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.history) == keptCounts {
		c.history = slices.Delete(c.history, 0, 1)
	}
	c.history = append(c.history, n)
}

func (c *census) counts() []count {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.history)
}

// latest is the newest counting, or a new one if it is older than age.
func (c *census) latest(age time.Duration) (count, bool) {
	if all := c.counts(); len(all) > 0 && time.Since(all[len(all)-1].at) < age {
		return all[len(all)-1], true
	}
	return c.take()
}

func (c *census) place(hash uint64) place {
	c.mu.Lock()
	pcs := c.stacks[hash]
	c.mu.Unlock()
	return known.of(hash, pcs)
}

// serve counts on and on.
func (c *census) serve(ctx context.Context, every time.Duration, counted func()) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if n, ok := c.take(); ok {
			c.keep(n)
			counted()
		}
		timer.Reset(max(every, time.Duration(float64(runtime.NumGoroutine())*float64(perGoroutine)/countShare)))
	}
}

// groupRow is a group of goroutines that are at the same place, or one of them.
type groupRow struct {
	Count    int      `json:"count"`
	Growth   int      `json:"growth"` // since the oldest counting
	Over     float64  `json:"growth_over_s"`
	Waits    string   `json:"waits_for"`
	Function string   `json:"function"`
	At       string   `json:"at"`
	Entry    string   `json:"started_as"`
	EntryAt  string   `json:"started_at"`
	Stack    []string `json:"stack"`
}

// groups joins the stacks that have place and start in common, the largest first.
func (c *census) groups(now count, keep func(place) bool) []groupRow {
	type key struct{ at, kind, entry string }
	rows := map[key]*groupRow{}
	most := map[key]int{}
	history := c.counts()
	var before count
	if len(history) > 0 {
		before = history[0]
	}
	add := func(h uint64, n, grown int) {
		p := c.place(h)
		if p.own || p.Function == "" || keep != nil && !keep(p) {
			return
		}
		k := key{p.At, p.Kind, p.Entry.At}
		r := rows[k]
		if r == nil {
			r = &groupRow{Waits: p.Kind, Function: p.Function, At: p.At, Entry: p.Entry.Function, EntryAt: p.Entry.At}
			rows[k] = r
		}
		r.Count += n
		r.Growth += grown
		if n >= most[k] {
			most[k], r.Stack = n, p.frames
		}
	}
	for h, n := range now.groups {
		add(h, n, n-before.groups[h])
	}
	for h, n := range before.groups {
		if now.groups[h] == 0 {
			add(h, 0, -n)
		}
	}
	out := make([]groupRow, 0, len(rows))
	for _, r := range rows {
		if r.Count > 0 {
			if r.Over = round(now.at.Sub(before.at).Seconds(), 1); before.groups == nil {
				r.Growth, r.Over = 0, 0
			}
			out = append(out, *r)
		}
	}
	slices.SortFunc(out, func(a, b groupRow) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.At, b.At), cmp.Compare(a.EntryAt, b.EntryAt))
	})
	return out
}
