package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"strings"
)

// policy lets a page load what this handler serves, and nothing else, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxBody is the most that a POST may send.
const maxBody = 64 << 10

// guard is in front of everything.
func (d *Dashboard) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.fail(w, r, &failure{http.StatusForbidden, "This request came from another site. It was not carried out."})
	}))
	inner := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !d.admits(r) {
			if d.options.Token != "" {
				h.Set("WWW-Authenticate", `Basic realm="BeamLens", charset="UTF-8"`)
				http.Error(w, "A token is needed: as the password, with any user name, or as a bearer token.", http.StatusUnauthorized)
				return
			}
			http.Error(w, "This dashboard has no token and answers on loopback only: http://127.0.0.1 or http://localhost.", http.StatusForbidden)
			return
		}
		if r.Method == http.MethodPost {
			if d.options.ReadOnly {
				d.fail(w, r, &failure{http.StatusForbidden, "This dashboard is read-only."})
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		inner.ServeHTTP(w, r)
	})
}

// admits says whether the visitor may come in.
func (d *Dashboard) admits(r *http.Request) bool {
	if d.options.Open {
		return true
	}
	if d.options.Token == "" {
		return loopback(r.Host) // a page elsewhere that has its name point to us sends its own
	}
	got, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		_, got, _ = r.BasicAuth()
	}
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(d.options.Token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// change answers a POST: f changes something and gives where to go, relative to the root of the dashboard.
func (d *Dashboard) change(f func(*request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			var large *http.MaxBytesError
			if !errors.As(err, &large) {
				err = badRequest("This form cannot be read: %v", err)
			}
			d.fail(w, r, err)
			return
		}
		to, err := f(&request{Request: r, dashboard: d, target: r.FormValue("target")})
		if err != nil {
			d.fail(w, r, err)
			return
		}
		w.Header().Set("Location", root(r)+to)
		w.WriteHeader(http.StatusSeeOther)
	}
}
