package wire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

// HTTP is how a wire reaches its provider. Zero values mean the defaults.
type HTTP struct {
	Base   string       // what comes before the path of the API; default: the provider's own
	Client *http.Client // default: one that uses no proxy
	Header http.Header  // further headers

	// Authorize is called for each attempt, when the request is complete: it sets a key, a token, or signs the body. Default: what the wire
	// does with its key. The context is the request's.
	Authorize func(r *http.Request, body []byte) error

	Timeout time.Duration // of one attempt; default 120 s, because models think before they answer
	MaxBody int64         // bytes of an answer; default 32 MiB

	// Extra is put into each request's body last, over what the wire wrote; a nil value takes a field out. For what a provider knows and
	// we do not.
	Extra map[string]any
}

const (
	defaultTimeout = 120 * time.Second
	defaultMaxBody = 32 << 20
)

// Answer is what a provider answered with status 200.
type Answer struct {
	Body      []byte
	RequestID string
	service   string
	said      said
}

// plain is the default client. It is shared, so that connections are reused.
var plain = &http.Client{Transport: &http.Transport{
	DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	ForceAttemptHTTP2:     true,
	MaxIdleConns:          20,
	MaxIdleConnsPerHost:   4,
	IdleConnTimeout:       90 * time.Second,
	TLSHandshakeTimeout:   10 * time.Second,
	ExpectContinueTimeout: time.Second,
	TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
}}

// Header sets a header of every attempt: the way most providers take a key.
func Header(name, value string) func(*http.Request, []byte) error {
	return func(r *http.Request, _ []byte) error {
		r.Header.Set(name, value)
		return nil
	}
}

// Bearer sends a key or token as most providers take it. An empty one is not sent.
func Bearer(token string) func(*http.Request, []byte) error {
	if token == "" {
		return func(*http.Request, []byte) error { return nil }
	}
	return Header("Authorization", "Bearer "+token)
}

// Post makes one attempt: it sends the object to the path below the base and returns what came with status 200. The error is an *llm.Error.
func (h HTTP) Post(ctx context.Context, path string, o *Object) (*Answer, error) {
	body, err := h.Show(o)
	if err != nil {
		return nil, err
	}
	own, cancel := context.WithTimeout(ctx, cmp.Or(h.Timeout, defaultTimeout))
	defer cancel()
	r, err := http.NewRequestWithContext(own, http.MethodPost, strings.TrimSuffix(h.Base, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, &llm.Error{Kind: llm.ErrBadRequest, Msg: "base_url is no URL", Err: bare(err)}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "beamlens")
	for name, values := range h.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if h.Authorize != nil {
		if err := h.Authorize(r, body); err != nil {
			if own.Err() != nil {
				return nil, unreached(ctx, own, r.URL.Host, err)
			}
			return nil, &llm.Error{Kind: llm.ErrAuth, Msg: "no credentials for " + r.URL.Host, Err: bare(err)}
		}
	}
	response, err := h.client().Do(r)
	if err != nil {
		return nil, unreached(ctx, own, r.URL.Host, err)
	}
	defer response.Body.Close()
	most := cmp.Or(h.MaxBody, defaultMaxBody)
	answer, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if int64(len(answer)) > most {
		return nil, &llm.Error{Kind: llm.ErrBadAnswer, Status: response.StatusCode, Msg: fmt.Sprintf("%s answered more than %d bytes", r.URL.Host, most)}
	}
	s := said{status: response.StatusCode, header: response.Header, body: answer, sent: body, secrets: secrets(r), host: r.URL.Host, now: time.Now()}
	if response.StatusCode != http.StatusOK {
		return nil, classify(s) // what was cut off of it matters less than its status
	}
	if err != nil {
		e := unreached(ctx, own, r.URL.Host, err)
		if e.Kind == llm.ErrNetwork {
			e.Msg = fmt.Sprintf("the answer of %s was cut off after %d bytes", r.URL.Host, len(answer))
		}
		e.Status, e.RequestID = response.StatusCode, s.requestID()
		return nil, e
	}
	return &Answer{Body: answer, RequestID: s.requestID(), service: r.URL.Host, said: s}, nil
}

// Show gives the body that [HTTP.Post] would send.
func (h HTTP) Show(o *Object) ([]byte, error) {
	body, err := o.Bytes(h.Extra)
	if err != nil {
		return nil, &llm.Error{Kind: llm.ErrBadRequest, Msg: "the request cannot be encoded", Err: err}
	}
	return body, nil
}

// client gives the client, which follows no redirect.
func (h HTTP) client() *http.Client {
	c := plain
	if h.Client != nil {
		c = h.Client
	}
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// unreached is the error of an attempt that brought no whole answer.
func unreached(caller, own context.Context, host string, err error) *llm.Error {
	var timeout net.Error
	var name *net.DNSError
	var unknown x509.UnknownAuthorityError
	switch {
	case caller.Err() != nil:
		return &llm.Error{Kind: llm.ErrTimeout, Msg: "the caller's time was over before " + host + " answered", Err: caller.Err()}
	case own.Err() != nil:
		return &llm.Error{Kind: llm.ErrTimeout, Msg: "no whole answer of " + host + " in time", Err: own.Err()}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &llm.Error{Kind: llm.ErrTimeout, Msg: "no answer of " + host + " in time", Err: bare(err)}
	case errors.As(err, &name):
		return &llm.Error{Kind: llm.ErrNetwork, Msg: "the name " + name.Name + " is not found; is base_url right, and is there a network?", Err: bare(err)}
	case errors.As(err, &unknown):
		return &llm.Error{Kind: llm.ErrNetwork, Msg: "the certificate of " + host + " is not trusted here", Err: bare(err)}
	case local(host):
		return &llm.Error{Kind: llm.ErrNetwork, Msg: "cannot reach " + host + "; is the server running there?", Err: bare(err)}
	}
	return &llm.Error{Kind: llm.ErrNetwork, Msg: "cannot reach " + host, Err: bare(err)}
}

func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return name == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsPrivate())
}

// Local says whether a base URL is on this machine or in a private network.
func Local(base string) bool {
	u, err := url.Parse(base)
	return err == nil && local(u.Host)
}

// bare takes the URL out of an error: it may hold a key.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// secrets are the parts of a request by which it was authorized.
func secrets(r *http.Request) []string {
	var out []string
	for _, name := range []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "X-Amz-Security-Token"} {
		for _, v := range r.Header[http.CanonicalHeaderKey(name)] {
			out = append(out, strings.FieldsFunc(v, func(c rune) bool { return c == ' ' || c == ',' || c == '=' })...)
		}
	}
	for _, values := range r.URL.Query() {
		out = append(out, values...)
	}
	return out
}
