package goruntime

import (
	"fmt"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// site is a place in the program's source.
type site struct {
	Function string `json:"function"` // "shop.(*Cart).Add"
	At       string `json:"at"`       // "shop/cart.go:52"
	own      bool   // of this library
	full     string // the function with the path of its package, where the site is from a profile or a trace
}

func siteOf(f runtime.Frame) site {
	return site{Function: shortFunction(f.Function), At: fmt.Sprintf("%s:%d", shortFile(f.File), f.Line), own: ours(f.Function)}
}

// shortFunction is the function without the path of its package: what stands before a call in the source.
func shortFunction(name string) string {
	// Type parameters may hold paths.
	head, tail, generic := strings.Cut(name, "[")
	head = head[strings.LastIndexByte(head, '/')+1:]
	if generic {
		return head + "[" + tail
	}
	return head
}

// shortFile is the file with its folder.
func shortFile(name string) string {
	return path.Join(path.Base(path.Dir(name)), path.Base(name))
}

const library = "github.com/beamlens/beamlens-go/"

// ours says whether a function is of this library, whose own goroutines and stacks are none of the program's. Examples and tests are programs.
func ours(function string) bool {
	rest, ok := strings.CutPrefix(function, library)
	if !ok || strings.HasPrefix(rest, "examples/") {
		return false
	}
	pkg := packageOf(rest)
	return !strings.HasSuffix(pkg, "_test") && !strings.HasPrefix(pkg, "internal/scenario")
}

// packageOf is the path of the package of a function.
func packageOf(function string) string {
	head, _, _ := strings.Cut(function, "[")
	slash := strings.LastIndexByte(head, '/') + 1
	dot := strings.IndexByte(head[slash:], '.')
	if dot < 0 {
		return head
	}
	return head[:slash+dot]
}

// modules are the paths of the modules that the program is built of, the main one first.
var modules = sync.OnceValue(func() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	out := []string{info.Main.Path}
	for _, d := range info.Deps {
		out = append(out, d.Path)
	}
	return out
})

// The origins of a function.
const (
	standard = iota // of the standard library
	foreign         // of a module that the program uses
	program         // of the program's own module
)

func origin(function string) int {
	pkg := packageOf(function)
	if pkg == "main" || strings.HasPrefix(pkg, "main_") {
		return program
	}
	for i, m := range modules() {
		if m != "" && (pkg == m || strings.HasPrefix(pkg, m) && strings.HasPrefix(pkg[len(m):], "/") || strings.HasPrefix(pkg, m+"_test")) {
			if i == 0 {
				return program
			}
			return foreign
		}
	}
	if first, _, _ := strings.Cut(pkg, "/"); strings.Contains(first, ".") {
		return foreign
	}
	return standard
}

// place is a stack, understood.
type place struct {
	site          // the first frame of the program's own, or else of what it uses, from where it is
	Kind   string // what it waits for: one of those of waits
	Entry  site   // where the goroutine began
	frames []string
	from   int  // the origin of site
	own    bool // a goroutine of this library
	inHTTP bool // it serves a request that came through our middleware
}

// keptFrames of a stack are told.
const keptFrames = 12

func placeOf(pcs []uintptr) place {
	var p place
	best := -1
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		if f.Function != "" {
			p.take(f, &best)
		}
		if !more {
			break
		}
	}
	if p.Kind == "" {
		p.Kind = "running"
	}
	return p
}

// take adds a frame, from the innermost to the outermost.
func (p *place) take(f runtime.Frame, best *int) { p.takeSite(siteOf(f), f.Function, best) }

func (p *place) takeSite(s site, function string, best *int) {
	if function == "runtime.goexit" || function == "runtime.main" {
		return // every stack ends so
	}
	from := origin(function)
	if p.Kind == "" {
		p.Kind = waitOf(function)
	}
	if s.own {
		if strings.HasSuffix(packageOf(function), "skill/goruntime") {
			p.inHTTP = p.inHTTP || strings.Contains(function, middlewareName)
		} else {
			p.own = true
		}
	}
	switch {
	case s.own:
	case from > *best:
		p.site, *best, p.from = s, from, from
	case from == standard && *best == standard && !strings.HasPrefix(function, "runtime."):
		p.site = s // where all is of the standard library, that which began it says most
	}
	if *best < 0 {
		p.site = s
	}
	p.Entry = s
	if len(p.frames) < keptFrames && !strings.HasPrefix(function, "runtime.") {
		p.frames = append(p.frames, s.Function+" "+s.At)
	}
}

// waits says by a function of the standard library what a goroutine waits for in it.
var waits = []struct{ prefix, kind string }{
	{"runtime.chansend", "chan send"}, {"runtime.chanrecv", "chan receive"}, {"runtime.selectgo", "select"}, {"runtime.block", "select"},
	{"runtime.netpollblock", "IO wait"}, {"internal/poll.runtime_pollWait", "IO wait"}, {"time.Sleep", "sleep"},
	{"sync.runtime_SemacquireMutex", "lock"}, {"internal/sync.runtime_SemacquireMutex", "lock"}, {"sync.runtime_SemacquireRWMutex", "lock"},
	{"sync.runtime_SemacquireWaitGroup", "wait group"}, {"sync.runtime_notifyListWait", "condition"}, {"sync.(*WaitGroup).Wait", "wait group"},
	{"sync.(*Mutex).Lock", "lock"}, {"sync.(*RWMutex).", "lock"}, {"sync.(*Cond).Wait", "condition"}, {"syscall.", "syscall"}, {"internal/runtime/syscall.", "syscall"},
}

func waitOf(function string) string {
	for _, w := range waits {
		if strings.HasPrefix(function, w.prefix) {
			return w.kind
		}
	}
	return ""
}

// stackHash is what a stack is the same by.
func stackHash(pcs []uintptr) uint64 {
	h := uint64(len(pcs))
	for _, pc := range pcs {
		h = (h ^ uint64(pc)) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	return h
}

// places keeps stacks that were understood, by their hash. It is bounded: when it is full it begins anew.
type places struct {
	mu   sync.Mutex // guards what follows
	kept map[uint64]place
}

const keptPlaces = 8192

func (p *places) of(hash uint64, pcs []uintptr) place {
	p.mu.Lock()
	defer p.mu.Unlock()
	if got, ok := p.kept[hash]; ok {
		return got
	}
	if p.kept == nil || len(p.kept) >= keptPlaces {
		p.kept = make(map[uint64]place, 256)
	}
	got := placeOf(pcs)
	p.kept[hash] = got
	return got
}

// known are the stacks of this process.
var known places

// callerOutside is the first caller that is of the program.
func callerOutside(skip int) site {
	var pcs [24]uintptr
	n := runtime.Callers(skip+1, pcs[:])
	return known.of(stackHash(pcs[:n]), pcs[:n]).site
}
