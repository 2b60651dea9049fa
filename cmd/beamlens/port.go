package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/erlang/probe"
	"github.com/beamlens/beamlens-go/ext/sqlite"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/store"
	"github.com/spf13/cobra"
)

// Times of the port.
const (
	greetIn     = 30 * time.Second // the VM asks its skills what they are before it greets
	statusEvery = 500 * time.Millisecond
	aliveEvery  = 2 * time.Second // the VM kills an engine that is silent
	recordIn    = time.Second     // what is known is written within this when the VM is gone
	endIn       = 1500 * time.Millisecond
	askIn       = 2 * time.Minute
	maxAsked    = 4
)

func portCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "port",
		Short:  "Watch the VM that has started this program as a port (the Elixir package does)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, out, err := erlang.Standard()
			if err != nil {
				return &exit{exitUnable, err}
			}
			return servePort(cmd.Context(), erlang.NewStdio(in, out, nil))
		},
	}
}

// port is the engine inside an Elixir application.
type port struct {
	vm     *erlang.Stdio
	config portConfig
	target beamlens.Target
	store  store.Store
	engine *engine.Engine // nil: it cannot be made
	events *follower      // nil: nobody follows
	pages  dashboard      // without an address there is none

	// What follows belongs to the goroutine that changes operators.
	builtin map[string]*skill.Skill
	running map[string]portOperator // by name
	ids     map[string]string       // the id of a skill, by what it is called in the VM
	watched map[string]*skill.Skill // by the same, what runs
	changes chan change
}

// portConfig is what the VM says in its greeting.
type portConfig struct {
	Node      string         `json:"node"`
	App       string         `json:"app"`
	Store     string         `json:"store"` // a file; "" in memory
	Operators []portOperator `json:"operators"`
	Compact   portCompaction `json:"coordinator"`
	Interval  int64          `json:"interval_ms"`
	Heartbeat int64          `json:"heartbeat_ms"`
	Registry  any            `json:"client_registry"`
}

type portCompaction struct {
	MaxTokens int `json:"compaction_max_tokens"`
	KeepLast  int `json:"compaction_keep_last"`
}

// servePort watches until the VM is gone or says stop.
func servePort(ctx context.Context, vm *erlang.Stdio) error {
	p := &port{vm: vm, store: store.NewMemory(), events: newFollower(os.Getenv(eventsFile)), builtin: map[string]*skill.Skill{},
		running: map[string]portOperator{}, ids: map[string]string{}, watched: map[string]*skill.Skill{}, changes: make(chan change, maxChanges)}
	defer vm.Close()
	greet, cancel := context.WithTimeout(ctx, greetIn)
	defer cancel()
	hello, err := vm.Hello(greet, etf.Map{{Key: etf.A("version"), Value: version()}, {Key: etf.A("pid"), Value: os.Getpid()}})
	if err == nil {
		err = decodeTerm(hello, &p.config)
	}
	if errors.Is(err, erlang.ErrGone) {
		return nil // there is nobody to be told
	}
	if err != nil {
		return &exit{exitUnable, err}
	}
	p.target = beamlens.Target{Kind: "beam", Name: p.config.Node}
	release := p.open(ctx)
	defer release()
	return p.serve(ctx)
}

func decodeTerm(t etf.Term, into any) error {
	raw, err := json.Marshal(etf.Plain(t))
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	return err
}

// log puts a line into the VM's log.
func (p *port) log(level etf.Atom, format string, args ...any) {
	p.vm.Tell(etf.Tuple{etf.A("log"), level, fmt.Sprintf(format, args...)})
}

var (
	levelInfo    = etf.A("info")
	levelWarning = etf.A("warning")
	levelError   = etf.A("error")
)

// open opens the store and makes the engine. What does not work is told, and done without.
func (p *port) open(ctx context.Context) (release func()) {
	release = func() {}
	if file := p.config.Store; file != "" {
		s, unlock, err := openStore(ctx, file)
		if err != nil {
			p.log(levelWarning, "nothing is kept over restarts: %v", err)
		} else {
			p.store = s
			release = func() {
				_ = s.Close() // it has written all that was acknowledged
				unlock()
			}
		}
	}
	p.pages.address = os.Getenv(listenAt)
	if err := p.pages.open(); err != nil {
		p.log(levelWarning, "there is no dashboard: %v", err)
	} else if url := p.pages.url(); url != "" {
		p.log(levelInfo, "the dashboard is at %s", url)
	}
	link := probe.New(p.config.Node, func(context.Context) (erlang.Conn, error) { return lasting{p.vm}, nil },
		&probe.Options{Installed: true, OnState: func(s probe.State) { p.notify(stateEvent(p.target, s, false)) }})
	o := engine.Options{
		Target: p.target, Store: p.store, Work: []engine.Work{link}, OnEvent: p.notify,
		Interval: time.Duration(p.config.Interval) * time.Millisecond, Heartbeat: time.Duration(p.config.Heartbeat) * time.Millisecond,
		Compaction: agent.Compaction{MaxTokens: p.config.Compact.MaxTokens, KeepLast: p.config.Compact.KeepLast},
	}
	for _, s := range append(beam.All(link), beam.Optional(link)...) {
		p.builtin[s.ID] = s
	}
	p.model(ctx, &o)
	more := p.first(&o)
	e, err := engine.New(o)
	if err != nil {
		p.log(levelError, "%v", err)
		return release
	}
	p.engine = e
	p.pages.show(e)
	for _, op := range more {
		p.leftOut(op, p.add(op))
	}
	return release
}

