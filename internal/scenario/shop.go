package scenario

import (
	"context"
	"fmt"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/probe"
	"github.com/beamlens/beamlens-go/examples/shop"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
)

// Shop starts the Elixir shop of a project, attached to from outside.
func Shop(p *shop.Project) Start {
	return func(ctx context.Context, t Truth) (Subject, error) {
		if t.Subject != "shop" {
			return nil, fmt.Errorf("scenario %s is one of %s, not of the shop", t.ID, t.Subject)
		}
		s, err := p.Start(ctx)
		if err != nil {
			return nil, err
		}
		if err := s.Load(ctx, t.Load); err != nil {
			s.Stop()
			return nil, err
		}
		return &shopSubject{Shop: s}, nil
	}
}

type shopSubject struct {
	*shop.Shop
	failing []string // callbacks that fail
}

func (s *shopSubject) Target() beamlens.Target { return beamlens.Target{Kind: "beam", Name: s.Node} }

func (s *shopSubject) Watching() ([]*skill.Skill, []engine.Work, error) {
	link := probe.New(s.Node, func(ctx context.Context) (erlang.Conn, error) {
		return erlang.Dial(ctx, s.Node, &erlang.Options{Cookie: s.Cookie})
	}, nil)
	skills := Skills(link)
	for _, name := range s.failing {
		if err := fail(skills, name); err != nil {
			return nil, nil, err
		}
	}
	return skills, []engine.Work{link}, nil
}

// Skills are those under test.
func Skills(c beam.Caller) []*skill.Skill { return beam.All(c) }

func (s *shopSubject) Do(ctx context.Context, step Step) error {
	switch {
	case step.On != "":
		return s.On(ctx, step.On, step.With)
	case step.Off != "":
		return s.Off(ctx, step.Off)
	case step.Do == "fail":
		name, ok := step.With["callback"].(string)
		if !ok || step.AtS >= 0 {
			return fmt.Errorf("fail needs a callback, and a time before anybody watches")
		}
		s.failing = append(s.failing, name)
		return nil
	case step.Do == "restart_node":
		return s.Restart(ctx)
	}
	return s.Around(ctx, step.Do, step.With)
}

// fail makes a callback one that cannot be read, as on a node where a part of the probe does not work.
func fail(skills []*skill.Skill, name string) error {
	for _, s := range skills {
		for i := range s.Callbacks {
			if c := &s.Callbacks[i]; c.Name == name {
				c.Call = func(context.Context, []any) (any, error) {
					return nil, fmt.Errorf("%s: the probe's part does not run on this node", name)
				}
				return nil
			}
		}
	}
	return fmt.Errorf("no skill has a callback %s", name)
}
