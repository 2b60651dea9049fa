package sandbox

import (
	"slices"
	"strconv"
	"strings"
)

// explain makes the error of the run out of what nobody caught: the line, its text, and what would mend it.
func (r *run) explain(f *failure) *Error {
	if f.limit != nil {
		e := *f.limit
		if e.Kind != Timeout && e.Line == 0 { // where a timeout came is chance
			e.Line = f.line
			e.Text = r.textOf(e.Line)
		}
		return &e
	}
	e := &Error{Kind: Runtime, Line: f.line}
	switch f.v.kind() {
	case kindString:
		e.Msg = f.v.str().s
		if len(e.Msg) > 3000 {
			e.Msg = shorten(e.Msg, 3000)
		}
		if rest, ok := strings.CutPrefix(e.Msg, chunk+":"); ok {
			digits, msg, found := strings.Cut(rest, ": ")
			if n, err := strconv.Atoi(digits); found && err == nil {
				e.Line, e.Msg = n, msg
			}
		}
	case kindInt, kindFloat:
		e.Msg = formatNumber(f.v)
	case kindNil:
		e.Msg = "the program raised an error without a message: error(nil)"
	case kindTable:
		e.Msg = "the program raised an error that is a table, no text"
		if m := f.v.table().getStr(r.intern("message")); m.isString() {
			e.Msg += ": " + shorten(m.str().s, 1000)
		}
	default:
		e.Msg = "the program raised an error that is a " + f.v.typeName() + ", no text"
	}
	if e.Line > 0 {
		e.Text = r.textOf(e.Line)
		if f.about != nil && f.about.start > 0 {
			_, e.Column = r.lineAt(int(f.about.start), e.Line)
		}
	}
	e.Hint = r.mend(f)
	return e
}

// mend says what would mend an error of the machine or the library.
func (r *run) mend(f *failure) string {
	switch f.what {
	case whatCall:
		return r.mendCall(f)
	case whatIndex:
		return r.mendIndex(f)
	case whatArith:
		if f.obj.isString() || f.key.isString() && f.obj.isNumber() {
			return "To join strings write .. instead of +; a numeral in a string becomes a number with tonumber(s)."
		}
		return r.missing(f)
	case whatConcat:
		if hint := r.missing(f); hint != "" {
			return hint + " For a value that may be nil write tostring(x), or (x or \"\")."
		}
		return "Only strings and numbers can be joined: use tostring(x), or table.concat for a list."
	case whatCompare:
		if f.obj.isNil() || f.key.isNil() {
			g := *f
			g.obj = value{}
			if hint := r.missing(&g); hint != "" {
				return hint
			}
			return "One side is nil: test it before, or write (x or 0)."
		}
		if f.obj.isString() != f.key.isString() && (f.obj.isNumber() || f.key.isNumber()) {
			return "A number and a string cannot be ordered: use tonumber(s)."
		}
	case whatLength:
		return r.missing(f)
	case whatArgument:
		if f.obj.isNil() {
			return r.missing(f)
		}
	}
	return ""
}