// model makes the language models of the application's client_registry. Without one there are none, whatever keys the environment has.
func (p *port) model(ctx context.Context, o *engine.Options) {
	if p.config.Registry == nil {
		return
	}
	r, err := registry(p.config.Registry)
	if err == nil {
		err = openModel(ctx, r, route.BudgetOptions{Limits: route.Limits{Hour: route.Amount{Calls: callsAnHour}}, Ledger: o.Store}, os.Getenv, o)
	}
	if err != nil {
		p.log(levelError, "%v. The built-in analyst investigates", err)
		return
	}
	p.log(levelInfo, "language model: %s", told(o.Model))
}

// lasting is the link as the probe sees it. It is there as long as the VM is, so one that is closed can be had again.
type lasting struct{ *erlang.Stdio }

// Close leaves it open: the engine ends with the VM.
func (l lasting) Close() error { return nil }

// openStore opens the store in a file that no other engine uses, and has a crash of this program written beside it.
func openStore(ctx context.Context, file string) (*store.SQL, func(), error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, nil, err
	}
	lock, err := os.OpenFile(file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, err
	}
	unlock := func() { lock.Close() }
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		unlock()
		return nil, nil, fmt.Errorf("%s is in use by another engine: %w", file, err)
	}
	if crash, err := os.OpenFile(file+".crash", os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600); err == nil {
		_ = debug.SetCrashOutput(crash, debug.CrashOptions{}) // without it a crash is still on standard error
		crash.Close()
	}
	s, err := sqlite.Open(ctx, file)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return s, unlock, nil
}

// serve runs the engine, and answers the VM, until it is gone or says stop.
func (p *port) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var work sync.WaitGroup
	if p.engine != nil {
		work.Go(func() { _ = p.engine.Serve(ctx) }) // it ends with its context
	}
	work.Go(func() { p.statuses(ctx) })
	work.Go(func() {
		if err := p.pages.serve(ctx); err != nil && ctx.Err() == nil {
			p.log(levelWarning, "%v", err)
		}
	})
	work.Go(func() { p.change(ctx) })
	reason := p.answer(ctx, &work)
	p.record(reason)
	p.vm.Close() // whoever still waits for the VM waits no longer
	cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		work.Wait()
	}()
	t := time.NewTimer(endIn)
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C: // what does not end by itself ends with the program
	}
	return nil
}

// answer reads what the VM asks until it is gone or says stop, and returns why.
func (p *port) answer(ctx context.Context, work *sync.WaitGroup) string {
	asked := make(chan struct{}, maxAsked)
	for {
		select {
		case <-ctx.Done():
			return "a signal"
		case t, ok := <-p.vm.Messages():
			if !ok {
				return p.vm.Wait(context.Background()).Error()
			}
			m, _ := t.(etf.Tuple)
			switch {
			case len(m) == 1 && m[0] == etf.Term(etf.A("stop")):
				return "the application stops"
			case len(m) == 3 && m[0] == etf.Term(etf.A("ask")):
				text, _ := m[2].([]byte)
				select {
				case asked <- struct{}{}:
					work.Go(func() {
						defer func() { <-asked }()
						p.ask(ctx, m[1], string(text))
					})
				default:
					p.tellAnswer(m[1], nil, fmt.Errorf("%d questions are being answered already", maxAsked))
				}
			case len(m) == 3 && m[0] == etf.Term(etf.A("payload")):
				name, _ := m[2].([]byte)
				p.payload(m[1], string(name))
			case len(m) == 3 && (m[0] == etf.Term(etf.A("add")) || m[0] == etf.Term(etf.A("remove"))):
				select {
				case p.changes <- change{m[0] == etf.Term(etf.A("add")), m[1], m[2]}:
				default:
					p.tellAnswer(m[1], nil, fmt.Errorf("%d changes of operators are waiting already", maxChanges))
				}
			}
		}
	}
}

