package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// small are limits under which a fuzzed program cannot take long.
var small = Limits{Time: 50 * time.Millisecond, CallbackTime: 50 * time.Millisecond, Instructions: 300_000, Memory: 4 << 20, Output: 16 << 10, Callbacks: 20}

// sound runs a program and fails if the interpreter broke, or did not end in time.
func sound(t *testing.T, program string) {
	t.Helper()
	began := time.Now()
	functions := hostFunctions()
	delete(functions, "runtime_big")
	delete(functions, "runtime_sleep")
	_, err := Run(t.Context(), program, functions, small)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	if err == nil {
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("no *Error: %v", err)
	}
	if strings.Contains(e.Msg, errBroken.Error()) {
		t.Fatal(e)
	}
	if len(e.Error()) > 4096 {
		t.Errorf("an error of %d bytes", len(e.Error()))
	}
}

// FuzzRun runs any text as a program.
func FuzzRun(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join("testdata", "corpus", "*.lua"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range strings.Split("\n"+string(text), "\n=== ")[1:] {
			_, body, _ := strings.Cut(part, "\n")
			f.Add(body)
		}
	}
	for _, p := range moreHostile {
		if len(p.text) < 1000 {
			f.Add(p.text)
		}
	}
	f.Fuzz(func(t *testing.T, program string) { sound(t, program) })
}

// FuzzPattern matches any pattern with any subject in every way.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{"", "a*", "^(%a+)%s-=%s*(.-)$", "%b()", "%f[%w]%w+", "[^%]a-z]", "(a)(b)%2", "()%1", "%", "[", "((", "a-b?c+$"} {
		f.Add("key = value (x(y)z)", p, "%1%0%%")
	}
	f.Fuzz(func(t *testing.T, s, pattern, repl string) {
		q := func(s string) string { return luaQuote(s) }
		sound(t, "local s, p, r = "+q(s)+", "+q(pattern)+", "+q(repl)+`
pcall(string.find, s, p) pcall(string.find, s, p, -3) pcall(string.find, s, p, 1, true) pcall(string.match, s, p, 2) pcall(string.gsub, s, p, r)
pcall(string.gsub, s, p, {}) pcall(string.gsub, s, p, function(...) return ... end, 5)
pcall(function() for a, b in s:gmatch(p) do end end)`)
	})
}

// FuzzFormat formats and packs by any format.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{"%d %s %q", "%-10.3f|%+05d", "%a %g %c", "%%", "%", "<i4 z s1 d", ">!8 Xi8 i16 c3", "i17", "%5.q", "b B h H l L j J T f n d x"} {
		f.Add(s, "data\x00\x01\x02", int64(-5), 1.5)
	}
	f.Fuzz(func(t *testing.T, format, data string, n int64, x float64) {
		sound(t, "local f, d, n, x = "+luaQuote(format)+", "+luaQuote(data)+", "+itoa(n)+", "+floatText(x)+`
local values = {n, x, d, "3", true, {}, print}
for i = 1, #values do
  pcall(string.format, f, values[i], values[i % 7 + 1], values[(i + 1) % 7 + 1])
  pcall(string.pack, f, values[i], values[i % 7 + 1], values[(i + 1) % 7 + 1])
end
pcall(string.packsize, f) pcall(string.unpack, f, d) pcall(string.unpack, f, d, n) pcall(os.date, f, n) pcall(os.date, f)
pcall(utf8.len, d, n) pcall(utf8.codepoint, d, 1, -1) pcall(utf8.offset, d, n) pcall(function() for p, c in utf8.codes(d) do end end)
pcall(tonumber, d) pcall(tonumber, d, n) pcall(string.rep, d, n, f) pcall(string.sub, d, n) pcall(string.byte, d, n, -1) pcall(table.unpack, {}, n) pcall(table.concat, {d, n, x}, f, n)`)
	})
}

// FuzzTables does any sequence of operations on a table and compares with one that only uses string keys.
func FuzzTables(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 130, 131, 7, 7, 9, 0, 200, 201})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var b strings.Builder
		b.WriteString("local t, u = {}, {}\n")
		for i, op := range ops[:min(len(ops), 400)] {
			k := int(op&31) - 4
			switch op >> 5 {
			case 0, 1, 2, 3:
				b.WriteString("t[" + itoa(int64(k)) + "] = " + itoa(int64(i)) + " u['" + itoa(int64(k)) + "'] = " + itoa(int64(i)) + "\n")
			case 4, 5:
				b.WriteString("t[" + itoa(int64(k)) + "] = nil u['" + itoa(int64(k)) + "'] = nil\n")
			case 6:
				b.WriteString("t.k" + itoa(int64(k+4)) + " = 1 t.k" + itoa(int64(k+4)) + " = nil\n")
			case 7:
				b.WriteString("for k in pairs(t) do if k % 3 == 0 then t[k] = nil u[tostring(k)] = nil end end\n")
			}
		}
		b.WriteString(`local n, m = 0, 0
for k, v in pairs(t) do n = n + 1 assert(u[tostring(k)] == v, "value") end
for k, v in pairs(u) do m = m + 1 assert(t[tonumber(k)] == v, "key") end
assert(n == m, "count")
assert(#t == 0 or t[#t] ~= nil, "border") assert(t[#t + 1] == nil, "border")
return "same"`)
		r, err := Run(t.Context(), b.String(), nil, Limits{Time: 10 * time.Second})
		if r.Value != "same" {
			t.Errorf("%v\n%s", err, b.String())
		}
	})
}

// luaQuote is a string as a Lua literal.
func luaQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		b.WriteString("\\x" + string("0123456789abcdef"[s[i]>>4]) + string("0123456789abcdef"[s[i]&15]))
	}
	b.WriteByte('"')
	return b.String()
}

func floatText(x float64) string {
	switch {
	case x != x:
		return "(0/0)"
	case x > 1e308:
		return "(1/0)"
	case x < -1e308:
		return "(-1/0)"
	}
	return "(" + formatDirective("", 'a', x) + ")"
}
