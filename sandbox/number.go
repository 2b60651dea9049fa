package sandbox

import (
	"math"
	"strconv"
	"strings"
)

// intEqualsFloat compares exactly, also where i has no float of its own.
func intEqualsFloat(i int64, f float64) bool {
	n, ok := floatToInt(f)
	return ok && n == i
}

// floatToInt gives the integer that f is, if it is one (Lua 5.4 manual, 3.4.3).
func floatToInt(f float64) (int64, bool) {
	if f >= -0x1p63 && f < 0x1p63 {
		if i := int64(f); float64(i) == f {
			return i, true
		}
	}
	return 0, false
}

// toInt is the conversion of an operand to an integer: floats that are whole, strings that are such numbers.
func (v value) toInt() (int64, bool) {
	switch v.kind() {
	case kindInt:
		return v.int(), true
	case kindFloat:
		return floatToInt(v.float())
	case kindString:
		if n := parseNumber(v.str().s); !n.isNil() {
			return n.toInt()
		}
	}
	return 0, false
}

// toNumber is the conversion of an operand to a number.
func (v value) toNumber() (value, bool) {
	switch v.kind() {
	case kindInt, kindFloat:
		return v, true
	case kindString:
		n := parseNumber(v.str().s)
		return n, !n.isNil()
	}
	return value{}, false
}

// toFloat is the float of a number.
func (v value) asFloat() float64 {
	if v.isInt() {
		return float64(v.int())
	}
	return v.float()
}

func intLessFloat(i int64, f float64) bool {
	if -1<<53 <= i && i <= 1<<53 {
		return float64(i) < f
	}
	switch {
	case f != f:
		return false
	case f >= 0x1p63:
		return true
	case f <= -0x1p63:
		return false
	}
	return i < int64(math.Ceil(f))
}

func intLessEqualFloat(i int64, f float64) bool {
	if -1<<53 <= i && i <= 1<<53 {
		return float64(i) <= f
	}
	switch {
	case f != f:
		return false
	case f >= 0x1p63:
		return true
	case f < -0x1p63:
		return false
	}
	return i <= int64(math.Floor(f))
}

func floatLessInt(f float64, i int64) bool {
	return f == f && !intLessEqualFloat(i, f)
}

func floatLessEqualInt(f float64, i int64) bool {
	return f == f && !intLessFloat(i, f)
}

// numberLess and numberLessEqual compare numbers of both kinds exactly.
func numberLess(a, b value) bool {
	switch {
	case a.isInt() && b.isInt():
		return a.int() < b.int()
	case a.isInt():
		return intLessFloat(a.int(), b.float())
	case b.isInt():
		return floatLessInt(a.float(), b.int())
	}
	return a.float() < b.float()
}

func numberLessEqual(a, b value) bool {
	switch {
	case a.isInt() && b.isInt():
		return a.int() <= b.int()
	case a.isInt():
		return intLessEqualFloat(a.int(), b.float())
	case b.isInt():
		return floatLessEqualInt(a.float(), b.int())
	}
	return a.float() <= b.float()
}

// floorDiv and floorMod round to minus infinity; b is not 0.
func floorDiv(a, b int64) int64 {
	if b == -1 {
		return -a // wraps for the least integer, where Go's division would not
	}
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 {
	if b == -1 {
		return 0
	}
	m := a % b
	if m != 0 && (m < 0) != (b < 0) {
		m += b
	}
	return m
}

// cMod is C's fmod, which gives the NaN that the processor gives.
func cMod(a, b float64) float64 {
	if m := math.Mod(a, b); m == m || a != a || b != b {
		return m
	}
	zero := 0.0
	return zero / zero
}

func floatMod(a, b float64) float64 {
	m := cMod(a, b)
	if m != 0 && (m < 0) != (b < 0) {
		m += b
	}
	return m
}

func pow(a, b float64) float64 {
	if b == 2 {
		return a * a
	}
	return math.Pow(a, b)
}

func shiftLeft(a, n int64) int64 {
	switch {
	case n <= -64 || n >= 64:
		return 0
	case n >= 0:
		return int64(uint64(a) << uint(n))
	}
	return int64(uint64(a) >> uint(-n))
}

// formatFloat is C's "%.14g", and tells a float from an integer by ".0".
func formatFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f != f:
		if math.Signbit(f) {
			return "-nan"
		}
		return "nan"
	}
	var space [32]byte
	b := strconv.AppendFloat(space[:0], f, 'g', 14, 64)
	for _, c := range b {
		if c != '-' && (c < '0' || c > '9') {
			return string(b)
		}
	}
	return string(append(b, ".0"...))
}

