// Package gcp authorizes requests to Vertex with whatever credentials Google has: a key file, those of gcloud, workload identity, the
// metadata of an instance.
package gcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const (
	scope = "https://www.googleapis.com/auth/cloud-platform"
	// A source of tokens is not told when the request that waits for one has ended.
	tokenIn = 10 * time.Second
)

// Authorize puts a token into requests: of a file with credentials, of its content, or, for "", of where Google looks for them. They are looked
// for when the first request is sent, and looked for again when that failed. It is safe for concurrent use.
func Authorize(credentials string) func(*http.Request, []byte) error {
	c := &chain{credentials: credentials}
	return func(r *http.Request, _ []byte) error {
		source, err := c.source()
		if err != nil {
			return err
		}
		token, err := source.Token()
		if err != nil {
			return err
		}
		token.SetAuthHeader(r)
		return nil
	}
}

type chain struct {
	credentials string

	mu    sync.Mutex // guards found
	found oauth2.TokenSource
}

func (c *chain) source() (oauth2.TokenSource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found != nil {
		return c.found, nil
	}
	// Tokens are renewed long after this request.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Timeout: tokenIn})
	found, err := c.find(ctx)
	if err != nil {
		return nil, err
	}
	c.found = found.TokenSource
	return c.found, nil
}

func (c *chain) find(ctx context.Context) (*google.Credentials, error) {
	if c.credentials == "" {
		return google.FindDefaultCredentials(ctx, scope)
	}
	raw := []byte(c.credentials)
	if !strings.HasPrefix(strings.TrimSpace(c.credentials), "{") {
		var err error
		if raw, err = os.ReadFile(c.credentials); err != nil {
			return nil, fmt.Errorf("read credentials: %w", err)
		}
	}
	var kind struct {
		Type google.CredentialsType `json:"type"`
	}
	if err := json.Unmarshal(raw, &kind); err != nil {
		return nil, fmt.Errorf("credentials are no JSON: %w", err)
	}
	// A file of another type would send this machine's tokens to an address that it names itself.
	if kind.Type != google.ServiceAccount && kind.Type != google.AuthorizedUser {
		return nil, fmt.Errorf("credentials are of type %q; give those of a service_account, or none, and set GOOGLE_APPLICATION_CREDENTIALS", kind.Type)
	}
	return google.CredentialsFromJSONWithType(ctx, raw, kind.Type, scope)
}
