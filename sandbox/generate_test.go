package sandbox

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestGenerated compares random programs with lua5.4: what they print, and their errors with lines. Each is a function of one file, so
// that a process runs many.
func TestGenerated(t *testing.T) {
	t.Parallel()
	lua := lua54(t)
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			b.WriteString("local function try(f) print(pcall(f)) end\n")
			for i := range uint64(60) {
				g := &generator{r: rand.New(rand.NewPCG(seed, i))}
				b.WriteString("try(function()\n")
				g.program(&b)
				b.WriteString("end)\n")
			}
			got, want := strings.Split(ours(t, b.String()), "\n"), strings.Split(reference(t, lua, b.String()), "\n")
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] && !excused(got[i], want[i]) {
					t.Fatalf("output line %d\ngot  %s\nwant %s\n%s", i+1, got[i], want[i], around(b.String(), got[i]+want[i]))
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d lines, want %d", len(got), len(want))
			}
		})
	}
}

// excused are differences of the text of errors that are meant: the line is the same.
func excused(got, want string) bool {
	g, w := addressOf(got), addressOf(want)
	if w == "" { // an operator on a numeral in a string has no position there
		return g != "" && strings.Replace(got, "program:"+g+": ", "", 1) == want
	}
	return g == w
}

// addressOf is the position in an error that pcall gave.
func addressOf(s string) string {
	_, rest, ok := strings.Cut(s, "false\tprogram:")
	if !ok {
		return ""
	}
	line, _, _ := strings.Cut(rest, ":")
	return line
}

// around shows the program near the line that an error names.
func around(program, text string) string {
	_, rest, ok := strings.Cut(text, "program:")
	if !ok {
		return ""
	}
	n := 0
	fmt.Sscanf(rest, "%d", &n)
	lines := strings.Split(program, "\n")
	return strings.Join(lines[max(0, n-12):min(len(lines), n+3)], "\n")
}

// generator writes programs that end: loops are counted, functions do not recurse.
type generator struct {
	r     *rand.Rand
	depth int
	vars  []string
}

func (g *generator) pick(list ...string) string { return list[g.r.IntN(len(list))] }

func (g *generator) program(b *strings.Builder) {
	g.vars = []string{"a", "b", "t"}
	fmt.Fprintf(b, "local a, b, t = %s, %s, {%s, %s, x = %s}\n", g.literal(), g.literal(), g.literal(), g.literal(), g.literal())
	for range 3 + g.r.IntN(8) {
		g.statement(b, "")
	}
	fmt.Fprintf(b, "print(a, b, #t, t.x, t[1], %s)\n", g.expr(2))
	fmt.Fprintf(b, "return %s, %s\n", g.expr(2), g.expr(3))
}

func (g *generator) literal() string {
	return g.pick("0", "1", "2", "-3", "7", "10", "1.5", "-0.25", "100", "2^53", "1e15", "math.maxinteger", "math.mininteger", "\"x\"", "\"10\"", "\"0x1p2\"", "\" 7 \"", "\"abc\"", "\"\"", "true", "false", "nil", "3.0", "0.1", "1e300", "(1/0)")
}

func (g *generator) variable() string { return g.vars[g.r.IntN(len(g.vars))] }

func (g *generator) expr(depth int) string {
	if depth <= 0 {
		if g.r.IntN(2) == 0 {
			return g.variable()
		}
		return g.literal()
	}
	e := func() string { return g.expr(depth - 1) }
	switch g.r.IntN(15) {
	case 0, 1, 2, 3:
		return "(" + e() + " " + g.pick("+", "-", "*", "/", "//", "%") + " " + e() + ")"
	case 4:
		return "(" + e() + " " + g.pick("&", "|", "~", "<<", ">>") + " " + e() + ")"
	case 5:
		return "(" + e() + " " + g.pick("==", "~=", "<", "<=", ">", ">=") + " " + e() + ")"
	case 6:
		return "(" + e() + " " + g.pick("and", "or") + " " + e() + ")"
	case 7:
		return "(" + e() + " .. " + e() + ")"
	case 8:
		return g.pick("-", "not ", "#", "~") + "(" + e() + ")"
	case 9:
		return g.pick("tostring", "tonumber", "type", "math.type", "math.floor", "math.abs", "string.len", "string.upper", "string.reverse", "math.tointeger", "rawlen") + "(" + e() + ")" + ""
	case 10:
		return "t[" + e() + "]"
	case 11:
		return g.pick("t.x", "t.y", "t[1]", "t[2]", "#t")
	case 12:
		return "(function(...) local p, q = ... return " + g.pick("p", "q", "...", "select('#', ...)", "p == q") + " end)(" + e() + ", " + e() + ")"
	case 13:
		return "string.format(" + g.pick(`"%s"`, `"%5s|"`, `"%q"`) + ", " + g.pick("a", "b", "1", "2.5", `"s"`) + ")"
	}
	return "(" + e() + ")"
}

