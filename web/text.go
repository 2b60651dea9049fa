package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// visible replaces what hides text or turns it around: control characters, marks of direction, and what is no UTF-8. It is run over every
// page as a whole, so that nothing is forgotten.
func visible(page []byte) []byte {
	clean := true
	for i := 0; i < len(page); {
		r, n := utf8.DecodeRune(page[i:])
		if hides(r, n) {
			clean = false
			break
		}
		i += n
	}
	if clean {
		return page
	}
	out := make([]byte, 0, len(page)+64)
	for len(page) > 0 {
		r, n := utf8.DecodeRune(page)
		if hides(r, n) {
			out = append(out, "·"...)
		} else {
			out = append(out, page[:n]...)
		}
		page = page[n:]
	}
	return out
}

func hides(r rune, n int) bool {
	switch {
	case r == utf8.RuneError && n <= 1:
		return true
	case r == '\n' || r == '\t' || r == '\r':
		return false
	case r < ' ', r >= 0x7f && r < 0xa0:
		return true
	case r == 0x61c, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff, r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

// cut shortens a text to n characters.
func cut(n int, s string) string {
	if len(s) <= n {
		return s
	}
	count := 0
	for i := range s {
		if count == n-1 {
			return s[:i] + "…"
		}
		count++
	}
	return s
}

// words turns a name as "mailbox_flood" into words.
func words(s string) string { return strings.ReplaceAll(s, "_", " ") }

// num writes a number as people read it: 23,948, 61.2, 0.004.
func num(x float64) string {
	a := math.Abs(x)
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "–"
	case a >= 1e15:
		return strconv.FormatFloat(x, 'g', 4, 64)
	case a >= 100 || x == math.Trunc(x):
		return group(strconv.FormatFloat(math.Round(x), 'f', 0, 64))
	case a >= 1:
		return trim(strconv.FormatFloat(x, 'f', 1, 64))
	}
	return strconv.FormatFloat(x, 'g', 2, 64)
}

func trim(s string) string { return strings.TrimSuffix(s, ".0") }

func group(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// with writes a number with its unit.
func with(x float64, unit string) string {
	switch unit {
	case "":
		return num(x)
	case "%":
		return num(x) + " %"
	}
	return num(x) + " " + cut(maxUnit, unit)
}

// maxUnit is the longest name of a unit.
const maxUnit = 24

// span writes a duration as people say it: 12 s, 3 min 5 s, 2 h 4 min, 3 d.
func span(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return trim(strconv.FormatFloat(d.Seconds(), 'f', 1, 64)) + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 10*time.Minute:
		if s := int(d.Seconds()) % 60; s != 0 {
			return fmt.Sprintf("%d min %d s", int(d.Minutes()), s)
		}
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}