// Names that programs use elsewhere, and what stands for them here.
var modern = map[string]string{
	"load": "A program cannot load code here.", "loadstring": "A program cannot load code here.", "dofile": "A program cannot load files here.",
	"loadfile": "A program cannot load files here.", "require": "There are no modules here: string, table, math, utf8, coroutine and os are there already.",
	"module": "There are no modules here.", "setfenv": "Lua 5.4 has no environments of functions.", "getfenv": "Lua 5.4 has no environments of functions; the table of globals is _G.",
	"io": "A program cannot reach files here. Return what you want to see.", "debug": "There is no debug library here.", "package": "There are no modules here.",
	"os.execute": "A program cannot start others.", "os.exit": "End the program with return.", "os.getenv": "A program cannot read the environment.",
	"os.remove": "A program cannot reach files.", "os.rename": "A program cannot reach files.", "os.tmpname": "A program cannot reach files.", "string.dump": "There is no bytecode here.",
	"table.getn": "The length of a list is #t.", "table.setn": "The length of a list is #t.", "table.maxn": "The length of a list is #t.",
	"table.foreach": "Write for k, v in pairs(t) do … end.", "table.foreachi": "Write for i, v in ipairs(t) do … end.", "table.length": "The length of a list is #t.",
	"table.size": "The length of a list is #t.", "table.len": "The length of a list is #t.", "table.push": "Write table.insert(t, x), or t[#t + 1] = x.", "table.append": "Write table.insert(t, x), or t[#t + 1] = x.",
	"table.add": "Write table.insert(t, x).", "table.contains": "Look through the list: for _, v in ipairs(t) do if v == x then … end end.", "table.keys": "Collect them: for k in pairs(t) do keys[#keys + 1] = k end.",
	"table.map": "Write a loop: for i, v in ipairs(t) do … end.", "table.filter": "Write a loop: for i, v in ipairs(t) do … end.", "table.join": "Write table.concat(t, \", \").", "table.slice": "Write {table.unpack(t, from, to)}.",
	"math.pow": "Write x ^ y.", "math.mod": "Write x % y, or math.fmod.", "math.round": "Write math.floor(x + 0.5).", "math.log10": "Write math.log(x, 10).",
	"math.cosh": "It is (math.exp(x) + math.exp(-x)) / 2.", "math.ldexp": "Write m * 2.0 ^ e.", "math.sum": "Add in a loop.",
	"string.gfind": "It is called string.gmatch.", "string.split": "Write for part in string.gmatch(s, \"[^,]+\") do … end.", "string.trim": "Write s:match(\"^%s*(.-)%s*$\").",
	"string.contains": "Write s:find(x, 1, true).", "string.startswith": "Write s:sub(1, #x) == x.", "string.endswith": "Write s:sub(-#x) == x.", "string.join": "Write table.concat(list, sep).",
	"string.replace": "Write s:gsub(what, with); %, ., -, +, *, ?, [, ^, $, (, ) have a meaning in what and are escaped with %.", "string.length": "The length is #s.", "string.concat": "Strings are joined with ..", "string.substring": "It is called string.sub, and positions begin at 1.", "string.index": "It is called string.find.",
	"len": "The length is #x.", "str": "It is called tostring.", "int": "Write math.floor(tonumber(x)).", "float": "It is called tonumber.", "range": "Write for i = 1, n do … end.",
	"printf": "Write print(string.format(…)).", "println": "It is called print.", "sort": "It is called table.sort.", "insert": "It is called table.insert.", "concat": "It is called table.concat.", "append": "Write table.insert(t, x).",
	"format": "It is called string.format.", "enumerate": "Write for i, v in ipairs(t) do … end.", "sum": "Add in a loop.", "min": "It is called math.min.", "max": "It is called math.max.", "abs": "It is called math.abs.", "floor": "It is called math.floor.",
	"round": "Write math.floor(x + 0.5).", "keys": "Collect them: for k in pairs(t) do keys[#keys + 1] = k end.", "console": "It is called print.", "JSON": "Return a table: it becomes JSON by itself.", "json": "Return a table: it becomes JSON by itself.", "cjson": "Return a table: it becomes JSON by itself.",
	"null": "It is called nil.", "None": "It is called nil.", "undefined": "It is called nil.", "True": "It is called true.", "False": "It is called false.", "bit": "Lua has operators: & | ~ << >>.", "bit32": "Lua has operators: & | ~ << >>.",
}

func (r *run) mendCall(f *failure) string {
	e := f.about
	if e != nil && e.op == eNil && e.a != nil { // for x in list
		if f.obj.isTable() {
			return "A table is walked over with pairs or ipairs: for i, x in ipairs(t) do … end."
		}
		if f.obj.isNil() {
			return "What stands behind in gave nil. A table is walked over with pairs or ipairs: for i, x in ipairs(t) do … end."
		}
		return "What stands behind in must be a call like pairs(t) or ipairs(t); for counting write for i = 1, n do … end."
	}
	if e == nil {
		return ""
	}
	if !f.obj.isNil() {
		if f.obj.isTable() {
			return "A table is no function: an element is read with [ ], t[1]."
		}
		if e.op == eMethod {
			return e.s.s + " is a " + f.obj.typeName() + ", no method: read it with a dot, ." + e.s.s + ", without ()."
		}
		return ""
	}
	switch e.op {
	case eGlobal:
		return r.unknown(e.s.s, "function")
	case eIndex:
		if e.b.op == eString {
			return r.noField(f, e.b.s.s)
		}
	case eMethod:
		if f.in.isString() {
			f.in = r.globals.getStr(r.intern("string"))
		}
		return r.noField(f, e.s.s)
	}
	return r.missing(f)
}

func (r *run) mendIndex(f *failure) string {
	if f.about != nil && f.about.op == eGlobal && f.obj.isNil() {
		return r.unknown(f.about.s.s, "variable")
	}
	if f.obj.isNil() {
		return r.missing(f)
	}
	if f.obj.isFunction() {
		return "It is a function: call it, with (), and index what it gives."
	}
	return ""
}

// unknown is about a global name that nobody has set.
func (r *run) unknown(name, what string) string {
	s := "There is no " + what + " " + name + "."
	if m := modern[name]; m != "" {
		return s + " " + m
	}
	var names []string
	for i := range r.globals.entries {
		if en := &r.globals.entries[i]; en.key.isString() && !en.val.isNil() {
			names = append(names, en.key.str().s)
		}
	}
	near := nearest(name, names)
	if near == "" {
		// A function of a library, without the library's name.
		for _, l := range library.tables {
			if !l.table.getStr(r.intern(name)).isNil() {
				s += " It is called " + l.name + "." + name + "."
				break
			}
		}
	}
	if len(r.names) > 0 {
		s += " Available: " + join(r.names, 60) + "."
	}
	if near != "" {
		s += " Did you mean " + near + "?"
	}
	return s
}

