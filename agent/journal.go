package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

// Entry is one entry of a journal.
type Entry struct {
	At      time.Time   `json:"at"`
	Message llm.Message `json:"message"`
	Usage   *llm.Usage  `json:"usage,omitempty"`
}

// append adds a message to the transcript, after the journal has it.
func (r *runner) append(ctx context.Context, m llm.Message, usage *llm.Usage) error {
	if r.Journal != nil {
		raw, err := json.Marshal(Entry{At: r.Now().UTC(), Message: m, Usage: usage})
		if err != nil {
			return fmt.Errorf("encode journal entry: %w", err)
		}
		ok, err := r.Journal.Append(ctx, r.RunID, r.n, raw)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			// A full disk must not stop the watch over the system that filled it.
			r.Observe("journal.failed", map[string]any{"reason": err.Error()})
		case !ok:
			return ErrFenced
		}
	}
	r.n++
	r.transcript.Messages = append(r.transcript.Messages, m)
	return nil
}