func (g *generator) statement(b *strings.Builder, in string) {
	g.depth++
	defer func() { g.depth-- }()
	n := g.r.IntN(14)
	if g.depth > 3 && n > 6 {
		n = g.r.IntN(6)
	}
	block := func(n int) {
		vars := len(g.vars)
		for range 1 + g.r.IntN(n) {
			g.statement(b, in+"  ")
		}
		g.vars = g.vars[:vars]
	}
	switch n {
	case 0, 1:
		fmt.Fprintf(b, "%s%s = %s\n", in, g.pick("a", "b", "t.x", "t.y", "t[1]", "t[#t + 1]"), g.expr(3))
	case 2:
		fmt.Fprintf(b, "%sa, b = %s, %s\n", in, g.expr(2), g.expr(2))
	case 3:
		v := fmt.Sprintf("v%d", len(g.vars))
		fmt.Fprintf(b, "%slocal %s = %s\n", in, v, g.expr(3))
		g.vars = append(g.vars, v)
	case 4:
		fmt.Fprintf(b, "%sprint(%s)\n", in, g.expr(3))
	case 5:
		fmt.Fprintf(b, "%sprint(pcall(function()\n%s  return %s\n%send))\n", in, in, g.expr(3), in)
	case 6:
		fmt.Fprintf(b, "%slocal f%d = function(x, ...) a = x return %s end\n%sprint(f%d(%s))\n", in, g.depth, g.expr(2), in, g.depth, g.expr(2))
	case 7, 8:
		fmt.Fprintf(b, "%sif %s then\n", in, g.expr(2))
		block(2)
		if g.r.IntN(2) == 0 {
			fmt.Fprintf(b, "%selseif %s then\n", in, g.expr(2))
			block(2)
		}
		if g.r.IntN(2) == 0 {
			fmt.Fprintf(b, "%selse\n", in)
			block(2)
		}
		fmt.Fprintf(b, "%send\n", in)
	case 9, 10:
		fmt.Fprintf(b, "%sfor i = %s do\n", in, g.pick("1, 3", "3, 1, -1", "1, 2, 0.5", "0, -2, -1", "1.0, 2"))
		vars := len(g.vars)
		g.vars = append(g.vars, "i")
		block(3)
		g.vars = g.vars[:vars]
		if g.r.IntN(3) == 0 {
			fmt.Fprintf(b, "%s  if %s then break end\n", in, g.expr(1))
		}
		fmt.Fprintf(b, "%send\n", in)
	case 11:
		fmt.Fprintf(b, "%sfor k, v in ipairs({%s, %s, %s}) do\n", in, g.expr(1), g.expr(1), g.expr(1))
		vars := len(g.vars)
		g.vars = append(g.vars, "k", "v")
		block(2)
		g.vars = g.vars[:vars]
		fmt.Fprintf(b, "%send\n", in)
	case 12:
		fmt.Fprintf(b, "%sdo local n = 0 while n < 3 do n = n + 1\n%s  if n == 2 then goto continue end\n", in, in)
		block(2)
		fmt.Fprintf(b, "%s  ::continue:: end end\n", in)
	case 13:
		fmt.Fprintf(b, "%sdo local c%d = coroutine.wrap(function(x)\n%s  while true do x = coroutine.yield(%s) end\n%send) print(c%d(%s), c%d(%s)) end\n", in, g.depth, in, g.pick("x", "a", "{x} and x", "x, x", "x == a"), in, g.depth, g.expr(1), g.depth, g.expr(1))
	}
}
