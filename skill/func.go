package skill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// DefaultTimeout limits a callback that does not say otherwise.
const DefaultTimeout = 5 * time.Second

// Func makes a callback of a Go function. In is a struct whose fields are the positional arguments; Out is what it gives,
// any type that encodes to JSON. A type that does not fit is a programmer's error and panics.
func Func[In, Out any](name, doc, example string, fn func(context.Context, In) (Out, error)) Callback {
	in := reflect.TypeFor[In]()
	if in.Kind() != reflect.Struct {
		panic("skill.Func: " + name + ": the input must be a struct")
	}
	c := Callback{Name: name, Doc: doc, Example: example, Timeout: DefaultTimeout, Returns: shape(reflect.TypeFor[Out](), 0)}
	for i := range in.NumField() {
		c.Params = append(c.Params, param(name, in.Field(i)))
	}
	c.Call = func(ctx context.Context, args []any) (any, error) {
		var input In
		if err := fill(reflect.ValueOf(&input).Elem(), c, args); err != nil {
			return nil, err
		}
		out, err := fn(ctx, input)
		if err != nil {
			return nil, err
		}
		return Safe(out)
	}
	return c
}

func param(callback string, f reflect.StructField) Param {
	p := Param{Name: fieldName(f), Doc: f.Tag.Get("doc")}
	kind := f.Type.Kind()
	if kind == reflect.Pointer {
		p.Optional, kind = true, f.Type.Elem().Kind()
	}
	switch kind {
	case reflect.Int, reflect.Int64:
		p.Type = "integer"
	case reflect.Float64:
		p.Type = "number"
	case reflect.String:
		p.Type = "string"
	case reflect.Bool:
		p.Type = "boolean"
	default:
		panic(fmt.Sprintf("skill.Func: %s: parameter %s has a type that Lua cannot give: %s", callback, p.Name, f.Type))
	}
	if e := f.Tag.Get("enum"); e != "" {
		p.Enum = strings.Split(e, ",")
	}
	p.Min, p.Max = bound(f, "min"), bound(f, "max")
	if d, ok := f.Tag.Lookup("default"); ok {
		v, err := parse(p.Type, d)
		if err != nil {
			panic(fmt.Sprintf("skill.Func: %s: default of %s: %v", callback, p.Name, err))
		}
		p.Default = v
	}
	return p
}

func bound(f reflect.StructField, tag string) *float64 {
	text, ok := f.Tag.Lookup(tag)
	if !ok {
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic("skill.Func: tag " + tag + " of " + f.Name + ": " + err.Error())
	}
	return &v
}

func parse(typ, text string) (any, error) {
	switch typ {
	case "integer":
		return strconv.ParseInt(text, 10, 64)
	case "number":
		return strconv.ParseFloat(text, 64)
	case "boolean":
		return strconv.ParseBool(text)
	}
	return text, nil
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		name = strings.ToLower(f.Name)
	}
	return name
}

// fill checks the arguments against the parameters and puts them into the input. Numbers are clamped to their bounds, as
// the original did with limits; everything else that does not fit is an error that says what would.
func fill(input reflect.Value, c Callback, args []any) error {
	if len(args) > len(c.Params) {
		return fmt.Errorf("%s takes %d argument(s), got %d; call it as %s", c.Name, len(c.Params), len(args), c.Signature())
	}
	for i, p := range c.Params {
		var arg any
		if i < len(args) {
			arg = args[i]
		}
		if arg == nil {
			if arg = p.Default; arg == nil {
				if p.Optional {
					continue
				}
				return fmt.Errorf("%s: argument %d (%s) is missing; call it as %s", c.Name, i+1, p.Name, c.Signature())
			}
		}
		value, err := p.convert(arg)
		if err != nil {
			return fmt.Errorf("%s: argument %d (%s) %w; call it as %s", c.Name, i+1, p.Name, err, c.Signature())
		}
		field := input.Field(i)
		if field.Kind() == reflect.Pointer {
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		field.Set(reflect.ValueOf(value).Convert(field.Type()))
	}
	return nil
}

func (p Param) convert(arg any) (any, error) {
	switch p.Type {
	case "integer", "number":
		var v float64
		switch n := arg.(type) {
		case int64:
			v = float64(n)
		case float64:
			v = n
		default:
			return nil, fmt.Errorf("must be a number, got %s", describe(arg))
		}
		if math.IsNaN(v) {
			return nil, fmt.Errorf("must be a number, got NaN")
		}
		if p.Min != nil {
			v = math.Max(v, *p.Min)
		}
		if p.Max != nil {
			v = math.Min(v, *p.Max)
		}
		if p.Type == "number" {
			return v, nil
		}
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return nil, fmt.Errorf("must be a whole number, got %v", v)
		}
		return int64(v), nil
	case "boolean":
		if b, ok := arg.(bool); ok {
			return b, nil
		}
		return nil, fmt.Errorf("must be true or false, got %s", describe(arg))
	}
	s, ok := arg.(string)
	if !ok {
		return nil, fmt.Errorf("must be a string, got %s", describe(arg))
	}
	if len(p.Enum) > 0 {
		for _, e := range p.Enum {
			if s == e {
				return s, nil
			}
		}
		return nil, fmt.Errorf("must be one of %s, got %.60q", strings.Join(p.Enum, ", "), s)
	}
	if len(s) > 4096 {
		return nil, fmt.Errorf("is longer than 4096 bytes")
	}
	return s, nil
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return fmt.Sprintf("the string %.40q", v)
	case bool:
		return fmt.Sprintf("%v", v)
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	}
	return "a table"
}

// Safe turns any value that encodes to JSON into the values that the sandbox and the store know: nil, bool, int64,
// float64, string, []any, map[string]any. Whole numbers stay whole.
func Safe(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("decode result: %w", err)
	}
	return numbers(out), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

// shape describes a type as a model reads it: {total, rows: [{pid, name}]}.
func shape(t reflect.Type, depth int) string {
	switch t.Kind() {
	case reflect.Pointer:
		return shape(t.Elem(), depth) + " or null"
	case reflect.Slice:
		return "[" + shape(t.Elem(), depth+1) + "]"
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return "time"
		}
		if depth > 4 {
			return "{…}"
		}
		var fields []string
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() || f.Tag.Get("json") == "-" {
				continue
			}
			text := fieldName(f)
			if inner := shape(f.Type, depth+1); strings.ContainsAny(inner, "{[") {
				text += ": " + inner
			}
			fields = append(fields, text)
		}
		return "{" + strings.Join(fields, ", ") + "}"
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Map:
		return "{…}"
	case reflect.Interface:
		return "value"
	}
	return "number"
}
