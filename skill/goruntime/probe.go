package goruntime

import (
	"fmt"
	"os"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Options of a [Probe]. The zero value is ready.
type Options struct {
	// Every is the time between two counts of the goroutines by where they are, and between two readings of the heap by site; default 10 s.
	// With more than 5,000 goroutines it is longer.
	Every time.Duration
	// Evidence is a directory for profiles, traces and dumps that are taken in the moment of a finding; "": none are. See [Probe.Captures].
	Evidence string
	// EvidenceBytes is how much of them is kept, the newest; default 64 MB.
	EvidenceBytes int64
}

// Probe is the part of the skills that lives in the program: what the program hands to it is counted here, and read by the skills. All its methods are safe
// for concurrent use, bounded in memory, and return soon.
type Probe struct {
	options Options
	census  census
	heap    heapHistory
	locks   lockHistory
	log     logCounts
	panics  panicCounts
	sup     supCounts
	server  traffic
	client  traffic
	caches  cacheList
	vault   vault
}

// New returns a probe. nil means the defaults.
func New(o *Options) *Probe {
	p := &Probe{}
	if o != nil {
		p.options = *o
	}
	if p.options.Every <= 0 {
		p.options.Every = 10 * time.Second
	}
	if p.options.EvidenceBytes <= 0 {
		p.options.EvidenceBytes = 64 << 20
	}
	p.vault.dir, p.vault.most = p.options.Evidence, p.options.EvidenceBytes
	return p
}

// Target names this process: "go shop[4711]".
func (p *Probe) Target(name string) beamlens.Target {
	return beamlens.Target{Kind: "go", Name: fmt.Sprintf("%s[%d]", name, os.Getpid())}
}

// Skills are all of this package, in the order in which they are listed.
func (p *Probe) Skills() []*skill.Skill {
	return []*skill.Skill{
		p.Runtime(), p.Heap(), p.GC(), p.Locks(), p.Leaks(), p.Descriptors(), p.Logger(), p.Exceptions(), p.Supervisors(), p.Requests(), p.Caches(),
	}
}
