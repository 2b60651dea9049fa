package route

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// schema is the part of JSON Schema in which tools describe their arguments. What else a schema says is not checked here; the tool does.
type schema struct {
	Type                 string            `json:"type"`
	Properties           map[string]schema `json:"properties"`
	Required             []string          `json:"required"`
	AdditionalProperties *bool             `json:"additionalProperties"`
	Items                *schema           `json:"items"`
	Enum                 []any             `json:"enum"`
}

// checkArgs says what is wrong with a call's arguments, in words that a model can mend them by.
func checkArgs(raw, args json.RawMessage) error {
	if args = bytes.TrimSpace(args); len(args) == 0 || string(args) == "null" {
		args = json.RawMessage("{}")
	}
	d := json.NewDecoder(bytes.NewReader(args))
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("the arguments are not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the JSON object of the arguments")
	}
	if _, ok := v.(map[string]any); !ok {
		return errors.New("the arguments are not one JSON object")
	}
	var s schema
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
		return nil
	}
	return s.check("", v)
}

// maxNesting is how deep arguments are checked.
const maxNesting = 20

func (s schema) check(path string, v any) error {
	if strings.Count(path, ".")+strings.Count(path, "[") > maxNesting {
		return nil
	}
	name := path
	if name == "" {
		name = "the arguments"
	}
	if got := typeOf(v); !fits(s.Type, got) {
		return fmt.Errorf("%s must be %s, got %s", name, s.Type, got)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s must be one of %v, got %.60v", name, s.Enum, v)
	}
	switch v := v.(type) {
	case map[string]any:
		return s.object(path, v)
	case []any:
		if s.Items == nil {
			return nil
		}
		for i, x := range v {
			if err := s.Items.check(fmt.Sprintf("%s[%d]", path, i), x); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s schema) object(path string, v map[string]any) error {
	if path != "" {
		path += "."
	}
	for _, r := range s.Required {
		if x, ok := v[r]; !ok || x == nil {
			return fmt.Errorf("%s%s is missing", path, r)
		}
	}
	names := make([]string, 0, len(v))
	for k := range v {
		names = append(names, k)
	}
	slices.Sort(names) // the same complaint for the same arguments
	for _, k := range names {
		p, known := s.Properties[k]
		if !known {
			if s.AdditionalProperties != nil && !*s.AdditionalProperties {
				return fmt.Errorf("%s%.60s is not known", path, k)
			}
			continue
		}
		if v[k] == nil && !slices.Contains(s.Required, k) {
			continue // left out in other words
		}
		if err := p.check(path+k, v[k]); err != nil {
			return err
		}
	}
	return nil
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

func fits(want, got string) bool {
	return want == "" || want == got || want == "number" && got == "integer"
}
