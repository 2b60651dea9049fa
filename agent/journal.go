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
	By      string      `json:"by,omitempty"` // who runs; in the first entry of a run
	Message llm.Message `json:"message"`
	Usage   *llm.Usage  `json:"usage,omitempty"`
	Model   string      `json:"model,omitempty"` // that answered
	Spent   *llm.Spent  `json:"spent,omitempty"`
}

// append adds a message to the transcript, after the journal has it. The response is given with a message that came in one.
func (r *runner) append(ctx context.Context, m llm.Message, response *llm.Response) error {
	if r.Journal != nil {
		e := Entry{At: r.Now().UTC(), Message: m}
		if r.n == 0 {
			e.By = r.Name
		}
		if response != nil {
			e.Usage, e.Model = &response.Usage, response.Model
			if response.Spent.Calls > 0 {
				e.Spent = &response.Spent
			}
		}
		raw, err := json.Marshal(e)
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
