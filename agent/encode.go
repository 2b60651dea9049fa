package agent

import (
	"bytes"
	"encoding/json"
)

// Encode gives the JSON that a model reads: < and > stay what they are, because a pid with \u003c in it is neither cheap nor clear.
func Encode(v any) ([]byte, error) { return encode(v, "") }

// EncodeIndent is Encode over several lines.
func EncodeIndent(v any) ([]byte, error) { return encode(v, " ") }

func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
