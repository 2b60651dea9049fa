package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/beamlens/beamlens-go/llm"
)

// Tool is something that a model may do.
type Tool struct {
	Name   string
	Title  string // for people
	Doc    string // for the model
	Schema json.RawMessage

	// Echo says that the result repeats what the model wrote, or that the tool tells itself what it read: it is not handed to Saw.
	Echo bool
	// Idle says that a call of it changes nothing and reads nothing.
	Idle bool
	// Run does it. An error is told to the model, and the run goes on.
	Run func(ctx context.Context, args json.RawMessage) (Result, error)
}

// Result is what a tool gave.
type Result struct {
	Content any  // JSON-safe
	End     bool // the run ends with it
}

// NewTool makes a tool of a function. The schema comes from In, a struct: a pointer or omitempty field is optional; the tag
// doc describes, the tag enum lists the values. Arguments that do not fit are an error that says what would.
func NewTool[In any](name, title, doc string, run func(context.Context, In) (Result, error)) Tool {
	t := reflect.TypeFor[In]()
	return Tool{
		Name: name, Title: title, Doc: doc, Schema: schema(t),
		Run: func(ctx context.Context, args json.RawMessage) (Result, error) {
			var in In
			if err := decode(args, &in, t); err != nil {
				return Result{}, fmt.Errorf("%w; expected %s", err, expected(t))
			}
			return run(ctx, in)
		},
	}
}

func decode(args json.RawMessage, in any, t reflect.Type) error {
	args = bytes.TrimSpace(args)
	if len(args) == 0 || string(args) == "null" {
		args = json.RawMessage("{}")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(args, &fields); err != nil {
		return errors.New("the arguments are not one JSON object")
	}
	for i := range t.NumField() {
		name, optional := field(t.Field(i))
		if raw, ok := fields[name]; (!ok || string(raw) == "null") && !optional {
			return fmt.Errorf("%q is missing", name)
		}
	}
	d := json.NewDecoder(bytes.NewReader(args))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) {
			return fmt.Errorf("%q must be %s, got %s", typ.Field, typ.Type, typ.Value)
		}
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON object")
	}
	v := reflect.ValueOf(in).Elem()
	for i := range t.NumField() {
		enum := t.Field(i).Tag.Get("enum")
		if enum == "" || v.Field(i).Kind() != reflect.String {
			continue
		}
		name, optional := field(t.Field(i))
		if got := v.Field(i).String(); (got != "" || !optional) && !contains(enum, got) {
			return fmt.Errorf("%q must be one of %s, got %.60q", name, strings.ReplaceAll(enum, ",", ", "), got)
		}
	}
	return nil
}

func contains(enum, value string) bool {
	for e := range strings.SplitSeq(enum, ",") {
		if e == value {
			return true
		}
	}
	return false
}

func field(f reflect.StructField) (name string, optional bool) {
	name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, f.Type.Kind() == reflect.Pointer || strings.Contains(rest, "omitempty")
}

func expected(t reflect.Type) string {
	var parts []string
	for i := range t.NumField() {
		name, optional := field(t.Field(i))
		if optional {
			name += "?"
		}
		if enum := t.Field(i).Tag.Get("enum"); enum != "" {
			name += ": " + strings.ReplaceAll(enum, ",", " | ")
		}
		parts = append(parts, name)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// schema gives the JSON Schema of a struct type.
func schema(t reflect.Type) json.RawMessage {
	raw, err := json.Marshal(schemaOf(t, ""))
	if err != nil {
		panic("agent: " + err.Error()) // unreachable: maps of strings always encode
	}
	return raw
}

func schemaOf(t reflect.Type, enum string) map[string]any {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), enum)
	case reflect.String:
		if enum != "" {
			return map[string]any{"type": "string", "enum": strings.Split(enum, ",")}
		}
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), enum)}
	case reflect.Map, reflect.Interface:
		return map[string]any{"type": "object"}
	case reflect.Struct:
		properties, required := map[string]any{}, []string{}
		for i := range t.NumField() {
			f := t.Field(i)
			name, optional := field(f)
			p := schemaOf(f.Type, f.Tag.Get("enum"))
			if doc := f.Tag.Get("doc"); doc != "" {
				p["description"] = doc
			}
			properties[name] = p
			if !optional {
				required = append(required, name)
			}
		}
		return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	}
	panic("agent: a tool's input cannot have a " + t.String())
}

// Specs gives the tools as a request carries them.
func Specs(tools []Tool) []llm.Tool {
	specs := make([]llm.Tool, len(tools))
	for i, t := range tools {
		specs[i] = llm.Tool{Name: t.Name, Doc: t.Doc, Schema: t.Schema}
	}
	return specs
}
