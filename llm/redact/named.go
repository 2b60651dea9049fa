package redact

import (
	"strings"
	"sync"
	"unicode"
)

// What a word in a name says of the value.
var (
	// The value is secret, whatever it is.
	alwaysSecret = words("password passwd passwort passphrase passcode pwd pw pass secret secrets credential credentials pin totp cvv cvc ssn apikey")
	// The value is secret if it is a text; a number is a count or an amount.
	textSecret = words("token tokens jwt cookie cookies authorization bearer csrf xsrf salt sessionid sid privatekey accesskey secretkey signature iban xauth")
	// Two words that say so together.
	pairSecret = map[string]map[string]bool{
		"key":  words("api access private secret encryption encrypt signing sign master auth account storage license shared session webhook admin service ssh host rsa dsa ec ed25519 hmac aes cipher vault deploy app client"),
		"keys": words("api access private secret encryption signing auth"),
		"id":   words("session sess"),
		"base": words("key"),
		"code": words("auth authorization verification security otp"),
		"dsn":  words("sentry"),
	}
	// The name of something about a secret: how many, how old, how long.
	aboutSecret = words("count counts total len length size bytes ms us s sec secs seconds minutes hours age ttl expires expiry expiration at type kind limit max min per used " +
		"errors error failures attempts hits misses bucket buckets rate policy rotation enabled required valid present file path module function fun class endpoint uri url version " +
		"index position rules rule strength pct percent ratio mb kb usage budget window provider format algorithm alg name names")
)

func words(list string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(list) {
		out[w] = true
	}
	return out
}

// secrecy says what a name makes of its value.
type secrecy int

const (
	open secrecy = iota
	secretText
	secretAll
)

// judged remembers what was said of names: the same fields come again every second.
var judged struct {
	mu    sync.RWMutex // guards names
	names map[string]secrecy
}

// Bounds of names.
const (
	longestName = 80
	maxJudged   = 10_000
)

// secrecyOf judges a name by its words: db_password, dbPassword and DB-PASSWORD are the same.
func secrecyOf(name string) secrecy {
	if len(name) > longestName {
		return open
	}
	judged.mu.RLock()
	s, ok := judged.names[name]
	judged.mu.RUnlock()
	if ok {
		return s
	}
	s = judgeName(name)
	judged.mu.Lock()
	defer judged.mu.Unlock()
	if judged.names == nil || len(judged.names) >= maxJudged {
		judged.names = map[string]secrecy{}
	}
	judged.names[strings.Clone(name)] = s
	return s
}

func judgeName(name string) secrecy {
	w := split(name)
	if len(w) == 0 || len(w) > 1 && aboutSecret[w[len(w)-1]] {
		return open
	}
	found := open
	for i, word := range w {
		switch {
		case alwaysSecret[word]:
			return secretAll
		case textSecret[word], i > 0 && pairSecret[word][w[i-1]]:
			found = secretText
		}
	}
	if len(w) == 1 && w[0] == "auth" {
		found = secretText
	}
	return found
}

// split cuts a name into words in lower case.
func split(name string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			continue
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) || i+1 < len(runes) && unicode.IsUpper(runes[i-1]) && unicode.IsLower(runes[i+1])):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return out
}

// nameHints are parts of the words above, one of which is in every name that says secret.
var nameHints = []string{"pass", "pwd", "pw", "secret", "cred", "pin", "otp", "cvv", "cvc", "ssn", "key", "token", "jwt", "cookie", "auth", "bearer", "csrf", "xsrf", "salt", "sess", "sid", "signature",
	"iban", "code", "dsn", "base"}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// named removes the values of names that say secret from a text: password=x, "password": "x", password => x, {password, <<"x">>},
