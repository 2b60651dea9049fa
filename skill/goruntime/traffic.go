package goruntime

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"
)

// traffic counts requests by route, and knows those that are under way. Its zero value is ready.
type traffic struct {
	mu     sync.Mutex // guards what follows
	routes map[string]*route
	calls  map[*call]struct{}
	open   map[*call]struct{} // answered, with a body that is not closed
	total  uint64
}

// call is a request that is under way.
type call struct {
	route string
	host  string
	from  site
	began time.Time
}

// route is what is known of the requests of one route.
type route struct {
	now, before period
	usual       float64 // ms on average, before what is slow now; 0: not known yet
	total       uint64
	errors      uint64
	callers     map[site]int
}

// period are the requests that ended in some seconds.
type period struct {
	began  time.Time
	n      int
	errors int
	sum    float64 // ms
	hist   [latencyBuckets]uint32
}

// Constants of how slowness is told.
const (
	periodLength   = 5 * time.Second
	mostRoutes     = 500
	mostCallers    = 20
	mostCalls      = 100_000
	latencyBuckets = 48
	latencyFactor  = 1.35 // between the bounds of two buckets, from latencyFirst ms
	latencyFirst   = 0.05
	usualLeast     = 5   // requests in a period, to learn from it
	usualWeight    = 0.1 // of a new period in what is usual
	usualSlow      = 0.005
	slowTimes      = 2.5 // as usual is slow: it is learnt from only a little
	slowLeast      = 100 // ms more than usual are needed to be told
	stuckLeast     = 5 * time.Second
	stuckUnknown   = 30 * time.Second // where nothing is known of a route
	stuckTimes     = 20
)

func bucketOf(ms float64) int {
	if ms <= latencyFirst {
		return 0
	}
	return min(latencyBuckets-1, 1+int(math.Log(ms/latencyFirst)/math.Log(latencyFactor)))
}

func (t *traffic) begin(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls, t.routes, t.open = map[*call]struct{}{}, map[string]*route{}, map[*call]struct{}{}
	}
	if len(t.calls) < mostCalls {
		t.calls[c] = struct{}{}
	}
}

// forget takes a call out that is none any more: its connection was taken over.
func (t *traffic) forget(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.calls, c)
}

func (t *traffic) end(c *call, failed bool) {
	now := time.Now()
	ms := float64(now.Sub(c.began)) / 1e6
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, under := t.calls[c]; !under && len(t.calls) < mostCalls {
		return // forgotten
	}
	delete(t.calls, c)
	t.total++
	r := t.routes[c.route]
	if r == nil {
		if len(t.routes) >= mostRoutes {
			c.route = "other"
		}
		if r = t.routes[c.route]; r == nil {
			r = &route{now: period{began: now}, callers: map[site]int{}}
			t.routes[c.route] = r
		}
	}
	r.turn(now)
	r.total++
	r.now.n++
	r.now.sum += ms
	r.now.hist[bucketOf(ms)]++
	if failed {
		r.errors++
		r.now.errors++
	}
	if c.from.Function != "" && (len(r.callers) < mostCallers || r.callers[c.from] > 0) {
		r.callers[c.from]++
	}
}

// turn ends the period when it is over, and learns from it.
func (r *route) turn(now time.Time) {
	if now.Sub(r.now.began) < periodLength {
		return
	}
	if n := r.now.n; n >= usualLeast {
		mean := r.now.sum / float64(n)
		switch {
		case r.usual == 0:
			r.usual = mean
		case mean > slowTimes*r.usual:
			r.usual += usualSlow * (mean - r.usual)
		default:
			r.usual += usualWeight * (mean - r.usual)
		}
	}
	r.before = r.now
	if now.Sub(r.now.began) > 2*periodLength {
		r.before = period{}
	}
	r.now = period{began: now}
}

// lately joins the two periods.
func (r *route) lately(now time.Time) period {
	r.turn(now)
	p := r.now
	p.n, p.errors, p.sum = p.n+r.before.n, p.errors+r.before.errors, p.sum+r.before.sum
	for i, n := range r.before.hist {
		p.hist[i] += n
	}
	return p
}

func (p *period) mean() float64 { return p.sum / float64(max(p.n, 1)) }

func (p *period) quantile(q float64) float64 {
	at := uint32(math.Ceil(q * float64(p.n)))
	var sum uint32
	for i, n := range p.hist {
		if sum += n; sum >= max(at, 1) {
			return round(latencyFirst*math.Pow(latencyFactor, float64(i)), 3)
		}
	}
	return 0
}

// slowdown is how many times as long as usual the requests take, 1 where it is nothing to speak of.
func (r *route) slowdown(p period) float64 {
	if r.usual == 0 || p.n < usualLeast || p.mean()-r.usual < slowLeast {
		return 1
	}
	return round(p.mean()/r.usual, 1)
}

