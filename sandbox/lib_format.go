package sandbox

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// strFormat is string.format. Width and precision have two digits at most, so that a directive cannot ask for much.
func strFormat(a args) (int, *failure) {
	format, f := a.str(0)
	if f != nil {
		return 0, f
	}
	w := builder{r: a.th.r}
	rest, arg := format.s, 0
	for {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			if f := w.add(rest); f != nil {
				return 0, f
			}
			return a.retStr(w.str())
		}
		if f := w.add(rest[:i]); f != nil {
			return 0, f
		}
		rest = rest[i+1:]
		if strings.HasPrefix(rest, "%") {
			if f := w.addByte('%'); f != nil {
				return 0, f
			}
			rest = rest[1:]
			continue
		}
		n := 0
		for n < len(rest) && strings.IndexByte("-+ #0123456789.", rest[n]) >= 0 {
			n++
		}
		if n >= 22 {
			return 0, a.th.errorf("invalid format (too long)")
		}
		spec := rest[:n]
		if n == len(rest) {
			return 0, a.badFormat(spec)
		}
		conv := rest[n]
		rest = rest[n+1:]
		if arg++; arg >= a.n && strings.IndexByte("cdiouxXaAfeEgGpqs", conv) >= 0 && conv != 'u' {
			return 0, a.fail(arg, "no value")
		}
		if f := a.directive(&w, spec, conv, arg); f != nil {
			return 0, f
		}
	}
}

func (a args) badFormat(spec string) *failure {
	return a.th.errorf("invalid conversion '%%%s' to 'format'", spec)
}

// valid checks flags, width and precision of a directive.
func valid(spec, flags string, precision bool) bool {
	spec = strings.TrimLeft(spec, flags)
	if strings.HasPrefix(spec, "0") {
		return false
	}
	digits := func() {
		for range 2 {
			if spec != "" && isDigit(spec[0]) {
				spec = spec[1:]
			}
		}
	}
	digits()
	if precision && strings.HasPrefix(spec, ".") {
		spec = spec[1:]
		digits()
	}
	return spec == ""
}

func (a args) directive(w *builder, spec string, conv byte, arg int) *failure {
	if f := w.room(512); f != nil {
		return f
	}
	bad := func() *failure { return a.badFormat(spec + string(conv)) }
	switch conv {
	case 'c':
		if !valid(spec, "-", false) {
			return bad()
		}
		c, f := a.int(arg)
		if f != nil {
			return f
		}
		w.b = append(w.b, pad(spec, string([]byte{byte(c)}))...)
	case 'd', 'i':
		if !valid(spec, "-+0 ", true) {
			return bad()
		}
		n, f := a.decimal(arg)
		if f != nil {
			return f
		}
		if spec == "" {
			w.b = strconv.AppendInt(w.b, n, 10)
			return nil
		}
		w.b = append(w.b, fmt.Sprintf("%"+zeroless(spec)+"d", n)...)
	case 'x', 'X', 'o':
		if !valid(spec, "-#0", true) {
			return bad()
		}
		n, f := a.int(arg)
		if f != nil {
			return f
		}
		if n == 0 {
			spec = strings.ReplaceAll(spec, "#", "")
		}
		w.b = append(w.b, fmt.Sprintf("%"+zeroless(spec)+string(conv), uint64(n))...)
	case 'a', 'A', 'f', 'e', 'E', 'g', 'G':
		if !valid(spec, "-+#0 ", true) {
			return bad()
		}
		x, f := a.float(arg)
		if f != nil {
			return f
		}
		w.b = append(w.b, formatDirective(spec, conv, x)...)
	case 'p':
		if !valid(spec, "-", false) {
			return bad()
		}
		text := "(null)"
		if id := a.th.r.identify(a.get(arg)); id != 0 {
			text = "0x" + hex8(id)
		}
		w.b = append(w.b, pad(spec, text)...)
	case 'q':
		if spec != "" {
			return a.th.errorf("specifier '%%q' cannot have modifiers")
		}
		return a.quote(w, a.get(arg), arg)
	case 's':
		if !valid(spec, "-", true) {
			return bad()
		}
		s, f := a.th.tostring(a.get(arg))
		if f != nil {
			return f
		}
		if spec == "" {
			return w.add(s.s)
		}
		text := s.s
		if strings.IndexByte(text[:min(len(text), 4096)], 0) >= 0 {
			return a.fail(arg, "string contains zeros")
		}
		width, prec, cut := strings.Cut(spec, ".")
		if cut {
			n, _ := strconv.Atoi("0" + prec)
			text = text[:min(len(text), n)]
		}
		if len(text) >= 100 {
			return w.add(text)
		}
		w.b = append(w.b, pad(width, text)...)
	default:
		return bad()
	}
	return nil
}

// decimal is the number of a %d. Lua 5.4 refuses a fraction, Lua 5.1 cut it off; programs that models write count on the latter.
func (a args) decimal(i int) (int64, *failure) {
	if v := a.get(i); v.isFloat() {
		if n, ok := floatToInt(math.Trunc(v.float())); ok {
			return n, nil
		}
	}
	return a.int(i)
}

