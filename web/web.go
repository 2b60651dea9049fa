package web

import (
	"embed"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

//go:embed static template
var files embed.FS

// Options of a dashboard. Nil and zero values mean the defaults.
type Options struct {
	ReadOnly bool // nobody acknowledges, resolves, judges or asks

	// Token is what a visitor must have: as a bearer token, or as the password of basic authentication, whose user is then who did what. "": none, and only
	// requests to a loopback host are answered.
	Token string
	// Open lets requests to any host in without a token, because what is in front of the dashboard knows who may come.
	Open bool
	// User says who sends a request, for what he changes; nil: the user of basic authentication, or "somebody".
	User func(*http.Request) string

	Settings []Setting // of the program, shown besides those of the engines
}

// Dashboard is the handler. Its methods may be called from many goroutines. Make it with [New].
type Dashboard struct {
	options Options
	routes  http.Handler
	pages   pages
	assets  assets
	feed    *feed
	asked   asked

	mu      sync.Mutex // guards what follows
	sources []Source
}

// New returns a dashboard that shows nothing until Show.
func New(o *Options) *Dashboard {
	d := &Dashboard{feed: newFeed()}
	if o != nil {
		d.options = *o
		d.options.Settings = slices.Clone(o.Settings)
	}
	d.assets = loadAssets()
	d.pages = loadPages()
	d.routes = d.guard(d.mux())
	return d
}

// Show shows one more target.
func (d *Dashboard) Show(s Source) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sources = append(slices.DeleteFunc(slices.Clone(d.sources), func(old Source) bool { return old.Target == s.Target }), s)
}

// Event takes what happened: give it to an engine's OnEvent. It never waits.
func (d *Dashboard) Event(ev beamlens.Event) {
	d.feed.take(ev)
	d.asked.follow(ev)
}

// ServeHTTP answers.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "" { // the prefix without its slash; relative links need it
		last := path.Base(strings.SplitN(r.RequestURI, "?", 2)[0])
		w.Header().Set("Location", "./"+last+"/")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	d.routes.ServeHTTP(w, r)
}

func (d *Dashboard) mux() *http.ServeMux {
	m := http.NewServeMux()
	for pattern, page := range map[string]view{
		"/{$}":                   d.overview,
		"/incidents":             d.incidentList,
		"/incidents/{id}":        d.incident,
		"/alerts":                d.alerts,
		"/insights":              d.insights,
		"/operators":             d.operators,
		"/operators/{name}":      d.operator,
		"/runs/{id}":             d.run,
		"/metrics":               d.metrics,
		"/evidence/{alert}/{n}":  d.evidence,
		"/snapshots/{alert}/{n}": d.snapshot,
		"/ask":                   d.ask,
		"/settings":              d.settings,
	} {
		m.HandleFunc("GET "+pattern, d.show(page))
	}
	m.HandleFunc("GET /incidents/{id}/markdown", d.markdown)
	m.HandleFunc("GET /feed", d.stream)
	m.HandleFunc("GET /static/{hash}/{name}", d.asset)
	m.HandleFunc("POST /alerts/{id}/status", d.change(d.setStatus))
	m.HandleFunc("POST /incidents/{id}/status", d.change(d.setAll))
	m.HandleFunc("POST /insights/{id}/feedback", d.change(d.setFeedback))
	m.HandleFunc("POST /ask", d.change(d.put))
	m.HandleFunc("POST /ask/stop", d.change(d.stop))
	d.api(m)
	m.HandleFunc("/", d.show(func(*request) (any, error) {
		return nil, &failure{http.StatusNotFound, "There is no such page."}
	}))
	return m
}

// failure is an error with its HTTP status. Its text is for people.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func notFound(format string, args ...any) error {
	return &failure{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &failure{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// all gives the sources.
func (d *Dashboard) all() []Source {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sources
}

// request is a request to a page.
type request struct {
	*http.Request
	dashboard *Dashboard
	target    string // "": all
}

// sources gives those that the request is about.
func (r *request) sources() []Source {
	all := r.dashboard.all()
	if r.target == "" {
		return all
	}
	for _, s := range all {
		if s.Target.String() == r.target {
			return []Source{s}
		}
	}
	return nil
}

// source gives the one that the request is about, or the first.
func (r *request) source() (Source, error) {
	s := r.sources()
	if len(s) == 0 {
		return Source{}, notFound("There is no such target.")
	}
	return s[0], nil
}

// user is who sent the request.
func (d *Dashboard) user(r *http.Request) string {
	name := ""
	if d.options.User != nil {
		name = d.options.User(r)
	} else if user, _, ok := r.BasicAuth(); ok {
		name = user
	}
	if name == "" {
		return "somebody"
	}
	return cut(60, name)
}

func clockNow() time.Time { return time.Now().UTC() }
