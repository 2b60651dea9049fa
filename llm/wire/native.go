package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"

	"github.com/beamlens/beamlens-go/llm"
)

// Turns says which turns of a conversation can be sent as their provider gave them. Some providers sign a turn together with all that was
// before it, and refuse it after anything else: for these the hash of that is kept with the turn.
type Turns struct {
	wire, model string
	prefix      hash.Hash // nil: turns are not bound to what was before them
}

// NewTurns begins a conversation with a model. Bound says that its turns are bound to what was before them; what that is, is told to
// [Turns.Sent].
func NewTurns(wire, model string, bound bool) *Turns {
	t := &Turns{wire: wire, model: model}
	if bound {
		t.prefix = sha256.New()
	}
	return t
}

// Sent tells the next part of the conversation, without marks that change from request to request.
func (t *Turns) Sent(v any) {
	if t.prefix == nil {
		return
	}
	raw, err := encode(v)
	if err != nil {
		return // it fails where it is sent
	}
	// In the form in which a journal gives it back, so that a restart changes nothing.
	var b bytes.Buffer
	json.HTMLEscape(&b, raw)
	t.prefix.Write(b.Bytes())
	t.prefix.Write([]byte{0})
}

func (t *Turns) sum() string {
	if t.prefix == nil {
		return ""
	}
	return hex.EncodeToString(t.prefix.Sum(nil)[:12])
}

// Native gives the turn as it was given, or nil if it cannot be sent here.
func (t *Turns) Native(n *llm.Native) json.RawMessage {
	if n == nil || n.Wire != t.wire || n.Model != t.model || n.Prefix != t.sum() || !json.Valid(n.Turn) {
		return nil
	}
	return n.Turn
}

// Keep makes a turn of what was answered to what was sent.
func (t *Turns) Keep(turn json.RawMessage) *llm.Native {
	turn = Compact(turn)
	if turn == nil {
		return nil
	}
	return &llm.Native{Wire: t.wire, Model: t.model, Prefix: t.sum(), Turn: turn}
}
