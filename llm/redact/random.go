package redact

import (
	"math"
	"regexp"
	"strings"
)

// uuid is what looks like chance and tells nothing.
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// The bounds of what looks like chance.
const (
	minRandom    = 20
	minRandomHex = 32
)

// random removes what looks like nothing but chance: keys that no rule knows.
func random(s string) string {
	if len(s) < minRandom {
		return s
	}
	var b strings.Builder
	last := 0
	for i := 0; i < len(s); {
		if !isToken(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && isToken(s[end]) {
			end++
		}
		if looksRandom(s[i:end]) {
			b.WriteString(s[last:i])
			b.WriteString(mark("random"))
			last = end
		}
		i = end
	}
	b.WriteString(s[last:])
	return b.String()
}

func isToken(c byte) bool { return isName(c) || c == '+' || c == '/' || c == '=' }

// looksRandom judges a token by its kinds of characters, how often they change, and its entropy. Words, names and paths change seldom
// between letters and digits.
func looksRandom(t string) bool {
	t = strings.Trim(t, "=-_/+")
	if len(t) < minRandom || uuid.MatchString(t) {
		return false
	}
	var upper, lower, digits, changes, other int
	hex := true
	for i := 0; i < len(t); i++ {
		c := t[i]
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z':
			lower++
			hex = hex && c <= 'f'
		case c >= 'A' && c <= 'Z':
			upper++
			hex = hex && c <= 'F'
		default:
			other++
			hex = false
		}
		if i > 0 && digit(c) != digit(t[i-1]) {
			changes++
		}
	}
	switch {
	case hex && (upper == 0 || lower == 0):
		return len(t) >= minRandomHex && digits >= 4 && changes >= 8
	case digits == 0:
		// Letters alone: both cases, changing as words do not.
		return other*8 <= len(t) && upper >= 6 && lower >= 6 && caseChanges(t)*5 >= len(t)*2 && entropy(t) >= 4
	case upper >= 2 && lower >= 2:
		return digits >= 2 && changes >= 4 && other*6 <= len(t) && entropy(t) >= 3.6 && caseChanges(t)*4 >= upper+lower
	case upper == 0 || lower == 0:
		return len(t) >= 24 && digits >= 4 && changes >= 7 && other*8 <= len(t) && entropy(t) >= 3.5
	}
	return false
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func caseChanges(t string) int {
	n := 0
	var before byte
	for i := 0; i < len(t); i++ {
		c := t[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			continue
		}
		if before != 0 && c&0x20 != before&0x20 {
			n++
		}
		before = c
	}
	return n
}

// entropy is Shannon's, in bits for each character.
func entropy(t string) float64 {
	var n [256]int
	for i := 0; i < len(t); i++ {
		n[t[i]]++
	}
	sum := 0.0
	for _, k := range n {
		if k > 0 {
			p := float64(k) / float64(len(t))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}