// noField is about a field that was called and is not there.
func (r *run) noField(f *failure, name string) string {
	for _, l := range library.tables {
		if t := r.globals.getStr(r.intern(l.name)); !f.in.isNil() && t == f.in {
			s := l.name + " has no function " + name + "."
			if m := modern[l.name+"."+name]; m != "" {
				return s + " " + m
			}
			names := fieldNames(t.table())
			if near := nearest(name, names); near != "" {
				s += " Did you mean " + l.name + "." + near + "?"
			}
			slices.Sort(names)
			return s + " It has: " + join(names, 40) + "."
		}
	}
	return r.missing(f)
}

// missing is about an expression that gave nil: what is there instead.
func (r *run) missing(f *failure) string {
	e := f.about
	for e != nil && e.op == eParen {
		e = e.a
	}
	if e == nil || !f.obj.isNil() {
		return ""
	}
	switch e.op {
	case eGlobal:
		return r.unknown(e.s.s, "variable")
	case eLocal, eUpvalue:
		return e.sym.name.s + " is nil here: it was not set, or what set it gave nothing."
	case eCall, eMethod:
		return "The call gave nil: test its result before."
	case eIndex:
	default:
		return ""
	}
	of := shorten(r.exprText(e.a), 60)
	if of == "" {
		of = "the table"
	}
	if !f.in.isTable() {
		return ""
	}
	t := f.in.table()
	keys := fieldNames(t)
	n := len(t.arr)
	if e.b.op == eString {
		name := e.b.s.s
		switch {
		case len(keys) > 0:
			s := of + " has no field " + name + "."
			if near := nearest(name, keys); near != "" {
				s += " Did you mean " + near + "?"
			}
			return s + " Its fields: " + join(keys, 30) + "."
		case n > 0:
			return of + " is a list of " + count(n, "element") + " and has no field " + name + ": take an element first, " + of + "[1]." + name + ", or loop over it."
		}
		return of + " is empty: it has no field " + name + "."
	}
	switch {
	case e.b.op == eNumber && e.b.val.isInt() && e.b.val.int() == 0 && n > 0:
		return "Lists begin at 1: the first element is " + of + "[1]."
	case n > 0 && len(keys) == 0:
		return of + " is a list of " + count(n, "element") + ": test #" + of + " before, or loop with ipairs."
	case len(keys) > 0:
		return of + " has no such key. Its fields: " + join(keys, 30) + "."
	}
	return of + " is empty: test #" + of + " before."
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return itoa(int64(n)) + " " + what + "s"
}

// exprText is an expression as the program has it, if that is short and plain.
func (r *run) exprText(e *expr) string {
	switch e.op {
	case eLocal, eUpvalue:
		return e.sym.name.s
	case eGlobal:
		return e.s.s
	case eIndex:
		a := r.exprText(e.a)
		switch {
		case a == "" || len(a) > 60:
			return ""
		case e.b.op == eString:
			return a + "." + e.b.s.s
		case e.b.op == eNumber:
			return a + "[" + formatNumber(e.b.val) + "]"
		}
		if b := r.exprText(e.b); b != "" {
			return a + "[" + b + "]"
		}
	}
	return ""
}

func fieldNames(t *table) []string {
	var names []string
	for i := range t.entries {
		if en := &t.entries[i]; !en.val.isNil() && en.key.isString() && len(names) < 200 {
			names = append(names, en.key.str().s)
		}
	}
	return names
}

// join lists the first names.
func join(names []string, limit int) string {
	if len(names) > limit {
		return strings.Join(names[:limit], ", ") + " and " + itoa(int64(len(names)-limit)) + " more"
	}
	return shorten(strings.Join(names, ", "), 1500)
}

// nearest gives the name that differs least from a misspelt one, "" if none is near.
func nearest(name string, names []string) string {
	best, least := "", max(1, len(name)/3)+1
	if len(name) < 3 {
		return ""
	}
	for _, n := range names {
		if d := distance(name, n, least); d < least && n != name {
			best, least = n, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, replace or swap with a neighbour, up to limit.
func distance(a, b string, limit int) int {
	if len(a) > 64 || len(b) > 64 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	var rows [3][66]int
	for j := 0; j <= len(b); j++ {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur, prev, prev2 := &rows[i%3], &rows[(i-1)%3], &rows[(i+1)%3]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			d := prev[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			d = min(d, prev[j]+1, cur[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, prev2[j-2]+1)
			}
			cur[j] = d
		}
	}
	return rows[len(a)%3][len(b)]
}

// shorten cuts a text to n bytes, at the end of a character.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := n - 3
	for cut > 0 && s[cut]&0xc0 == 0x80 {
		cut--
	}
	return s[:cut] + "..."
}
