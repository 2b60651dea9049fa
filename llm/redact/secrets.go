package redact

import (
	"math/big"
	"regexp"
	"strings"
)

// rule is a shape of secrets.
type rule struct {
	kind  string
	hints []string // one of them is in every text that matches, in lower case: it spares most texts the expression
	re    *regexp.Regexp
	group int // what is replaced; 0: the whole match
	check func(string) bool
}

func mark(kind string) string { return "[redacted:" + kind + "]" }

func shape(kind, hints, expr string) rule {
	return rule{kind: kind, hints: strings.Fields(hints), re: regexp.MustCompile(expr)}
}

func part(kind, hints, expr string) rule {
	r := shape(kind, hints, expr)
	r.group = 1
	return r
}

func checked(r rule, check func(string) bool) rule {
	r.check = check
	return r
}

// rules are tried in this order: what spans lines first, then what is exact, then what is vague.
var rules = []rule{
	shape("private-key", "-----begin", `-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)`),
	shape("age-key", "age-secret-key", `AGE-SECRET-KEY-1[0-9A-Z]{20,}`),
	shape("jwt", "eyj", `\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,3}`),
	part("url-password", "://", `[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@"'<>]*?:([^\s/?#"'<>]+)@`),
	shape("webhook", "hooks. webhook", `https://(?:hooks\.slack\.com/(?:services|workflows|triggers)|[a-z.]*discord(?:app)?\.com/api/webhooks|[a-z0-9-]+\.webhook\.office\.com/[a-z0-9]+)/[^\s"'<>]+`),
	shape("aws-key-id", "akia asia abia acca aida aroa", `\b(?:AKIA|ASIA|ABIA|ACCA|AIDA|AROA)[A-Z2-7]{16}\b`),
	shape("google-key", "aiza ya29. gocspx", `\bAIza[0-9A-Za-z_-]{30,}|\bya29\.[0-9A-Za-z_-]{20,}|\bGOCSPX-[0-9A-Za-z_-]{20,}`),
	shape("github-token", "gh github_pat", `\bgh[oprsu]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}`),
	shape("gitlab-token", "gl", `\bgl(?:pat|ptt|dt|rt|cbt|ft|soat|agent)-[A-Za-z0-9_.-]{16,}`),
	shape("slack-token", "xox xapp", `\bxox[abceoprs]-[A-Za-z0-9-]{10,}|\bxapp-[0-9]-[A-Za-z0-9-]{10,}`),
	shape("stripe-key", "_live_ _test_ whsec_", `\b[rsp]k_(?:live|test)_[0-9A-Za-z]{10,}|\bwhsec_[0-9A-Za-z+/=]{16,}`),
	shape("api-key", "sk-", `\bsk-[A-Za-z0-9_-]{16,}`),
	shape("service-token", "npm_ pypi- sg. hf_ dop_ doo_ dapi shp dckr_ lin_api_ hv nrak- pat key- r8_ gsk_ tvly- figd_ ntn_ rubygems_ glsa_ eaaa sbp_ phc_ phx_",
		`\b(?:npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|do[opr]_v1_[a-f0-9]{32,}|dapi[a-f0-9]{32}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|dckr_pat_[A-Za-z0-9_-]{20,}|lin_api_[A-Za-z0-9]{20,}|hv[bs]\.[A-Za-z0-9_-]{20,}|NRAK-[A-Z0-9]{20,}|key-[a-f0-9]{32}|r8_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{20,}|tvly-[A-Za-z0-9-]{16,}|figd_[A-Za-z0-9_-]{20,}|ntn_[A-Za-z0-9]{30,}|rubygems_[a-f0-9]{40,}|glsa_[A-Za-z0-9_]{30,}|EAAA[A-Za-z0-9_-]{50,}|sbp_[a-f0-9]{40}|ph[cx]_[A-Za-z0-9]{30,})`),
	shape("bot-token", ":aa", `\b[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}`),
	shape("twilio-key", "sk ac", `\b(?:SK|AC)[0-9a-f]{32}\b`),
	shape("password-hash", "$ {", `\{(?:SSHA|SHA|SMD5|MD5|CRYPT)[0-9]*\}[A-Za-z0-9./+=$]{8,}|\$(?:2[abxy]|argon2(?:id|i|d)|pbkdf2[a-z0-9-]*|scrypt|[156y])\$[A-Za-z0-9./+=,$-]{15,}`),
	part("authorization", "bearer basic digest negotiate", `(?i)\b(?:bearer|basic|digest|negotiate)\s+([A-Za-z0-9+/_.~=-]{8,})`),
	part("cookie", "cookie", `(?i)\b(?:set-)?cookie2?["']?\s*(?:[:=]|=>|,)\s*["']?([A-Za-z0-9_.-]+=[^\r\n"']+)`),
	part("erlang-cookie", "setcookie", `(?i)-setcookie[=\s]+["']?([^\s"']+)`),
	part("signature", "sig= signature= x-amz x-goog awsaccesskeyid", `(?i)(?:[?&;]|\\u0026)(?:sig|signature|x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|x-goog-credential|awsaccesskeyid)=([^&\s"'<>]+)`),
	checked(shape("card", "3 4 5 6", `\b(?:\d{4}[ -]?){3}\d{1,7}\b|\b3[47]\d{2}[ -]?\d{6}[ -]?\d{5}\b`), luhn),
	checked(shape("iban", "0 1 2 3 4 5 6 7 8 9", `\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b`), iban),
	checked(shape("ssn", "-", `\b\d{3}-\d{2}-\d{4}\b`), func(s string) bool {
		return !strings.HasPrefix(s, "000") && !strings.HasPrefix(s, "666") && s[0] != '9' && s[4:6] != "00" && s[7:] != "0000"
	}),
}

