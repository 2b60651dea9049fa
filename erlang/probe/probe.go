package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// ErrNotConnected means that there is no link to the node at the moment.
var ErrNotConnected = errors.New("not connected")

// State is how the link is.
type State struct {
	Up      bool
	Err     error          // why it is down
	Hello   map[string]any // what the node said of itself, when up
	Attempt int            // how often it has been dialled since it was up
	Retry   time.Duration  // until the next attempt
	NextTry time.Time      // when that is
}

// Options of a probe. Nil and zero values mean the defaults.
type Options struct {
	Plain     bool        // load nothing into the VM
	Installed bool        // the VM has the modules of its own: there is nothing to load
	OnState   func(State) // is told when the link comes, goes, and each time it cannot be made

	MinBackoff, MaxBackoff time.Duration // between attempts; default 1 s and 30 s
}

// Probe keeps a link to one node. It is safe for concurrent use.
type Probe struct {
	node    string
	dial    func(context.Context) (erlang.Conn, error)
	options Options

	mu    sync.Mutex // guards what follows
	conn  erlang.Conn
	since time.Time // when the link came, or went down
	why   error
	tries int // since it is down

	asked   time.Time // since when the node has left what it was asked unanswered; zero: it has not
	waiting int       // calls that wait for an answer

	loading sync.Mutex // held while a part is looked after; guards what follows
	ready   map[etf.Atom]erlang.Conn
}

// New returns a probe of the node; Serve makes the link, with dial.
func New(node string, dial func(context.Context) (erlang.Conn, error), o *Options) *Probe {
	p := &Probe{node: node, dial: dial, since: time.Now(), why: errors.New("not dialled yet"), ready: map[etf.Atom]erlang.Conn{}}
	if o != nil {
		p.options = *o
	}
	if p.options.OnState == nil {
		p.options.OnState = func(State) {}
	}
	if p.options.MinBackoff <= 0 {
		p.options.MinBackoff = time.Second
	}
	if p.options.MaxBackoff <= 0 {
		p.options.MaxBackoff = 30 * time.Second
	}
	return p
}

// leaveTime bounds the farewell to a node that may hang.
const leaveTime = 2 * time.Second