// --password x, PASSWORD: x, "name": "password", "value": "x".
func named(s, lower string) string {
	if !hinted(lower, nameHints) {
		return s
	}
	var b strings.Builder
	last := 0
	for i := 0; i < len(s); {
		if !isName(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && (isName(s[end]) || s[end] == '.' && end+1 < len(s) && isName(s[end+1])) {
			end++
		}
		sec := secrecyOf(s[i:end])
		if sec == open {
			i = end
			continue
		}
		from, to, ok := valueAfter(s, i, end)
		if !ok || strings.HasPrefix(s[from:to], "[redacted:") || sec == secretText && plainWord(s[from:to]) || harmless(s[from:to]) {
			i = end
			continue
		}
		b.WriteString(s[last:from])
		b.WriteString(mark(strings.Join(split(s[i:end]), "-")))
		last, i = to, to
	}
	b.WriteString(s[last:])
	return b.String()
}

// harmless are values that tell nothing.
func harmless(v string) bool {
	switch strings.ToLower(v) {
	case "", "true", "false", "nil", "null", "none", "undefined", "string", "binary", "integer", "required", "missing", "invalid", "expired":
		return true
	}
	return false
}

// plainWord says whether a value is a number, or a word as in "invalid token: expected a key": no token is that.
func plainWord(v string) bool {
	const longestWord = 12
	return plainNumber(v) || len(v) <= longestWord && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz") == ""
}

func plainNumber(v string) bool {
	return v != "" && strings.Trim(v, "0123456789.") == "" && len(v) <= 12
}

// valueAfter finds the value that belongs to the name s[start:end].
func valueAfter(s string, start, end int) (from, to int, ok bool) {
	i := end
	q := quote(s[i:])
	i += len(q)
	if strings.HasPrefix(s[i:], ">>") {
		i += 2
	}
	i = spaces(s, i)
	switch rest := s[min(i, len(s)):]; {
	case strings.HasPrefix(rest, "=>"), strings.HasPrefix(rest, ":="), strings.HasPrefix(rest, "->"):
		i += 2
	case strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "=="), strings.HasPrefix(rest, ":") && !strings.HasPrefix(rest, "::"):
		i++
	case strings.HasPrefix(rest, ","):
		// A pair: the name opens a tuple or a list, or a field "value" follows the field "name".
		if v, isPair := fieldValue(s, i+1); isPair && q != "" {
			i = v
		} else if opens(s, start) {
			i++
		} else {
			return 0, 0, false
		}
	case start >= 2 && s[start-2:start] == "--", start >= 1 && s[start-1] == '-' && i > end, strings.HasPrefix(s[start:end], "--"):
		if i == end {
			return 0, 0, false
		}
	default:
		return 0, 0, false
	}
	return value(s, spaces(s, i), wholeLine(s[start:end]))
}

// wholeLine says whether the value of a header with that name goes to the end of its line.
func wholeLine(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "authorization") || strings.HasSuffix(name, "cookie")
}

func spaces(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// opens says whether what stands before a name opens a tuple, a list or a binary in it.
func opens(s string, start int) bool {
	i := start - 1
	for i >= 0 && strings.IndexByte(`"'<:\`, s[i]) >= 0 {
		i--
	}
	return i >= 0 && (s[i] == '{' || s[i] == '[' || s[i] == '(')
}

// fieldValue finds where the value begins of a field that holds one: "value": …
func fieldValue(s string, i int) (int, bool) {
	i = spaces(s, i)
	q := quote(s[min(i, len(s)):])
	i += len(q)
	for _, name := range []string{"value", "val", "v"} {
		rest, ok := strings.CutPrefix(s[min(i, len(s)):], name+q)
		if !ok {
			continue
		}
		at := spaces(s, len(s)-len(rest))
		if strings.HasPrefix(s[at:], "=>") {
			return at + 2, true
		}
		if strings.HasPrefix(s[at:], ":") {
			return at + 1, true
		}
	}
	return 0, false
}

// value finds the extent of the value that begins at i, without its quotes.
func value(s string, i int, line bool) (from, to int, ok bool) {
	if strings.HasPrefix(s[min(i, len(s)):], "<<") {
		i += 2
	}
	if i >= len(s) {
		return 0, 0, false
	}
	if q := quote(s[i:]); q != "" {
		from = i + len(q)
		for j := from; j < len(s); j++ {
			// A quote that is escaped more deeply belongs to the value.
			if r := quote(s[j:]); r == q {
				return from, j, j > from
			} else if r != "" {
				j += len(r) - 1
			}
		}
		return from, len(s), len(s) > from // cut off in the middle of it
	}
	to = i
	for to < len(s) && !ends(s, to, line) {
		to++
	}
	return i, to, to > i && strings.IndexByte("{[%#", s[i]) < 0
}

// quote gives the quote that a text begins with, and the backslashes before it: a value in JSON in JSON is between \\\" and \\\".
func quote(s string) string {
	i := 0
	for i < len(s) && i < 16 && s[i] == '\\' {
		i++
	}
	if i < len(s) && (s[i] == '"' || s[i] == '\'') {
		return s[:i+1]
	}
	return ""
}

// ends says whether a bare value ends at i: at a space, at a quote, and at punctuation that something else follows.
func ends(s string, i int, line bool) bool {
	switch c := s[i]; c {
	case '\r', '\n', '"', '\'', '<', '>':
		return true
	case '\\':
		return quote(s[i:]) != ""
	case ' ', '\t':
		return !line
	case ',', ';', '&', ')', '}', ']', '|':
		if line {
			return false
		}
		rest := s[i+1:]
		n := 0
		for n < len(rest) && isName(rest[n]) {
			n++
		}
		// The end, another separator, or the next name with its value.
		return n == len(rest) || n == 0 && strings.IndexByte(" \t\r\n\"',;&)}]|<>{[(:", rest[0]) >= 0 || n > 0 && (rest[n] == '=' || rest[n] == ':')
	}
	return false
}
