package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// view makes what a page shows.
type view func(*request) (any, error)

// shown is what a view gives: its template and what is in it.
type shown struct {
	name  string // of the template
	title string
	here  string // which entry of the navigation it belongs to
	body  any
}

// page is what every template has.
type page struct {
	Title, Here string
	Root        string // relative to the page
	Assets      string // hash
	Target      string // that was asked for
	Targets     []string
	ReadOnly    bool
	Seq         uint64
	Now         time.Time
	Status      status
	Body        any
}

// status is the few words that every page has in its head.
type status struct {
	Level string // ok, info, warning, critical, unknown
	Text  string
}

type pages map[string]*template.Template

func loadPages() pages {
	base := template.Must(template.New("").Funcs(funcs).ParseFS(files, "template/layout.html", "template/parts.html"))
	names, err := files.ReadDir("template")
	if err != nil {
		panic(err) // unreachable: they are part of the program
	}
	out := pages{}
	for _, n := range names {
		if name := n.Name(); name != "layout.html" && name != "parts.html" {
			t := template.Must(template.Must(base.Clone()).ParseFS(files, "template/"+name))
			out[strings.TrimSuffix(name, ".html")] = t
		}
	}
	return out
}

var funcs = template.FuncMap{
	"cut": cut, "words": words, "num": num, "with": with, "span": span,
	"rfc":     func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"clock":   func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"day":     func(t time.Time) string { return t.UTC().Format("2006-01-02") },
	"percent": func(p float64) string { return num(100*p) + " %" },
	"esc":     url.PathEscape,
	"join":    strings.Join,
	"add":     func(a, b int) int { return a + b },
	"dict":    dict,
	"title":   func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
}

func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: a key without a value")
	}
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("dict: a key that is no string")
		}
		out[key] = pairs[i+1]
	}
	return out, nil
}

// root is the way from a request's path to the root of the dashboard.
func root(r *http.Request) string {
	return "./" + strings.Repeat("../", strings.Count(strings.TrimPrefix(r.URL.Path, "/"), "/"))
}

// show renders a view.
func (d *Dashboard) show(v view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req := &request{Request: r, dashboard: d, target: r.URL.Query().Get("target")}
		got, err := v(req)
		if err != nil {
			d.fail(w, r, err)
			return
		}
		s, _ := got.(shown)
		d.render(w, req, http.StatusOK, s)
	}
}

func (d *Dashboard) render(w http.ResponseWriter, r *request, code int, s shown) {
	p := page{Title: s.title, Here: s.here, Root: root(r.Request), Assets: d.assets.hash, Target: r.target, ReadOnly: d.options.ReadOnly, Now: clockNow(), Body: s.body}
	for _, src := range d.all() {
		p.Targets = append(p.Targets, src.Target.String())
	}
	p.Status = d.status(r)
	_, p.Seq = d.feed.after(0, 0)
	var b bytes.Buffer
	if err := d.pages[s.name].ExecuteTemplate(&b, "page", p); err != nil {
		http.Error(w, "This page cannot be drawn: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(visible(b.Bytes())) // who has gone needs no page
}

// fail tells an error: as JSON below api/, as a page elsewhere.
func (d *Dashboard) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := &failure{http.StatusInternalServerError, "The store could not be read: " + err.Error()}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		f = &failure{http.StatusRequestEntityTooLarge, "That is too much."}
	}
	errors.As(err, &f)
	if r.Context().Err() != nil {
		return
	}
	if wantsJSON(r) {
		writeJSON(w, f.status, map[string]string{"error": f.text})
		return
	}
	d.render(w, &request{Request: r, dashboard: d}, f.status, shown{"failure", http.StatusText(f.status), "", f.text})
}

func wantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

// assets are the files that pages load. Their address has the hash of them all, so they may be kept for ever.
type assets struct {
	hash  string
	files map[string][]byte
}

func loadAssets() assets {
	a := assets{files: map[string][]byte{}}
	sum := sha256.New()
	list, err := files.ReadDir("static")
	if err != nil {
		panic(err) // unreachable: they are part of the program
	}
	for _, f := range list {
		raw, err := files.ReadFile("static/" + f.Name())
		if err != nil {
			panic(err) // unreachable: as above
		}
		a.files[f.Name()] = raw
		sum.Write(raw)
	}
	a.hash = hex.EncodeToString(sum.Sum(nil)[:8])
	return a
}

var kinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

func (d *Dashboard) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	raw, ok := d.assets.files[name]
	if !ok || r.PathValue("hash") != d.assets.hash {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kinds[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(raw) // as above
}
