package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/skill"
)

// portOperator is an operator as the VM describes it.
type portOperator struct {
	Name   string      `json:"name"`
	Skill  string      `json:"skill"`
	Module string      `json:"module"` // of a skill that is written in the VM: what its callbacks are called by
	Custom *portCustom `json:"custom"`
	portCompaction
}

// portCustom is what a skill that is written in the VM says of itself.
type portCustom struct {
	Title     string `json:"title"`
	Summary   string `json:"description"`
	Prompt    string `json:"system_prompt"`
	Docs      string `json:"callback_docs"`
	Callbacks []struct {
		Name  string `json:"name"`
		Arity int    `json:"arity"`
	} `json:"callbacks"`
	Metrics []string `json:"metrics"` // the numbers of the first snapshot
	Rules   []struct {
		Metric   string  `json:"metric"`
		Above    float64 `json:"above"`
		Seconds  float64 `json:"for_s"`
		Severity string  `json:"severity"`
		Doc      string  `json:"doc"`
	} `json:"rules"`
}

const (
	maxChanges   = 64  // that wait
	maxOperators = 256 // the VM has its own, smaller bound
)

// change is an operator that the VM wants to be added (what describes it) or removed (its name).
type change struct {
	add  bool
	id   etf.Term
	what etf.Term
}

// change makes the changes that the VM asks for, one after the other, until ctx ends.
func (p *port) change(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-p.changes:
			p.tellAnswer(c.id, nil, p.changed(c))
		}
	}
}

func (p *port) changed(c change) error {
	if p.engine == nil {
		return errors.New("nothing is watched")
	}
	if !c.add {
		name, _ := c.what.([]byte)
		return p.remove(string(name))
	}
	var op portOperator
	if err := decodeTerm(c.what, &op); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	return p.add(op)
}

// first gives the engine what it begins with: the skills, each with the first of its operators. It returns the other operators.
func (p *port) first(o *engine.Options) (more []portOperator) {
	o.Operators = map[string]engine.OperatorOptions{}
	for _, op := range p.config.Operators {
		s, err := p.skill(op)
		if err != nil {
			p.leftOut(op, err)
			continue
		}
		if p.watched[op.called()] != nil {
			more = append(more, op)
			continue
		}
		o.Skills, o.Operators[s.ID] = append(o.Skills, s), op.options()
		p.running[op.Name], p.watched[op.called()] = op, s
	}
	return more
}

func (p *port) leftOut(op portOperator, err error) {
	if err != nil {
		p.log(levelWarning, "operator %s is left out: %v", op.Name, err)
	}
}

func (op portOperator) options() engine.OperatorOptions {
	return engine.OperatorOptions{Name: op.Name, Compaction: agent.Compaction{MaxTokens: op.MaxTokens, KeepLast: op.KeepLast}}
}

// add lets an operator run. One that runs already, as it is described, is left alone; one that is described otherwise is replaced.
func (p *port) add(op portOperator) error {
	if old, ok := p.running[op.Name]; ok {
		if reflect.DeepEqual(old, op) {
			return nil
		}
		if err := p.remove(op.Name); err != nil {
			return err
		}
	}
	if len(p.running) >= maxOperators {
		return fmt.Errorf("%d operators run already", maxOperators)
	}
	s, err := p.skill(op)
	if err != nil {
		return err
	}
	if err := p.engine.Add(s, op.options()); err != nil {
		return err
	}
	p.running[op.Name] = op
	p.watched[op.called()] = s
	return nil
}

// remove ends an operator. One that does not run is no error: it is as wanted.
func (p *port) remove(name string) error {
	op, ok := p.running[name]
	if !ok {
		return nil
	}
	delete(p.running, name)
	used := false
	for _, other := range p.running {
		used = used || other.called() == op.called()
	}
	if !used {
		delete(p.watched, op.called())
	}
	return p.engine.Remove(name)
}

// called is what tells the skill of an operator from all others.
func (op portOperator) called() string {
	if op.Custom == nil {
		return "built in: " + op.Skill
	}
	return cmp.Or(op.Module, op.Name)
}

// skill gives the skill of an operator: the one that runs, if one of its other operators has it.
func (p *port) skill(op portOperator) (*skill.Skill, error) {
	if s := p.watched[op.called()]; s != nil {
		return s, nil // it has been checked
	}
	if op.Custom == nil {
		if s := p.builtin[op.Skill]; s != nil {
			return s, nil
		}
		return nil, fmt.Errorf("this engine has no skill %s", op.Skill)
	}
	id, err := p.id(op)
	if err != nil {
		return nil, err
	}
	s := p.custom(id, op.called(), op.Custom)
	return s, s.Check()
}

// id gives a skill of the VM the id that it has: its own, or, when that is another's, one by the operator's name. Two repositories have a
// skill ecto each.
func (p *port) id(op portOperator) (string, error) {
	if id := p.ids[op.called()]; id != "" {
		return id, nil
	}
	for _, id := range []string{op.Skill, op.Name, "app_" + op.Name} {
		taken := p.builtin[id] != nil
		for _, other := range p.ids {
			taken = taken || other == id
		}
		if !taken {
			p.ids[op.called()] = id
			return id, nil
		}
	}
	return "", fmt.Errorf("another skill has the id %s", op.Skill)
}

// custom makes a skill of one that is written in the VM.
func (p *port) custom(id, module string, c *portCustom) *skill.Skill {
	s := &skill.Skill{
		ID: id, Title: c.Title, Summary: c.Summary, Prompt: c.Prompt, Foreign: strings.TrimSpace(c.Docs),
		Snapshot: func(ctx context.Context) (map[string]any, error) {
			t, err := p.vm.Skill(ctx, module, "")
			if err != nil {
				return nil, err
			}
			data, ok := etf.Plain(t).(map[string]any)
			if !ok {
				return nil, fmt.Errorf("snapshot/0 of skill %s returns no map", module)
			}
			return data, nil
		},
	}
	for _, cb := range c.Callbacks {
		params := make([]skill.Param, cb.Arity)
		for i := range params {
			params[i] = skill.Param{Name: fmt.Sprintf("arg%d", i+1), Optional: true}
		}
		s.Callbacks = append(s.Callbacks, skill.Callback{Name: cb.Name, Params: params, Call: func(ctx context.Context, args []any) (any, error) {
			terms := make([]etf.Term, len(args))
			for i, a := range args {
				terms[i] = term(a)
			}
			t, err := p.vm.Skill(ctx, module, cb.Name, terms...)
			return etf.Plain(t), err
		}})
	}
	if s.Foreign == "" {
		for _, cb := range s.Callbacks {
			s.Foreign += "- `" + cb.Signature() + "`\n"
		}
	}
	metrics := slices.Clone(c.Metrics)
	for _, r := range c.Rules {
		// The first snapshot may have failed; the rule holds nevertheless.
		if !slices.Contains(metrics, r.Metric) {
			metrics = append(metrics, r.Metric)
		}
		s.Rules = append(s.Rules, skill.Rule{Metric: r.Metric, Above: r.Above, For: time.Duration(r.Seconds * float64(time.Second)),
			Severity: beamlens.Severity(r.Severity), Doc: r.Doc})
	}
	for _, m := range metrics {
		s.Metrics = append(s.Metrics, skill.Metric{Name: m, Kind: skill.Gauge})
	}
	return s
}
