package sandbox

import (
	"fmt"
	"math"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// toGo turns a Lua value into a Go one. The budget is the bytes that may still come out; above are the tables that the value
// is inside of, to notice a cycle.
func toGo(v lua.LValue, depth int, budget *int, above []*lua.LTable) (any, error) {
	if *budget -= 8; *budget < 0 {
		return nil, &Error{Kind: OutputLimit, Msg: "the result is too large; return fewer rows or fields"}
	}
	switch v := v.(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LBool:
		return bool(v), nil
	case lua.LNumber:
		return number(float64(v))
	case lua.LString:
		if *budget -= len(v); *budget < 0 {
			return nil, &Error{Kind: OutputLimit, Msg: "the result is too large; return fewer rows or fields"}
		}
		return string(v), nil
	case *lua.LTable:
		if depth == 0 {
			return nil, &Error{Kind: BadResult, Msg: "the result is nested too deep"}
		}
		if slices.Contains(above, v) {
			return nil, &Error{Kind: BadResult, Msg: "the result contains itself"}
		}
		return table(v, depth-1, budget, append(above, v))
	}
	return nil, &Error{Kind: BadResult, Msg: fmt.Sprintf("a %s has no JSON form", v.Type())}
}

func number(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, &Error{Kind: BadResult, Msg: "NaN and infinity have no JSON form; a division by zero perhaps"}
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f), nil
	}
	return f, nil
}

func table(t *lua.LTable, depth int, budget *int, above []*lua.LTable) (any, error) {
	n, others := t.Len(), 0
	t.ForEach(func(k, _ lua.LValue) {
		if i, ok := k.(lua.LNumber); !ok || float64(i) != math.Trunc(float64(i)) || int(i) < 1 || int(i) > n {
			others++
		}
	})
	if others == 0 {
		list := make([]any, 0, min(n, 1024))
		for i := 1; i <= n; i++ {
			v, err := toGo(t.RawGetInt(i), depth, budget, above)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	m := map[string]any{}
	var failed error
	t.ForEach(func(k, v lua.LValue) {
		if failed != nil {
			return
		}
		key := k.String()
		*budget -= len(key)
		value, err := toGo(v, depth, budget, above)
		if err != nil {
			failed = err
			return
		}
		m[key] = value
	})
	return m, failed
}

func toLua(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case int:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case string:
		return lua.LString(v)
	case []any:
		t := l.CreateTable(len(v), 0)
		for _, e := range v {
			t.Append(toLua(l, e))
		}
		return t
	case map[string]any:
		t := l.CreateTable(0, len(v))
		for k, e := range v {
			t.RawSetString(k, toLua(l, e))
		}
		return t
	}
	return lua.LString(fmt.Sprint(v))
}