func (p *port) ask(ctx context.Context, id etf.Term, question string) {
	ctx, cancel := context.WithTimeout(ctx, askIn)
	defer cancel()
	if p.engine == nil {
		p.tellAnswer(id, nil, errors.New("nothing is watched"))
		return
	}
	text, err := p.engine.Ask(ctx, question)
	p.tellAnswer(id, text, err)
}

func (p *port) payload(id etf.Term, name string) {
	if p.engine == nil {
		p.tellAnswer(id, nil, errors.New("nothing is watched"))
		return
	}
	r, err := p.engine.Payload(name)
	if err != nil {
		p.tellAnswer(id, nil, err)
		return
	}
	tools := make([]any, len(r.Tools))
	for i, t := range r.Tools {
		tools[i] = map[string]any{"name": t.Name, "description": t.Doc, "schema": t.Schema}
	}
	p.tellAnswer(id, map[string]any{"system": r.System, "messages": r.Messages, "tools": tools}, nil)
}

func (p *port) tellAnswer(id etf.Term, value any, err error) {
	answer := etf.Tuple{etf.A("ok"), wire(value)}
	if err != nil {
		answer = etf.Tuple{etf.A("error"), err.Error()}
	}
	p.vm.Tell(etf.Tuple{etf.A("answer"), id, answer})
}

// notify hands an event to the VM, and to who follows. It never blocks.
func (p *port) notify(ev beamlens.Event) {
	p.vm.Tell(etf.Tuple{etf.A("notify"), wire(ev)})
	p.events.event(ev)
	if p.pages.pages != nil {
		p.pages.pages.Event(ev)
	}
}

// statuses tells what the operators do when it changes, and now and then that we are alive.
func (p *port) statuses(ctx context.Context) {
	t := time.NewTicker(statusEvery)
	defer t.Stop()
	last, at := "", time.Time{}
	for {
		status := map[string]any{"operators": []any{}}
		if p.engine != nil {
			status["operators"], status["coordinator"] = p.engine.Operators(), p.engine.Coordinator()
		}
		if raw, err := json.Marshal(status); err == nil && (string(raw) != last || time.Since(at) > aliveEvery) {
			last, at = string(raw), time.Now()
			p.vm.Tell(etf.Tuple{etf.A("status"), wire(status)})
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// lastRecord is what is known at the end, for people to read.
type lastRecord struct {
	Reason    string              `json:"reason"`
	At        time.Time           `json:"at"`
	Target    beamlens.Target     `json:"target"`
	App       string              `json:"app"`
	Alerts    []beamlens.Alert    `json:"open_alerts"`
	Findings  []beamlens.Finding  `json:"open_findings"`
	Snapshots []beamlens.Snapshot `json:"snapshots"`
}

// record writes what is known into the store, and beside it as JSON.
func (p *port) record(reason string) {
	if p.engine == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordIn)
	defer cancel()
	r := lastRecord{Reason: reason, At: time.Now().UTC(), Target: p.target, App: p.config.App, Findings: append([]beamlens.Finding{}, p.engine.Findings()...),
		Alerts: []beamlens.Alert{}, Snapshots: []beamlens.Snapshot{}}
	for _, id := range p.engine.Skills() {
		if s, _ := p.engine.Latest(id); s.ID != "" {
			r.Snapshots = append(r.Snapshots, s)
		}
	}
	if alerts, err := p.store.Alerts(ctx, beamlens.AlertFilter{Target: p.target, Open: true}); err == nil {
		r.Alerts = append(r.Alerts, alerts...)
	}
	if p.config.Store != "" {
		if raw, err := json.MarshalIndent(r, "", "  "); err == nil {
			file := p.config.Store + ".last.json"
			// The name changes last: a reader never sees half of it.
			if os.WriteFile(file+".new", append(raw, '\n'), 0o600) == nil {
				_ = os.Rename(file+".new", file) // nobody is left to be told
			}
		}
	}
	for _, s := range r.Snapshots {
		_ = p.store.PutSnapshot(ctx, s) // as above
	}
}

// wire turns a value into a term of maps, lists, numbers and binaries, by way of its JSON.
func wire(v any) etf.Term {
	raw, err := json.Marshal(v)
	if err != nil {
		return etf.A("nil") // unreachable: what we have is JSON-safe
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var plain any
	if err := d.Decode(&plain); err != nil {
		return etf.A("nil") // unreachable: it has just been encoded
	}
	return term(plain)
}

// term turns a JSON-safe value into a term.
func term(v any) etf.Term {
	switch v := v.(type) {
	case nil:
		return etf.A("nil")
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		out := make(etf.List, len(v))
		for i, x := range v {
			out[i] = term(x)
		}
		return out
	case map[string]any:
		out := make(etf.Map, 0, len(v))
		for k, x := range v {
			out = append(out, etf.Pair{Key: k, Value: term(x)})
		}
		return out
	}
	return v
}
