package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slips are what models get wrong. What we say to each is a golden file for a reader to judge: is the mend obvious?
var slips = map[string]string{
	"zero_based":          "local rows = beam_top(3)\nreturn rows[0].pid",
	"empty_list":          "local rows = beam_none()\nreturn rows[1].pid",
	"misspelt_field":      "local rows = beam_top(3)\nreturn rows[1].memroy + 1",
	"misspelt_function":   "return beam_tpo(3)",
	"unknown_function":    "return get_processes()",
	"list_as_row":         "local rows = beam_top(3)\nreturn \"queue: \" .. rows.queue",
	"plus_joins":          "local rows = beam_top(3)\nreturn \"pid \" + rows[1].pid",
	"join_nil":            "local rows = beam_top(3)\nlocal out = \"\"\nfor _, r in ipairs(rows) do\n  out = out .. r.name .. \"\\n\"\nend\nreturn out",
	"join_table":          "local rows = beam_top(3)\nreturn \"rows: \" .. rows",
	"compare_nil":         "for _, r in ipairs(beam_top(3)) do\n  if r.mailbox > 10 then return r end\nend",
	"compare_text":        "local rows = beam_top(3)\nreturn rows[1].pid > 5",
	"for_in_list":         "for r in beam_top(3) do\n  print(r.pid)\nend",
	"for_pairs_of_nil":    "local rows = beam_top(3)\nfor k, v in pairs(rows[1].links) do\n  print(k)\nend",
	"call_a_table":        "local rows = beam_top(3)\nreturn rows(1)",
	"index_a_function":    "return beam_top.rows",
	"method_for_field":    "local rows = beam_top(3)\nreturn rows[1]:pid()",
	"continue":            "for i = 1, 3 do\n  if i == 2 then\n    continue\n  end\nend",
	"not_equal":           "if 1 != 2 then return 1 end",
	"plus_equal":          "local n = 0\nn += 1",
	"plus_plus":           "local n = 0\nn++",
	"and_and":             "local a, b = true, true\nif a && b then return 1 end",
	"or_or":               "local a, b = true, true\nif a || b then return 1 end",
	"bang":                "local a\nif !a then return 1 end",
	"single_equals":       "local x = 1\nif x = 1 then return 1 end",
	"list_literal":        "local list = [1, 2, 3]\nreturn list",
	"json_literal":        "return {\"name\": \"x\"}",
	"key_is_a_word":       "local t = {}\nt.end = 1\nreturn t",
	"key_is_function":     "local r = beam_top(1)[1]\nreturn r.function",
	"missing_end":         "for _, r in ipairs(beam_top(3)) do\n  if r.queue > 5 then\n    print(r.pid)\nend\nreturn 1",
	"else_if":             "local x = 1\nif x == 1 then\n  return 1\nelse if x == 2 then\n  return 2\nend",
	"missing_then":        "local x = 1\nif x == 1\n  return 1\nend",
	"missing_do":          "local i = 0\nwhile i < 3\n  i = i + 1\nend",
	"one_end_too_many":    "local x = 1\nend\nreturn x",
	"unfinished_string":   "local s = \"abc\nreturn s",
	"unfinished_brackets": "local s = [[abc\nreturn s",
	"braces":              "if true {\n  return 1\n}",
	"slashes_comment":     "// find the process\nreturn beam_top(1)",
	"hash_comment":        "# find the process\nlocal x = 1\n# and more\nreturn x",
	"var":                 "var x = 1\nreturn x",
	"ternary":             "local x = 1\nreturn x > 0 ? 1 : 2",
	"arrow":               "local f = (x) => x + 1",
	"regex_escape":        "return (\"a1\"):match(\"\\d+\")",
	"after_return":        "return 1\nprint(2)",
	"stray_value":         "local x = 1\nx",
	"split":               "return string.split(\"a,b\", \",\")",
	"method_split":        "return (\"a,b\"):split(\",\")",
	"getn":                "return table.getn({1, 2})",
	"pow":                 "return math.pow(2, 3)",
	"len":                 "return len({1, 2})",
	"bare_library_name":   "return insert({}, 1)",
	"null":                "local r = beam_top(1)[1]\nreturn null.x",
	"require":             "local json = require(\"json\")",
	"io":                  "return io.open(\"/etc/passwd\")",
	"os_getenv":           "return os.getenv(\"HOME\")",
	"collectgarbage":      "collectgarbage()",
	"bad_argument":        "return string.rep({}, 3)",
	"insert_nil":          "local t\ntable.insert(t, 1)",
	"callback_refuses":    "return beam_fail(\"x\")",
	"callback_panics":     "return beam_panic()",
	"error_with_table":    "error({code = 5, message = \"too many\"})",
	"error_in_function":   "local function check(x)\n  if x > 1 then error(\"x is too large: \" .. x) end\nend\ncheck(2)",
	"stack":               "local function f(n)\n  return 1 + f(n + 1)\nend\nreturn f(1)",
	"memory":              "local s = \"x\"\nwhile true do\n  s = s .. s\nend",
	"steps":               "while true do end",
	"calls":               "for i = 1, 2000 do\n  beam_top(1)\nend",
	"printed":             "while true do\n  print((\"x\"):rep(1000))\nend",
	"result_function":     "return {f = print}",
	"result_cycle":        "local t = {rows = {}}\nt.rows[1] = t\nreturn t",
	"result_nan":          "local total, n = 0, 0\nreturn {average = total / n}",
	"result_mixed":        "return {1, 2, name = \"x\"}",
	"result_gaps":         "local byId = {}\nbyId[5] = \"a\"\nbyId[9] = \"b\"\nreturn byId",
	"result_large":        "local t = {}\nfor i = 1, 100000 do t[i] = i end\nreturn t",
	"source":              "return \"" + strings.Repeat("x", 70000) + "\"",
}

// TestErrorsForModels compares the errors of typical slips, and of the manifest's err_ programs, with golden files.
func TestErrorsForModels(t *testing.T) {
	rows := func(_ context.Context, args []any) (any, error) {
		return []any{map[string]any{"pid": "<0.99.0>", "memory": int64(12345), "queue": int64(3)}, map[string]any{"pid": "<0.100.0>", "memory": int64(99), "queue": int64(0)}}, nil
	}
	functions := map[string]Function{
		"beam_top": rows, "beam_processes": rows, "runtime_top_goroutines": rows,
		"beam_none":  func(context.Context, []any) (any, error) { return []any{}, nil },
		"beam_fail":  func(context.Context, []any) (any, error) { return nil, errors.New("beam_fail: there is no process x") },
		"beam_panic": func(context.Context, []any) (any, error) { panic("index out of range") },
	}
	programs := map[string]string{}
	for name, text := range slips {
		programs[name] = text
	}
	files, err := filepath.Glob(filepath.Join("testdata", "programs", "err_*.lua"))
	if err != nil || len(files) == 0 {
		t.Fatal("no programs", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		programs[strings.TrimSuffix(filepath.Base(file), ".lua")] = string(text)
	}
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			limits := Limits{Instructions: 50_000_000, Time: time.Minute}
			said := func() string {
				_, err := Run(t.Context(), program, functions, limits)
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("got %v, want an *Error", err)
				}
				return string(e.Kind) + "\n" + e.Error() + "\n"
			}
			got := said()
			if again := said(); again != got {
				t.Errorf("said\n%s\nand then\n%s", got, again)
			}
			shown := program
			if len(shown) > 2000 {
				shown = shorten(shown, 100)
			}
			got = strings.TrimRight(shown, "\n") + "\n---\n" + got
			path := filepath.Join("testdata", "errors", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
