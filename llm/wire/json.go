package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/beamlens/beamlens-go/llm"
)

// Object builds a JSON object whose members keep their order, and whose raw parts keep their bytes: providers cache prefixes byte by byte,
// and sign turns. The zero value is an empty object. The first error is kept until [Object.Bytes].
type Object struct {
	names  []string
	values [][]byte
	err    error
}

// Put adds a member. A [json.RawMessage] is put in as it is.
func (o *Object) Put(name string, v any) *Object {
	raw, err := encode(v)
	if err != nil && o.err == nil {
		o.err = err
	}
	if i := slices.Index(o.names, name); i >= 0 {
		o.values[i] = raw
		return o
	}
	o.names, o.values = append(o.names, name), append(o.values, raw)
	return o
}

// Bytes gives the object, with further members over those that are there. A nil value takes one out; an object is merged into one that is
// there.
func (o *Object) Bytes(extra map[string]any) ([]byte, error) {
	all := Object{slices.Clone(o.names), slices.Clone(o.values), o.err}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		i := slices.Index(all.names, name)
		if extra[name] == nil {
			if i >= 0 {
				all.names, all.values = slices.Delete(all.names, i, i+1), slices.Delete(all.values, i, i+1)
			}
			continue
		}
		add, isMap := extra[name].(map[string]any)
		var there map[string]any
		if isMap && i >= 0 && json.Unmarshal(all.values[i], &there) == nil {
			maps.Copy(there, add)
			all.Put(name, there)
			continue
		}
		all.Put(name, extra[name])
	}
	if all.err != nil {
		return nil, all.err
	}
	b := []byte{'{'}
	for i, name := range all.names {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := encode(name)
		if err != nil {
			return nil, err // unreachable: strings always encode
		}
		b = append(append(append(b, key...), ':'), all.values[i]...)
	}
	return append(b, '}'), nil
}

// MarshalJSON makes an object part of another. The encoder of the standard library may change its white space; [Object.Put] does not.
func (o *Object) MarshalJSON() ([]byte, error) { return o.Bytes(nil) }

// List is a JSON array whose parts keep their bytes.
type List []any

// encode gives JSON in which < and > stay what they are, and raw messages, objects and lists keep their bytes.
func encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case json.RawMessage:
		if !json.Valid(v) {
			return nil, errors.New("a part of the request is no JSON")
		}
		return v, nil
	case *Object:
		return v.Bytes(nil)
	case List:
		b := []byte{'['}
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			raw, err := encode(x)
			if err != nil {
				return nil, err
			}
			b = append(b, raw...)
		}
		return append(b, ']'), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Decode reads the answer. A body that ends too early is a failure of the network; one that is no JSON, or not what was expected, is a
// bad answer; one that is an error in spite of its status is that error.
func (a *Answer) Decode(into any) *llm.Error {
	fail := func(kind llm.ErrorKind, msg string) *llm.Error {
		return &llm.Error{Kind: kind, Status: a.said.status, RequestID: a.RequestID, Msg: msg}
	}
	text := bytes.TrimSpace(a.Body)
	if len(text) == 0 {
		return fail(llm.ErrBadAnswer, a.service+" answered nothing")
	}
	if text[0] == '<' {
		return fail(llm.ErrBadAnswer, a.service+" answered a web page; is base_url the address of an API?")
	}
	if e := a.said.inside(); e != nil {
		return e
	}
	d := json.NewDecoder(bytes.NewReader(text))
	err := d.Decode(into)
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fail(llm.ErrNetwork, "the answer of "+a.service+" was cut off")
	case errors.As(err, &syntax):
		return fail(llm.ErrBadAnswer, "the answer of "+a.service+" is no JSON; is base_url the address of an API?")
	case err != nil:
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) {
			return fail(llm.ErrBadAnswer, "the answer of "+a.service+" is not of its API: "+typ.Field+" is of type "+typ.Value)
		}
		return fail(llm.ErrBadAnswer, "the answer of "+a.service+" is not of its API")
	}
	return nil
}

// Bad is an answer that was read and cannot be used.
func (a *Answer) Bad(msg string) *llm.Error {
	return &llm.Error{Kind: llm.ErrBadAnswer, Status: a.said.status, RequestID: a.RequestID, Msg: a.service + " " + msg}
}

// Valid says whether the arguments of a call are a JSON object.
func Valid(args json.RawMessage) bool {
	var v map[string]json.RawMessage
	return json.Unmarshal(args, &v) == nil && v != nil
}

// Arguments gives the arguments of a call as a JSON object for a request: what is none is an empty one.
func Arguments(args json.RawMessage) json.RawMessage {
	if !Valid(args) {
		return json.RawMessage("{}")
	}
	return args
}

// Schema gives the schema of a tool's arguments; without one it takes none.
func Schema(t llm.Tool) json.RawMessage {
	if len(t.Schema) == 0 {
		return json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`)
	}
	return t.Schema
}

// Compact gives JSON without white space between its parts, so that it can be replayed byte for byte. nil if it is none.
func Compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}

// ID gives a call's id in the letters that all providers take. The same id gives the same.
func ID(id string) string {
	if id == "" {
		return "call"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, id)
}
