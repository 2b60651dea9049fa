package redact

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strings"
	"sync"
)

// pseudonymRE is what a pseudonym looks like.
var pseudonymRE = regexp.MustCompile(`\b(?:ip|host|mail|user|text)-[a-z2-7]{10}\b`)

// pseudonyms gives names for what must not leave, and knows what they stand for. A name is the same for the same thing as long as the
// program lives, and tells nothing: it is a keyed hash.
type pseudonyms struct {
	key [32]byte

	mu    sync.Mutex // guards what follows
	real  map[string]string
	order []string // oldest first
}

// maxPseudonyms is how many are remembered; the oldest go first. One that is seen again is known again.
const maxPseudonyms = 50_000

func newPseudonyms() *pseudonyms {
	p := &pseudonyms{real: map[string]string{}}
	if _, err := rand.Read(p.key[:]); err != nil {
		panic(err) // unreachable: crypto/rand does not fail
	}
	return p
}

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// of gives the pseudonym of something. A pseudonym is its own.
func (p *pseudonyms) of(kind, real string) string {
	if pseudonymRE.MatchString(real) || strings.Contains(real, "[redacted:") {
		return real
	}
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write([]byte(kind + "\x00" + real))
	name := kind + "-" + lowerBase32.EncodeToString(mac.Sum(nil))[:10]
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.real[name]; !ok {
		if len(p.order) >= maxPseudonyms {
			delete(p.real, p.order[0])
			p.order = p.order[1:]
		}
		p.real[name] = real
		p.order = append(p.order, name)
	}
	return name
}

// restore puts what they stand for in place of pseudonyms, as escaped by escape. One that is not known stays.
func (p *pseudonyms) restore(s string, escape func(name, real string) string) string {
	if !strings.Contains(s, "-") {
		return s
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return pseudonymRE.ReplaceAllStringFunc(s, func(name string) string {
		real, ok := p.real[name]
		if !ok {
			return name
		}
		if escape != nil {
			return escape(name, real)
		}
		return real
	})
}

// known gives what is remembered of one kind, pairs of real and pseudonym.
func (p *pseudonyms) known(kind string) [][2]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out [][2]string
	for name, real := range p.real {
		if strings.HasPrefix(name, kind+"-") {
			out = append(out, [2]string{real, name})
		}
	}
	return out
}
