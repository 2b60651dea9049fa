package sandbox

import "math"

// function is a line of a library.
type function struct {
	name    string
	fn      func(args) (int, *failure)
	special special
}

// library is what every run begins with. It is made once and never written to: a run copies the tables.
var library *libraryTables

// typeStrings are the names of the types as strings of a program.
var typeStrings [len(typeNames)]*str

// An initializer cannot refer to functions that refer to what it initializes.
func init() {
	library = buildLibrary()
	nextFunction = library.globals.getStr(library.strings["next"])
	for i, n := range typeNames {
		typeStrings[i] = library.strings[n]
	}
}

type libraryTables struct {
	globals *table
	tables  []libraryTable
	self    int // where _G is in globals
	strings map[string]*str
	size    int
}

type libraryTable struct {
	name  string
	table *table
	at    int // in globals
}

func buildLibrary() *libraryTables {
	l := &libraryTables{strings: map[string]*str{}}
	name := func(s string) *str {
		if len(s) == 1 {
			return letters[s[0]]
		}
		if l.strings[s] == nil {
			l.strings[s] = static(s)
		}
		return l.strings[s]
	}
	for _, s := range eventNames {
		l.strings[s.s] = s
	}
	builder := &run{}
	builder.maxUsed, builder.left = math.MaxInt64, math.MaxInt64
	add := func(t *table, key string, v value) int {
		if f := builder.setStr(t, name(key), v); f != nil {
			panic("the library does not fit")
		}
		return t.findStr(name(key))
	}
	id := uint32(0)
	fill := func(t *table, prefix string, fs []function) {
		for _, f := range fs {
			id++
			add(t, f.name, vBuiltin(&builtin{header: header{kind: kindBuiltin, flags: flagStatic}, id: id, name: f.name, full: prefix + f.name, fn: f.fn, special: f.special}))
		}
	}
	l.globals = &table{header: header{kind: kindTable}}
	fill(l.globals, "", baseFunctions)
	add(l.globals, "_VERSION", vStr(name("Lua 5.4")))
	l.self = add(l.globals, "_G", vTrue)
	for _, lib := range []struct {
		name      string
		functions []function
	}{{"string", stringFunctions}, {"table", tableFunctions}, {"math", mathFunctions}, {"utf8", utf8Functions}, {"coroutine", coroutineFunctions}, {"os", osFunctions}} {
		t := &table{header: header{kind: kindTable}}
		fill(t, lib.name+".", lib.functions)
		switch lib.name {
		case "math":
			add(t, "pi", vFloat(math.Pi))
			add(t, "huge", vFloat(math.Inf(1)))
			add(t, "maxinteger", vInt(math.MaxInt64))
			add(t, "mininteger", vInt(math.MinInt64))
		case "utf8":
			add(t, "charpattern", vStr(static("[\x00-\x7F\xC2-\xFD][\x80-\xBF]*")))
		}
		l.tables = append(l.tables, libraryTable{lib.name, t, add(l.globals, lib.name, vTrue)})
		l.size += int(t.size())
	}
	l.size += int(l.globals.size())
	// The metatables' words and types are static as well, so that a program's constants are the same objects.
	for _, s := range typeNames {
		name(s)
	}
	return l
}

var coroutineFunctions = []function{
	{"create", coCreate, plain}, {"resume", coResume, plain}, {"wrap", coWrap, plain}, {"yield", coYield, specialYield},
	{"status", coStatus, plain}, {"running", coRunning, plain}, {"isyieldable", coIsYieldable, plain}, {"close", coClose, plain},
}
