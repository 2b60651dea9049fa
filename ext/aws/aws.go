// Package aws authorizes requests to Amazon Bedrock with whatever credentials AWS has: environment, shared files and profiles, SSO, web
// identity, containers, instances. Static keys and bearer tokens need none of it; see llm/bedrock.
package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Authorize signs requests in a region with the credentials of a profile; "" is the one that AWS would take. They are looked for when the first
// request is sent, kept as long as they are good, and looked for again when that failed. It is safe for concurrent use.
func Authorize(region, profile string) func(*http.Request, []byte) error {
	c := &chain{region: region, profile: profile}
	signer := v4.NewSigner()
	return func(r *http.Request, body []byte) error {
		provider, err := c.provider(r.Context())
		if err != nil {
			return err
		}
		credentials, err := provider.Retrieve(r.Context())
		if err != nil {
			return err
		}
		hash := sha256.Sum256(body)
		return signer.SignHTTP(r.Context(), credentials, r, hex.EncodeToString(hash[:]), "bedrock", region, time.Now())
	}
}

type chain struct {
	region, profile string

	mu    sync.Mutex // guards found
	found aws.CredentialsProvider
}

func (c *chain) provider(ctx context.Context) (aws.CredentialsProvider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found != nil {
		return c.found, nil
	}
	options := []func(*config.LoadOptions) error{config.WithRegion(c.region)}
	if c.profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.profile))
	}
	found, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	c.found = found.Credentials
	return c.found, nil
}