// isStuck says whether a call has been under way for far longer than such calls are.
func (t *traffic) isStuck(c *call, now time.Time) bool {
	limit := stuckUnknown
	if r := t.routes[c.route]; r != nil && r.usual > 0 {
		limit = max(stuckLeast, time.Duration(stuckTimes*r.usual*1e6))
	}
	return now.Sub(c.began) > limit
}

// summary is what a snapshot tells.
type summary struct {
	total            uint64
	inFlight, stuck  int
	p50, p99, errors float64
	slowdown, oldest float64
}

func (t *traffic) summary() summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	s := summary{total: t.total, inFlight: len(t.calls), slowdown: 1}
	var all period
	for _, r := range t.routes {
		p := r.lately(now)
		all.n, all.errors = all.n+p.n, all.errors+p.errors
		for i, n := range p.hist {
			all.hist[i] += n
		}
		s.slowdown = max(s.slowdown, r.slowdown(p))
	}
	s.p50, s.p99 = all.quantile(0.5), all.quantile(0.99)
	const least = 10
	if all.n >= least {
		s.errors = round(100*float64(all.errors)/float64(all.n), 1)
	}
	for c := range t.calls {
		s.oldest = max(s.oldest, round(now.Sub(c.began).Seconds(), 1))
		if t.isStuck(c, now) {
			s.stuck++
		}
	}
	return s
}

// routeRow is a route as it is told.
type routeRow struct {
	Route    string  `json:"route"`
	Requests int     `json:"requests_10s"`
	Errors   int     `json:"errors_10s"`
	Mean     float64 `json:"mean_ms"`
	P99      float64 `json:"p99_ms"`
	Usual    float64 `json:"usual_ms"`
	Slowdown float64 `json:"slowdown"`
	InFlight int     `json:"in_flight"`
	Stuck    int     `json:"stuck"`
	Oldest   float64 `json:"oldest_s"`
	Function string  `json:"function"` // that asks most, of a client
	At       string  `json:"at"`
}

func (t *traffic) rows() []routeRow {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	by := map[string]*routeRow{}
	for name, r := range t.routes {
		p := r.lately(now)
		row := &routeRow{Route: name, Requests: p.n, Errors: p.errors, Mean: round(p.mean(), 2), P99: p.quantile(0.99), Usual: round(r.usual, 2), Slowdown: r.slowdown(p)}
		most := 0
		for s, n := range r.callers {
			if n > most || n == most && s.At < row.At {
				most, row.Function, row.At = n, s.Function, s.At
			}
		}
		by[name] = row
	}
	for c := range t.calls {
		row := by[c.route]
		if row == nil {
			row = &routeRow{Route: c.route, Slowdown: 1}
			by[c.route] = row
		}
		row.InFlight++
		row.Oldest = max(row.Oldest, round(now.Sub(c.began).Seconds(), 1))
		if t.isStuck(c, now) {
			row.Stuck++
		}
		if row.Function == "" {
			row.Function, row.At = c.from.Function, c.from.At
		}
	}
	out := make([]routeRow, 0, len(by))
	for _, r := range by {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b routeRow) int {
		return cmp.Or(cmp.Compare(b.Stuck, a.Stuck), cmp.Compare(b.Slowdown, a.Slowdown), cmp.Compare(b.Errors, a.Errors), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Route, b.Route))
	})
	return out
}

// answered takes a call whose body is open; closed takes it out.
func (t *traffic) answered(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) < mostCalls {
		t.open[c] = struct{}{}
	}
}

func (t *traffic) closed(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
}

// openBodies is how many have been open for longer than that.
func (t *traffic) openBodies(age time.Duration) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for c := range t.open {
		if time.Since(c.began) > age {
			n++
		}
	}
	return n
}

func (t *traffic) bodies(age time.Duration) []bodyRow {
	t.mu.Lock()
	defer t.mu.Unlock()
	type key struct {
		from site
		host string
	}
	by := map[key]*bodyRow{}
	for c := range t.open {
		old := time.Since(c.began)
		if old <= age {
			continue
		}
		k := key{c.from, c.host}
		if by[k] == nil {
			by[k] = &bodyRow{Function: c.from.Function, At: c.from.At, Host: c.host}
		}
		by[k].Open++
		by[k].Oldest = max(by[k].Oldest, round(old.Seconds(), 1))
	}
	out := make([]bodyRow, 0, len(by))
	for _, r := range by {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b bodyRow) int { return cmp.Or(cmp.Compare(b.Open, a.Open), cmp.Compare(a.At, b.At)) })
	return out
}
