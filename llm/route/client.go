package route

import (
	"encoding/json"

	"github.com/beamlens/beamlens-go/llm"
)

// ClientOptions of a [Client]. Zero values mean the defaults of each part.
type ClientOptions struct {
	Retry   RetryOptions
	Breaker BreakerOptions
	Turns   int // at once; see [NewLimit]
	OneTool OneToolOptions
	Budget  *Budget // nil: none
}

// Client puts all that one model needs around its wire, in the order that the package's comment gives.
func Client(wire llm.Model, o ClientOptions) llm.Model {
	m := wire
	if o.Budget != nil {
		m = o.Budget.Limit(m)
	}
	m = NewRetry(m, o.Retry)
	m = NewBreaker(m, o.Breaker)
	m = NewLimit(m, o.Turns)
	return NewOneTool(m, o.OneTool)
}

// encode gives JSON.
func encode(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "{}" // unreachable: strings always encode
	}
	return string(raw)
}

// replayable gives arguments that can be part of a request again: what is no JSON object would break the encoding of the whole request, or
// be refused.
func replayable(args json.RawMessage) json.RawMessage {
	var v map[string]any
	if json.Unmarshal(args, &v) == nil && v != nil {
		return args
	}
	return json.RawMessage("{}")
}