func formatNumber(v value) string {
	if v.isInt() {
		return itoa(v.int())
	}
	return formatFloat(v.float())
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func hexValue(c byte) uint64 {
	if isDigit(c) {
		return uint64(c - '0')
	}
	return uint64(c|0x20-'a') + 10
}

// maxNumeral is how long a numeral may be: reading one takes more than a few nanoseconds a byte, and none that anybody means is so long.
const maxNumeral = 4096

// parseNumber reads a numeral as the lexer and tonumber do, with space around; nil if it is none (Lua 5.4 manual, 3.1).
// Long ones must be charged by the caller.
func parseNumber(s string) value {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	if len(s) > maxNumeral {
		return value{}
	}
	body, negative := s, false
	if len(body) > 0 && (body[0] == '-' || body[0] == '+') {
		negative = body[0] == '-'
		body = body[1:]
	}
	if len(body) == 0 {
		return value{}
	}
	if len(body) > 1 && body[0] == '0' && body[1]|0x20 == 'x' {
		return parseHex(body[2:], negative)
	}
	var n uint64
	whole, i := true, 0
	for ; i < len(body) && isDigit(body[i]); i++ {
		d := uint64(body[i] - '0')
		if n > (1<<63-1)/10 || n*10+d > 1<<63-1 && !(negative && n*10+d == 1<<63) {
			whole = false
		}
		n = n*10 + d
	}
	if i == len(body) && whole {
		if negative {
			return vInt(-int64(n))
		}
		return vInt(int64(n))
	}
	// A float: digits [. digits] [e [+-] digits], nothing else that Go's parser would take.
	digits := i
	if i < len(body) && body[i] == '.' {
		for i++; i < len(body) && isDigit(body[i]); i++ {
			digits++
		}
	}
	if digits == 0 {
		return value{}
	}
	if i < len(body) && body[i]|0x20 == 'e' {
		if i++; i < len(body) && (body[i] == '-' || body[i] == '+') {
			i++
		}
		if i == len(body) {
			return value{}
		}
		for ; i < len(body) && isDigit(body[i]); i++ {
		}
	}
	if i < len(body) {
		return value{}
	}
	f, err := strconv.ParseFloat(body, 64)
	if err != nil && f == 0 {
		return value{}
	}
	if negative {
		f = -f
	}
	return vFloat(f)
}

func parseHex(s string, negative bool) value {
	i, digits, point, exponent := 0, 0, false, false
	var n uint64
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case isHex(c):
			digits++
			if !point {
				n = n<<4 | hexValue(c)
			}
			continue
		case c == '.' && !point:
			point = true
			continue
		case c|0x20 == 'p' && digits > 0:
			exponent = true
			if i++; i < len(s) && (s[i] == '-' || s[i] == '+') {
				i++
			}
			if i == len(s) {
				return value{}
			}
			for ; i < len(s) && isDigit(s[i]); i++ {
			}
			if i < len(s) {
				return value{}
			}
		default:
			return value{}
		}
	}
	if digits == 0 {
		return value{}
	}
	if !point && !exponent {
		if negative {
			n = -n
		}
		return vInt(int64(n)) // wraps around
	}
	if !exponent {
		s += "p0"
	}
	f, err := strconv.ParseFloat("0x"+s, 64)
	if err != nil && f == 0 && !strings.Contains(err.Error(), "range") {
		return value{}
	}
	if negative {
		f = -f
	}
	return vFloat(f)
}
