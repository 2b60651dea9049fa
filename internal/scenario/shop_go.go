package scenario

import (
	"context"
	"fmt"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	shopgo "github.com/beamlens/beamlens-go/examples/shop-go"
	"github.com/beamlens/beamlens-go/skill"
)

// The kinds of faults of Go programs.
func init() {
	for kind, types := range map[string][]string{
		"goroutine_leak": {"goroutine_leak"}, "deadlock": {"deadlock"}, "heap_growth": {"heap_growth"}, "lock_contention": {"lock_contention"}, "cpu_spin": {"cpu_spin"},
		"gc_pressure": {"gc_pressure"}, "memory_limit": {"memory_limit"}, "descriptor_leak": {"descriptor_leak"}, "body_leak": {"body_leak"}, "slow_upstream": {"slow_upstream"},
		"panic_loop": {"panic_loop"},
	} {
		Kinds[kind] = types
	}
	Kinds["restart_storm"] = append(Kinds["restart_storm"], "restart_loop")
	Kinds["pool_exhausted"] = append(Kinds["pool_exhausted"], "pool_exhausted")
}

// customers are those of the load steady.
const customers = 10

// ShopGo starts the Go shop in this process, where its engine has to be.
func ShopGo(o shopgo.Options) Start {
	return func(ctx context.Context, t Truth) (Subject, error) {
		if t.Subject != "shop-go" {
			return nil, fmt.Errorf("scenario %s is one of %s, not of the Go shop", t.ID, t.Subject)
		}
		s, err := shopgo.Start(ctx, o)
		if err != nil {
			return nil, err
		}
		switch t.Load {
		case "idle":
		case "steady":
			s.Load(customers)
		case "day":
			s.LoadDay()
		default:
			_ = s.Stop() // the load is what is wrong
			return nil, fmt.Errorf("scenario %s: the Go shop knows no load %s", t.ID, t.Load)
		}
		return &shopGoSubject{s}, nil
	}
}

type shopGoSubject struct{ shop *shopgo.Shop }

func (s *shopGoSubject) Target() beamlens.Target { return s.shop.Probe.Target("shop-go") }

func (s *shopGoSubject) Watching() ([]*skill.Skill, []engine.Work, error) {
	return s.shop.Skills(), nil, nil
}

func (s *shopGoSubject) Do(_ context.Context, step Step) error {
	switch {
	case step.On != "":
		return s.shop.On(step.On)
	case step.Off != "":
		return s.shop.Off(step.Off)
	}
	return fmt.Errorf("the Go shop cannot do step %+v", step)
}

func (s *shopGoSubject) Stop() { _ = s.shop.Stop() } // it ends with the process at the latest
