package price

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

var (
	before = time.Date(2026, 10, 6, 23, 59, 0, 0, time.UTC)
	after  = time.Date(2026, 10, 7, 0, 0, 0, 0, time.UTC)
)

func TestCost(t *testing.T) {
	for _, c := range []struct {
		name            string
		provider, model string
		at              time.Time
		u               llm.Usage
		ttl             time.Duration
		want            float64 // dollars; < 0: not known
	}{
		{"plain", "anthropic", "claude-haiku-4-5", after, llm.Usage{Input: 1e6, Output: 1e6}, 0, 6},
		{"with the date of its release", "anthropic", "claude-haiku-4-5-20251001", after, llm.Usage{Input: 1e6}, 0, 1},
		{"the cached part", "anthropic", "claude-sonnet-4-5", after, llm.Usage{Input: 1e6, CacheRead: 800_000, CacheWrite: 100_000}, 0, 0.3 + 0.24 + 0.375},
		{"cache writes for an hour", "anthropic", "claude-sonnet-4-5", after, llm.Usage{Input: 1e6, CacheWrite: 1e6}, time.Hour, 6},
		{"up to the cliff", "anthropic", "claude-haiku-5-5", after, llm.Usage{Input: 100_000, Output: 1000}, 0, 0.01 + 0.0005},
		{"over the cliff, all of it", "anthropic", "claude-haiku-5-5", after, llm.Usage{Input: 100_001, CacheRead: 100_000, Output: 1000}, 0, 0.005 + 0.0000005 + 0.0025},
		{"before a price changed", "anthropic", "claude-sonnet-5-5", before, llm.Usage{Input: 1e6, CacheRead: 1e6}, 0, 0.2},
		{"since", "anthropic", "claude-sonnet-5-5", after, llm.Usage{Input: 1e6, CacheRead: 1e6}, 0, 0.1},
		{"before it could be bought", "anthropic", "claude-haiku-5-5", before, llm.Usage{Input: 1e6}, 0, -1},
		{"Gemini under its other names", "gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", after, llm.Usage{Input: 1e5}, 0, 0.125},
		{"OpenAI's date", "openai", "gpt-4o-2024-08-06", after, llm.Usage{Input: 1e6}, 0, 2.5},
		{"unknown model", "anthropic", "claude-9", after, llm.Usage{Input: 1e6}, 0, -1},
		{"a name that only begins alike", "openai", "gpt-5-ultra", after, llm.Usage{Input: 1e6}, 0, -1},
		{"the same name elsewhere", "azure.ai.openai", "gpt-4o", after, llm.Usage{Input: 1e6}, 0, -1},
		{"more cached than there is input", "anthropic", "claude-haiku-4-5", after, llm.Usage{Input: 1000, CacheRead: 1e9, CacheWrite: 1e9}, 0, 0.0001},
	} {
		r, ok := Default().Rates(c.provider, c.model, c.at)
		if ok != (c.want >= 0) {
			t.Errorf("%s: known %v", c.name, ok)
			continue
		}
		if got := r.Cost(c.u, c.ttl); ok && math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %g dollars, want %g", c.name, got, c.want)
		}
	}
}

// TestBoundIsNeverBelowTheCost, whatever of the input is cached and wherever the prompt stands to the cliff.
func TestBoundIsNeverBelowTheCost(t *testing.T) {
	table := Default()
	for k, rows := range table.rows {
		for _, row := range rows {
			r := Rates{row}
			for _, in := range []int64{1, 99_999, 100_000, 100_001, 250_000, 500_000} {
				for _, u := range []llm.Usage{{Input: in}, {Input: in, CacheRead: in}, {Input: in, CacheWrite: in}, {Input: in / 2, CacheWrite: in / 3}} {
					u.Output = 4000
					for _, ttl := range []time.Duration{0, time.Hour} {
						if bound, cost := r.Bound(in, 4000), r.Cost(u, ttl); cost > bound+1e-12 {
							t.Errorf("%s: %+v cost %g, over the bound of %g", k, u, cost, bound)
						}
					}
				}
			}
		}
	}
}

func TestUsersTable(t *testing.T) {
	own, err := Read(strings.NewReader(`{"prices": [{"provider": "anthropic", "model": "claude-haiku-4-5", "input": 0.5, "output": 1}, {"provider": "vllm", "model": "mine", "input": 0, "output": 0}]}`))
	if err != nil {
		t.Fatal(err)
	}
	both := Default().With(own)
	for _, c := range []struct {
		provider, model string
		want            float64
	}{{"anthropic", "claude-haiku-4-5", 0.5}, {"vllm", "mine", 0}, {"openai", "gpt-4.1", 2}} {
		r, ok := both.Rates(c.provider, c.model, after)
		if got := r.Cost(llm.Usage{Input: 1e6}, 0); !ok || got != c.want {
			t.Errorf("%s: %g, %v", c.model, got, ok)
		}
	}
	if r, _ := Default().Rates("anthropic", "claude-haiku-4-5", after); r.Cost(llm.Usage{Input: 1e6}, 0) != 1 {
		t.Error("the table that comes with the program was changed")
	}
	var none *Table
	if _, ok := none.Rates("anthropic", "claude-haiku-4-5", after); ok {
		t.Error("a table that is not there knows a price")
	}
	for _, c := range []struct{ text, says string }{
		{`{"prices": [{"provider": "a", "model": "b", "input": -1}]}`, "-1 dollars"},
		{`{"prices": [{"provider": "a", "model": "b", "from": "soon"}]}`, "no day like"},
		{`{"prices": [{"model": "b"}]}`, "required"},
		{`{"prices": [{"provider": "a", "model": "b", "inptu": 1}]}`, "inptu"},
		{`prices`, "read prices"},
	} {
		if _, err := Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.text, err, c.says)
		}
	}
}