// Serve keeps the link until ctx ends, and then leaves nothing behind.
func (p *Probe) Serve(ctx context.Context) error {
	attempt := 0
	for {
		conn, hello, err := p.connect(ctx)
		if err == nil {
			attempt = 0
			p.set(conn, nil)
			p.options.OnState(State{Up: true, Hello: hello})
			err = conn.Wait(ctx)
			if ctx.Err() != nil {
				p.set(nil, ctx.Err())
				p.leave(conn)
				return ctx.Err()
			}
			conn.Close()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		attempt++
		retry := p.backoff(attempt, err)
		p.set(nil, err)
		p.options.OnState(State{Err: err, Attempt: attempt, Retry: retry, NextTry: time.Now().Add(retry)})
		t := time.NewTimer(retry)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// slowRetry is for a wrong cookie: each attempt writes an error into the node's log.
const slowRetry = 15 * time.Second

func (p *Probe) backoff(attempt int, err error) time.Duration {
	d := min(p.options.MinBackoff<<min(attempt-1, 10), p.options.MaxBackoff)
	jitter := time.Duration(rand.Float64() * 0.2 * float64(d))
	if errors.Is(err, erlang.ErrCookie) || errors.Is(err, erlang.ErrNotAllowed) {
		return max(d, slowRetry) + jitter
	}
	return d - jitter
}

func (p *Probe) set(c erlang.Conn, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if (p.conn == nil) != (c == nil) {
		p.since, p.tries, p.asked = time.Now(), 0, time.Time{} // that it went is no attempt
	} else if c == nil {
		p.tries++
	}
	p.conn, p.why = c, why
}

// Node is the name of the node.
func (p *Probe) Node() string { return p.node }

// Reach says how the link is, without asking the node: whether there is one and since when that is so; since when the node has left what it is asked
// unanswered, zero if it has not; how often it was dialled in vain, and why.
func (p *Probe) Reach() (up bool, since, unanswered time.Time, attempts int, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn != nil, p.since, p.asked, p.tries, p.why
}

// ask asks the node, and notes whether it answers. An error that the node sends is an answer; that the caller has given up is none, so the node counts as
// silent until it answers somebody: the snapshots ask all the time.
func (p *Probe) ask(call func() (etf.Term, error)) (etf.Term, error) {
	p.mu.Lock()
	p.waiting++
	if p.asked.IsZero() {
		p.asked = time.Now()
	}
	p.mu.Unlock()
	t, err := call()
	var remote *erlang.RemoteError
	answered := err == nil || errors.As(err, &remote)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
	if answered {
		p.asked = time.Time{}
		if p.waiting > 0 {
			p.asked = time.Now()
		}
	}
	return t, err
}

func (p *Probe) connect(ctx context.Context) (erlang.Conn, map[string]any, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	hello, err := p.attach(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, hello, nil
}

// attach makes the node ready to be asked, and returns what it says of itself.
func (p *Probe) attach(ctx context.Context, conn erlang.Conn) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if p.options.Plain {
		t, err := plainSystem(ctx, conn, nil)
		if err != nil {
			return nil, err
		}
		return toMap(t), nil
	}
	return load(ctx, conn, p.options.Installed)
}

func toMap(t etf.Term) map[string]any {
	m, _ := etf.Plain(t).(map[string]any)
	return m
}

func (p *Probe) leave(conn erlang.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if !p.options.Plain {
		// If it fails, the node sees us go and does the same.
		_, _ = conn.Call(ctx, module, detach, conn.Peer().NameAtom)
	}
	conn.Close()
}

// Call calls a function of a part of the probe: "vm" is the part that is always there, the others are loaded with their first call.
// While there is no link it fails at once.
func (p *Probe) Call(ctx context.Context, part, function etf.Atom, args ...etf.Term) (etf.Term, error) {
	p.mu.Lock()
	conn, since, why := p.conn, p.since, p.why
	p.mu.Unlock()
	if conn == nil {
		return nil, fmt.Errorf("%w to %s since %s: %w", ErrNotConnected, p.node, since.Format(time.TimeOnly), why)
	}
	if p.options.Plain {
		name := part.String() + ":" + function.String()
		f, ok := plain[name]
		if !ok {
			return nil, &MissingError{name}
		}
		return p.ask(func() (etf.Term, error) { return f(ctx, conn, args) })
	}
	m, err := p.module(ctx, conn, part)
	if err != nil {
		return nil, err
	}
	call := func() (etf.Term, error) { return conn.Call(ctx, m, function, args...) }
	t, err := p.ask(call)
	if undef(err) || lost(err) || err == nil && part == vm && function == snapshot && deserted(t) {
		// Somebody removed the module or its process: another engine that left as we came, or a person. It is loaded again, once.
		if e := p.reload(ctx, conn, part); e != nil {
			return nil, errors.Join(err, e)
		}
		return p.ask(call)
	}
	return t, err
}

// module gives the module of a part, and sees that the node has it.
func (p *Probe) module(ctx context.Context, conn erlang.Conn, part etf.Atom) (etf.Atom, error) {
	if part == vm {
		return module, nil
	}
	o, ok := parts[part.String()]
	if !ok {
		return etf.Atom{}, fmt.Errorf("the probe has no part %s", part)
	}
	if p.options.Installed {
		return o.module, nil
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	if p.ready[part] == conn {
		return o.module, nil
	}
	if err := ensure(ctx, conn, o); err != nil {
		return etf.Atom{}, err
	}
	p.ready[part] = conn
	return o.module, nil
}

// reload puts back what the node has lost.
func (p *Probe) reload(ctx context.Context, conn erlang.Conn, part etf.Atom) error {
	p.loading.Lock()
	clear(p.ready)
	p.loading.Unlock()
	if _, err := load(ctx, conn, p.options.Installed); err != nil {
		return err
	}
	_, err := p.module(ctx, conn, part)
	return err
}

// deserted says whether a snapshot was made without the resident process.
func deserted(t etf.Term) bool {
	m, _ := t.(etf.Map)
	v, ok := m.Get(etf.A("attached"))
	return ok && v == etf.A("false")
}

// lost says whether a part found no resident process, or that could not find the module of the part:
// {part, Module, absent} or {part, Module, {error, undef, Stack}}.
func lost(err error) bool {
	var remote *erlang.RemoteError
	if !errors.As(err, &remote) {
		return false
	}
	reason, ok := remote.Reason.(etf.Tuple)
	if !ok || len(reason) != 3 || reason[0] != etf.Term(etf.A("part")) {
		return false
	}
	if why, ok := reason[2].(etf.Tuple); ok && len(why) == 3 {
		return why[1] == etf.Term(etf.A("undef"))
	}
	return reason[2] == etf.Term(etf.A("absent"))
}
