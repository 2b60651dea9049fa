package sandbox

import "strings"

// nearText names the present word in an error, with what belongs to it where it is no word of Lua.
func (p *parser) nearText() string {
	if p.cur.tok == tEOF {
		return "<eof>"
	}
	rest := p.src[p.cur.start:]
	for _, s := range []string{"!=", "+=", "-=", "*=", "/=", "..=", "++", "&&", "||", "=>", "=="} {
		if strings.HasPrefix(rest, s) && s != "==" {
			return "'" + s + "'"
		}
	}
	return p.text(p.cur)
}

// slip knows the ways of other languages, and says how Lua has it.
func (p *parser) slip() string {
	if p.cur.tok == tEOF {
		return ""
	}
	rest := p.src[p.cur.start:]
	before := p.src[:p.cur.start]
	has := func(s string) bool { return strings.HasPrefix(rest, s) }
	switch {
	case has("!="):
		return "Not equal is written ~= in Lua."
	case has("!"):
		return "Not is written not in Lua: if not x then … end."
	case has("&&") || has("&") && strings.HasSuffix(before, "&"):
		return "And is written and in Lua."
	case has("||") || has("|") && strings.HasSuffix(before, "|"):
		return "Or is written or in Lua."
	case has("+=") || has("-=") || has("*=") || has("/=") || has("..="):
		op := rest[:strings.IndexByte(rest, '=')]
		return "Lua has no " + op + "=: write x = x " + op + " y."
	case has("++"):
		return "Lua has no ++: write x = x + 1."
	case has("=>"):
		return "A function is written function(x) return x end; a key of a table {key = value}."
	case has("//"), has("/*"):
		return "A comment begins with -- in Lua."
	case has("#") && p.cur.tok == tLen && strings.TrimSpace(before[strings.LastIndexByte(before, '\n')+1:]) == "":
		return "A comment begins with -- in Lua."
	case has("?"):
		return "Lua has no ?: write cond and a or b."
	case has("["):
		return "A list is written {1, 2, 3} in Lua."
	case p.cur.tok == tAssign && strings.HasSuffix(strings.TrimRight(before, " "), "="):
		return "Equal is written ==, and only between two values."
	case p.cur.tok == tAssign && condition(lastLine(before)):
		return "To compare write ==; a single = assigns."
	case has("{") && condition(lastLine(before)):
		return "Blocks are written then … end and do … end in Lua, without braces."
	case has("{"), has("}"):
		return "Blocks end with end in Lua; braces are only for tables."
	case p.cur.tok == tThen || p.cur.tok == tDo || p.cur.tok == tEnd || p.cur.tok == tElse || p.cur.tok == tElseif:
		return "A value or a statement is missing before this word."
	case condition(lastLine(before)) && p.cur.line > p.lastLine:
		return "The line before has no then (after if) or do (after while and for)."
	}
	return ""
}

// strayHint is for an expression that stands alone as a statement.
func (p *parser) strayHint(e *expr) string {
	name := ""
	switch e.op {
	case eGlobal:
		name = e.s.s
	case eLocal, eUpvalue:
		name = e.sym.name.s
	}
	switch name {
	case "continue":
		return "Lua has no continue: write goto continue, and ::continue:: at the end of the loop's body."
	case "var", "let", "const", "int", "float", "auto":
		return "A variable is declared with local: local x = 1."
	case "def", "func", "fn", "fun":
		return "A function is declared with local function name(x) … end."
	case "elif", "elsif":
		return "It is written elseif."
	case "try", "catch", "except":
		return "An error is caught with local ok, result = pcall(f, x)."
	case "switch", "case":
		return "Lua has no switch: write if … elseif … else … end, or a table of functions."
	case "import", "from":
		return "There are no modules here: string, table, math, utf8, coroutine and os are there already."
	case "pass":
		return "An empty block needs no word in Lua."
	case "foreach":
		return "Write for i, x in ipairs(t) do … end."
	case "null", "None":
		return "It is called nil."
	}
	if h := p.slip(); h != "" {
		return h
	}
	if e.op == eIndex || name != "" {
		return "A value alone is no statement: call it, f(), or assign it, x = value, or return it."
	}
	return ""
}

// condition tells whether a line begins as one of if, elseif, while, for.
func condition(line string) bool {
	line = strings.TrimSpace(line)
	for _, w := range []string{"if ", "elseif ", "while ", "for ", "if(", "while(", "for("} {
		if strings.HasPrefix(line, w) {
			return true
		}
	}
	return false
}

// lastLine is the last line of a text that has something on it.
func lastLine(s string) string {
	s = strings.TrimRight(s, " \t\r\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}