// zeroless drops the flag 0 where C ignores it: beside - or a precision.
func zeroless(spec string) string {
	if strings.Contains(spec, "-") || strings.Contains(spec, ".") {
		i := 0
		for i < len(spec) && strings.IndexByte("-+ #0", spec[i]) >= 0 {
			i++
		}
		return strings.ReplaceAll(spec[:i], "0", "") + spec[i:]
	}
	return spec
}

// pad brings text to the width of a directive.
func pad(spec, text string) string {
	left := strings.HasPrefix(spec, "-")
	width, _ := strconv.Atoi(strings.TrimLeft(spec, "-+ #0"))
	if n := width - len(text); n > 0 {
		if left {
			return text + strings.Repeat(" ", n)
		}
		return strings.Repeat(" ", n) + text
	}
	return text
}

// formatDirective is C's printf of a float.
func formatDirective(spec string, conv byte, x float64) string {
	if math.IsInf(x, 0) || x != x {
		text := formatFloat(x)
		if !strings.HasPrefix(text, "-") {
			if strings.Contains(spec, "+") {
				text = "+" + text
			} else if strings.Contains(spec, " ") {
				text = " " + text
			}
		}
		if conv < 'a' {
			text = strings.ToUpper(text)
		}
		width, _, _ := strings.Cut(spec, ".")
		if strings.Contains(spec, "-") {
			return pad("-"+strings.TrimLeft(width, "-+ #0"), text)
		}
		return pad(strings.TrimLeft(width, "-+ #0"), text)
	}
	if conv == 'a' || conv == 'A' {
		return hexFloat(spec, conv, x)
	}
	if (conv == 'g' || conv == 'G') && !strings.Contains(spec, ".") {
		spec += ".6"
	}
	if strings.Contains(spec, "-") { // Go would pad with zeros to the right
		i := 0
		for i < len(spec) && strings.IndexByte("-+ #0", spec[i]) >= 0 {
			i++
		}
		spec = strings.ReplaceAll(spec[:i], "0", "") + spec[i:]
	}
	if strings.HasSuffix(spec, ".") {
		spec += "0"
	}
	if (conv == 'g' || conv == 'G') && strings.HasSuffix(spec, ".0") {
		spec = spec[:len(spec)-1] + "1"
	}
	return fmt.Sprintf("%"+spec+string(conv), x)
}

// hexFloat is %a.
func hexFloat(spec string, conv byte, x float64) string {
	flags := spec[:len(spec)-len(strings.TrimLeft(spec, "-+ #0"))]
	width, prec, cut := strings.Cut(spec[len(flags):], ".")
	p := -1
	if cut {
		p, _ = strconv.Atoi("0" + prec)
	}
	text := strconv.FormatFloat(x, 'x', p, 64)
	if i := strings.IndexByte(text, 'p'); i >= 0 && len(text) == i+4 && text[i+2] == '0' {
		text = text[:i+2] + text[i+3:] // C has no leading zero in the exponent
	}
	if !strings.HasPrefix(text, "-") {
		if strings.Contains(flags, "+") {
			text = "+" + text
		} else if strings.Contains(flags, " ") {
			text = " " + text
		}
	}
	if conv == 'A' {
		text = strings.ToUpper(text)
	}
	if strings.Contains(flags, "-") {
		return pad("-"+width, text)
	}
	if n, _ := strconv.Atoi(width); strings.Contains(flags, "0") && n > len(text) {
		i := strings.IndexAny(text, "xX") + 1
		return text[:i] + strings.Repeat("0", n-len(text)) + text[i:]
	}
	return pad(width, text)
}

// quote writes a value so that Lua can read it.
func (a args) quote(w *builder, v value, arg int) *failure {
	switch v.kind() {
	case kindString:
	case kindInt:
		if v.int() == math.MinInt64 {
			return w.add("0x8000000000000000")
		}
		return w.add(itoa(v.int()))
	case kindFloat:
		switch x := v.float(); {
		case math.IsInf(x, 1):
			return w.add("1e9999")
		case math.IsInf(x, -1):
			return w.add("-1e9999")
		case x != x:
			return w.add("(0/0)")
		case x == math.Trunc(x) && math.Abs(x) < 1e15:
			if _, ok := floatToInt(x); ok {
				return w.add(hexFloat("", 'a', x))
			}
			return w.add(hexFloat("", 'a', x))
		default:
			return w.add(hexFloat("", 'a', x))
		}
	case kindNil, kindTrue, kindFalse:
		s, f := a.th.tostring(v)
		if f != nil {
			return f
		}
		return w.add(s.s)
	default:
		return a.fail(arg, "value has no literal form")
	}
	s := v.str().s
	if f := w.addByte('"'); f != nil {
		return f
	}
	for i := 0; i < len(s); i++ {
		if f := w.room(5); f != nil {
			return f
		}
		if i&15 == 0 {
			if f := a.th.r.charge(8); f != nil {
				return f
			}
		}
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\n':
			w.b = append(w.b, '\\', c)
		case c < 32 || c == 127:
			if i+1 < len(s) && isDigit(s[i+1]) {
				w.b = append(w.b, fmt.Sprintf("\\%03d", c)...)
			} else {
				w.b = append(w.b, fmt.Sprintf("\\%d", c)...)
			}
		default:
			w.b = append(w.b, c)
		}
	}
	return w.addByte('"')
}
