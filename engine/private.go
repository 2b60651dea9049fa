package engine

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/analyst"
	"github.com/beamlens/beamlens-go/llm/redact"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/store"
)

// Privacy says what may reach a language model, besides what never does. Secrets are removed where they are read, and e-mail addresses
// from all that is kept or told, whatever it says.
type Privacy struct {
	Policies map[string]redact.Policy // of operators, by name; "" is that of all others
	Hosts    []string                 // names of hosts that get a pseudonym, besides the target's, this machine's and those with a domain
}

// screen puts what leaves, and what is kept, behind redaction.
func (o *Options) screen() {
	outward := redact.Options{Mails: true, Hidden: true, Keep: []string{o.Target.Name}}
	o.Store = &screenedStore{o.Store, outward}
	tell := o.OnEvent
	o.OnEvent = func(ev beamlens.Event) { tell(screenEvent(outward, ev)) }
	if _, local := o.Model.(analyst.Analyst); o.Model == nil || local {
		return // nothing leaves
	}
	hosts := slices.Clone(o.Privacy.Hosts)
	if _, host, ok := strings.Cut(o.Target.Name, "@"); ok {
		hosts = append(hosts, host)
	}
	if own, err := os.Hostname(); err == nil {
		hosts = append(hosts, own)
	}
	o.Model = redact.New(o.Model, redact.ModelOptions{Hosts: hosts, Policies: o.Privacy.Policies})
}

// screened returns the skill without secrets in what it gives.
func screened(s *skill.Skill) *skill.Skill {
	out := *s
	out.Snapshot = func(ctx context.Context) (map[string]any, error) {
		data, err := s.Snapshot(ctx)
		clean, ok := redact.Value(data).(map[string]any)
		if !ok || data == nil {
			clean = nil
		}
		return clean, screenError(err)
	}
	out.Callbacks = slices.Clone(s.Callbacks)
	for i, c := range s.Callbacks {
		out.Callbacks[i].Call = func(ctx context.Context, args []any) (any, error) {
			v, err := c.Call(ctx, args)
			return redact.Value(v), screenError(err)
		}
	}
	return &out
}

// screenedError is an error that says no secrets.
type screenedError struct {
	text string
	err  error
}

func (e *screenedError) Error() string { return e.text }
func (e *screenedError) Unwrap() error { return e.err }

func screenError(err error) error {
	if err == nil {
		return nil
	}
	if text := redact.Text(err.Error()); text != err.Error() {
		return &screenedError{text, err}
	}
	return err
}

// screenedStore keeps nothing secret or personal.
type screenedStore struct {
	store.Store
	redact redact.Options
}

// screen gives a value without what is secret or personal. What has nothing of it stays as it is.
func screen[T any](o redact.Options, v T) (T, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return v, err
	}
	clean := o.JSON(raw)
	if string(clean) == string(raw) {
		return v, nil
	}
	var out T
	err = json.Unmarshal(clean, &out)
	return out, err
}

func (s *screenedStore) PutAlert(ctx context.Context, a beamlens.Alert) error {
	a, err := screen(s.redact, a)
	if err != nil {
		return err
	}
	return s.Store.PutAlert(ctx, a)
}

func (s *screenedStore) UpdateAlert(ctx context.Context, id string, change func(*beamlens.Alert)) (beamlens.Alert, error) {
	var failed error
	a, err := s.Store.UpdateAlert(ctx, id, func(a *beamlens.Alert) {
		before := *a
		change(a)
		if *a, failed = screen(s.redact, *a); failed != nil {
			*a = before
		}
	})
	if err == nil {
		err = failed
	}
	return a, err
}

func (s *screenedStore) PutInsight(ctx context.Context, i beamlens.Insight) error {
	i, err := screen(s.redact, i)
	if err != nil {
		return err
	}
	return s.Store.PutInsight(ctx, i)
}

func (s *screenedStore) PutSnapshot(ctx context.Context, snap beamlens.Snapshot) error {
	snap, err := screen(s.redact, snap)
	if err != nil {
		return err
	}
	return s.Store.PutSnapshot(ctx, snap)
}

func (s *screenedStore) Append(ctx context.Context, run string, n int, entry []byte) (bool, error) {
	return s.Store.Append(ctx, run, n, s.redact.JSON(entry))
}

// screenEvent gives an event as it may be told.
func screenEvent(o redact.Options, ev beamlens.Event) beamlens.Event {
	if ev.Fields != nil {
		ev.Fields, _ = o.Value(ev.Fields).(map[string]any)
	}
	if ev.Alert != nil {
		a, err := screen(o, *ev.Alert)
		if err != nil {
			a = beamlens.Alert{ID: ev.Alert.ID} // unreachable: an alert is JSON-safe
		}
		ev.Alert = &a
	}
	if ev.Insight != nil {
		i, err := screen(o, *ev.Insight)
		if err != nil {
			i = beamlens.Insight{ID: ev.Insight.ID} // unreachable: an insight is JSON-safe
		}
		ev.Insight = &i
	}
	return ev
}

// spending tells each call of a provider, and what has been spent by then.
func (e *Engine) spending(c route.Call, t route.Totals) {
	fields := map[string]any{
		"provider": c.Provider, "model": c.Model, "state": c.State, "duration": c.Took,
		"input_tokens": c.Input, "output_tokens": c.Output, "cache_read_tokens": c.CacheRead, "cache_write_tokens": c.CacheWrite, "reasoning_tokens": c.Reasoning,
		"run_calls": t.Run.Calls, "run_cost_usd": t.Run.USD, "operator_day_calls": t.Operator.Calls, "operator_day_cost_usd": t.Operator.USD,
		"hour_calls": t.Hour.Calls, "hour_cost_usd": t.Hour.USD, "day_calls": t.Day.Calls, "day_tokens": t.Day.Tokens, "day_cost_usd": t.Day.USD,
	}
	if c.USD != nil { // what is not known is not told as nothing
		fields["cost_usd"] = *c.USD
	}
	if c.Error != "" {
		fields["error"] = c.Error
	}
	e.event(beamlens.Event{Name: "llm.call", At: e.options.Clock.Now(), Target: e.options.Target, Subject: c.Operator, TraceID: c.Run, Fields: fields})
}

// Payload is what the next request of an operator, or of the "coordinator", would send to its model, by its name, after redaction.
func (e *Engine) Payload(name string) (*llm.Request, error) {
	r, err := e.next(name)
	if err != nil {
		return nil, err
	}
	if m, ok := e.options.Model.(*redact.Model); ok {
		return m.Request(r), nil
	}
	return r, nil
}

// PayloadBytes is Payload as it would leave: the body of the request, byte for byte.
func (e *Engine) PayloadBytes(name string) ([]byte, error) {
	r, err := e.next(name)
	if err != nil {
		return nil, err
	}
	return llm.Show(e.options.Model, r)
}