// luhn checks the digit at the end of a card's number. A number that stands among more digits is none.
func luhn(s string) bool {
	sum, n := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		d := int(s[i] - '0')
		if n%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		n++
	}
	return n >= 13 && n <= 19 && sum%10 == 0 && strings.Trim(s, "0 -") != ""
}

// iban checks the two digits after the country of an account's number (ISO 13616).
func iban(s string) bool {
	s = strings.ReplaceAll(s, " ", "")
	if len(s) < 15 || len(s) > 34 {
		return false
	}
	var digits strings.Builder
	for _, c := range s[4:] + s[:4] {
		if c >= 'A' {
			digits.WriteString(big.NewInt(int64(c - 'A' + 10)).String())
		} else {
			digits.WriteRune(c)
		}
	}
	n, ok := new(big.Int).SetString(digits.String(), 10)
	return ok && new(big.Int).Mod(n, big.NewInt(97)).Int64() == 1
}

// minSecret is the length below which a text holds nothing that could be told to be secret.
const minSecret = 6

// Text removes secrets from a text. What it has removed once it leaves as it is.
func Text(s string) string { return Options{}.Text(s) }

// secrets removes secrets; those that only look like chance if chance is set.
func secrets(s string, chance bool) string {
	if len(s) < minSecret || isPlain(s) {
		return s
	}
	lower := strings.ToLower(s)
	for _, r := range rules {
		if !hinted(lower, r.hints) {
			continue
		}
		if t := r.apply(s); t != s {
			s, lower = t, strings.ToLower(t)
		}
	}
	s = named(s, lower)
	if chance {
		s = random(s)
	}
	return s
}

// isPlain says whether a text is the name of a field, a function or a module in small letters: no secret is.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func hinted(lower string, hints []string) bool {
	for _, h := range hints {
		if strings.Contains(lower, h) {
			return true
		}
	}
	return false
}

func (r rule) apply(s string) string {
	found := r.re.FindAllStringSubmatchIndex(s, -1)
	if found == nil {
		return s
	}
	var b strings.Builder
	last := 0
	for _, m := range found {
		from, to := m[2*r.group], m[2*r.group+1]
		if from < 0 || r.check != nil && !r.check(s[from:to]) || strings.HasPrefix(s[from:to], "[redacted:") {
			continue
		}
		b.WriteString(s[last:from])
		b.WriteString(mark(r.kind))
		last = to
	}
	b.WriteString(s[last:])
	return b.String()
}
