package shop

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// On switches a fault on, over a link of its own. how makes it another than the usual one; nil is the usual.
func (s *Shop) On(ctx context.Context, fault string, how map[string]any) error {
	m, err := mapping(how)
	if err != nil {
		return err
	}
	// These atoms are the shop's own.
	return s.call(ctx, "Elixir.Shop.Faults", "on", etf.A(fault), m)
}

// Off switches a fault off.
func (s *Shop) Off(ctx context.Context, fault string) error {
	return s.call(ctx, "Elixir.Shop.Faults", "off", etf.A(fault))
}

// Load says what the shop is busy with; see Shop.Load.
func (s *Shop) Load(ctx context.Context, load string) error {
	s.load = load
	return s.call(ctx, "Elixir.Shop.Load", "set", etf.A(load))
}

// Around lets something happen that is no fault; see Shop.Around.
func (s *Shop) Around(ctx context.Context, what string, how map[string]any) error {
	m, err := mapping(how)
	if err != nil {
		return err
	}
	return s.call(ctx, "Elixir.Shop.Around", "happen", []byte(what), m)
}

// stopIn is how long a node may take to stop in good order.
const stopIn = 15 * time.Second

// Restart stops the node in good order and starts it again under the same name, as a deploy does. It returns when it answers, under the same load.
func (s *Shop) Restart(ctx context.Context) error {
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the shop: %w", err)
	}
	late := time.NewTimer(stopIn)
	defer late.Stop()
	select {
	case <-s.ended:
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return fmt.Errorf("the shop did not stop within %s:\n%s", stopIn, s.output.String())
	}
	if err := s.launch(ctx); err != nil {
		return err
	}
	return s.Load(ctx, s.load)
}

func (s *Shop) call(ctx context.Context, module, function string, args ...etf.Term) error {
	c, err := erlang.Dial(ctx, s.Node, &erlang.Options{Cookie: s.Cookie})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Call(ctx, etf.A(module), etf.A(function), args...)
	return err
}

// mapping makes a map of texts, whole numbers and fractions, as JSON has them.
func mapping(how map[string]any) (etf.Map, error) {
	m := etf.Map{}
	for _, key := range slices.Sorted(maps.Keys(how)) {
		var value etf.Term
		switch v := how[key].(type) {
		case string:
			value = []byte(v)
		case float64:
			value = v
			if v == float64(int64(v)) {
				value = int64(v)
			}
		default:
			return nil, fmt.Errorf("%s: a text or a number was expected, not %T", key, v)
		}
		m = append(m, etf.Pair{Key: []byte(key), Value: value})
	}
	return m, nil
}
