package llm

import (
	"encoding/json"
	"testing"
)

func TestSizesAreLearntForEachModel(t *testing.T) {
	s := &Sizes{}
	if got := s.Tokens("m", 10_000); got != 4000 {
		t.Errorf("before anything is known: %d tokens, want 2.5 bytes each", got)
	}
	for range 30 {
		s.Learn("logs", 10_000, Usage{Known: true, Input: 6000})
	}
	s.Learn("prose", 10_000, Usage{Known: true, Input: 2500})
	for _, c := range []struct {
		name  string
		model string
		learn func()
		want  int
	}{
		{"what was counted", "logs", func() {}, 6000},
		{"another model's", "prose", func() {}, 2500},
		{"never seen", "new", func() {}, 4000},
		{"usage that is not known teaches nothing", "prose", func() { s.Learn("prose", 10_000, Usage{Input: 9000}) }, 2500},
		{"nor does a small request", "prose", func() { s.Learn("prose", 100, Usage{Known: true, Input: 90}) }, 2500},
		{"nor usage that cannot be", "prose", func() { s.Learn("prose", 10_000, Usage{Known: true, Input: -5}) }, 2500},
		{"a wild count moves it within bounds", "wild", func() { s.Learn("wild", 10_000, Usage{Known: true, Input: 1e12}) }, 10_000},
	} {
		c.learn()
		if got := s.Tokens(c.model, 10_000); got != c.want {
			t.Errorf("%s: %d tokens, want %d", c.name, got, c.want)
		}
	}
	var none *Sizes
	none.Learn("m", 10_000, Usage{Known: true, Input: 1})
	if got := none.Tokens("m", 10_000); got != 4000 {
		t.Errorf("nil: %d tokens", got)
	}
}

func TestSizeCountsAllText(t *testing.T) {
	r := &Request{System: "12345", Tools: []Tool{{Name: "1", Doc: "2", Schema: json.RawMessage("34")}}, Messages: []Message{
		{Text: "12"}, {Calls: []ToolCall{{Name: "1", Args: json.RawMessage("{}")}}}, {Results: []ToolResult{{Content: "1234"}}}}}
	if got := r.Size(); got != 18 {
		t.Errorf("%d bytes, want 18", got)
	}
}

func TestSpentKeepsWhatIsNotKnown(t *testing.T) {
	usd := func(x float64) *float64 { return &x }
	for _, c := range []struct {
		name  string
		a, b  Spent
		calls int
		want  *float64
	}{
		{"both known", Spent{1, usd(0.5)}, Spent{2, usd(0.25)}, 3, usd(0.75)},
		{"one is not", Spent{1, usd(0.5)}, Spent{1, nil}, 2, nil},
		{"nothing yet", Spent{}, Spent{1, usd(0.5)}, 1, usd(0.5)},
	} {
		got := c.a.Add(c.b)
		if got.Calls != c.calls || (got.USD == nil) != (c.want == nil) || got.USD != nil && *got.USD != *c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
