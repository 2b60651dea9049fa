package redact

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

var (
	mailRE = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}\b`)
	ip4RE  = regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`)
	ip6RE  = regexp.MustCompile(`[0-9A-Fa-f:]*:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*[0-9A-Fa-f]`)
	// An address as Erlang shows it.
	ipTupleRE = regexp.MustCompile(`\{ ?\d{1,3}, ?\d{1,3}, ?\d{1,3}, ?\d{1,3} ?\}`)
	hostRE    = regexp.MustCompile(`\b(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+(?:com|net|org|io|dev|app|cloud|local|internal|lan|intra|corp|home|arpa|info|biz|eu|de|uk|fr|nl|ch|at|us|ca|au|jp|in|br|se|no|fi|dk|pl|es|it|svc|example|test)\b`)
	nodeRE    = regexp.MustCompile(`\b[A-Za-z_][A-Za-z0-9_-]*@([A-Za-z0-9][A-Za-z0-9-]*)`)
	homeRE    = regexp.MustCompile(`(?:/home/|/Users/|\\Users\\)([A-Za-z_][A-Za-z0-9_.-]*)`)
)

// mails replaces e-mail addresses, but not the names of nodes that are to be kept, nor those of the same node on other hosts.
func mails(s string, keep []string, with func(string) string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	return mailRE.ReplaceAllStringFunc(s, func(m string) string {
		local, _, _ := strings.Cut(m, "@")
		for _, k := range keep {
			if l, _, isNode := strings.Cut(k, "@"); isNode && l == local {
				return m
			}
		}
		return with(m)
	})
}

// addresses replaces IP addresses, but not those of the machine itself.
func addresses(s string, with func(string) string) string {
	replace := func(m string) string {
		a, err := netip.ParseAddr(m)
		if err != nil || a.IsLoopback() || a.IsUnspecified() {
			return m
		}
		return with(m)
	}
	if strings.Count(s, ".") >= 3 {
		s = ip4RE.ReplaceAllStringFunc(s, replace)
	}
	if strings.Count(s, ":") >= 2 {
		s = ip6RE.ReplaceAllStringFunc(s, func(m string) string {
			if strings.Count(m, ":") < 4 && !strings.Contains(m, "::") || strings.Trim(m, ":") == "" {
				return m // a time of the day
			}
			return replace(m)
		})
	}
	if strings.Contains(s, "{") {
		s = ipTupleRE.ReplaceAllStringFunc(s, func(m string) string {
			dotted := strings.NewReplacer(" ", "", "{", "", "}", "", ",", ".").Replace(m)
			if replace(dotted) == dotted {
				return m
			}
			return with(m)
		})
	}
	return s
}

// plainHosts are names of hosts that name nobody.
var plainHosts = []string{"localhost", "nohost", "localdomain"}

// hosts replaces names of hosts: those that are given, those with a domain, and those of nodes.
func hosts(s string, known *regexp.Regexp, with func(string) string) string {
	if known != nil {
		s = known.ReplaceAllStringFunc(s, with)
	}
	if strings.Contains(s, ".") {
		s = hostRE.ReplaceAllStringFunc(s, with)
	}
	if strings.Contains(s, "@") {
		s = group(nodeRE, s, func(host string) string {
			if slices.Contains(plainHosts, host) || pseudonymRE.MatchString(host) {
				return host
			}
			return with(host)
		})
	}
	return s
}

// group replaces the first group of each match.
func group(re *regexp.Regexp, s string, with func(string) string) string {
	var b strings.Builder
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		b.WriteString(s[last:m[2]])
		b.WriteString(with(s[m[2]:m[3]]))
		last = m[3]
	}
	b.WriteString(s[last:])
	return b.String()
}

// userFields hold the name of a person or an account.
var userFields = []string{"user", "username", "user_name", "usename", "login", "customer", "customer_name", "first_name", "last_name", "full_name", "account_name"}
