package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// entra answers as Entra ID does, in the place of the network.
type entra struct {
	t     *testing.T
	asked int
}

func (e *entra) Do(r *http.Request) (*http.Response, error) {
	answer := `{"token_type":"Bearer","expires_in":3600,"access_token":"a-token"}`
	if r.Body != nil {
		form, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(string(form), "cognitiveservices.azure.com") {
			e.t.Errorf("asked for %s", form)
		}
		e.asked++
	} else {
		host := "https://login.microsoftonline.com/tenant/"
		answer = fmt.Sprintf(`{"token_endpoint":%q,"authorization_endpoint":%q,"issuer":"https://login.microsoftonline.com/tenant/v2.0","tenant_discovery_endpoint":%q,
			"metadata":[{"preferred_network":"login.microsoftonline.com","preferred_cache":"login.windows.net","aliases":["login.microsoftonline.com"]}]}`,
			host+"oauth2/v2.0/token", host+"oauth2/v2.0/authorize", host+"v2.0/.well-known/openid-configuration")
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func TestAuthorize(t *testing.T) {
	e := &entra{t: t}
	found := 0
	auth := authorize(func() (azcore.TokenCredential, error) {
		if found++; found == 1 {
			return nil, errors.New("not yet")
		}
		return azidentity.NewClientSecretCredential("tenant", "client", "secret", &azidentity.ClientSecretCredentialOptions{
			ClientOptions: policy.ClientOptions{Transport: e}, DisableInstanceDiscovery: true})
	})
	request := func() *http.Request {
		return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://r.openai.azure.com/", nil)
	}
	if err := auth(request(), nil); err == nil {
		t.Fatal("credentials that are not there authorize")
	}
	for range 2 {
		r := request()
		if err := auth(r, nil); err != nil {
			t.Fatal(err)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer a-token" {
			t.Errorf("got %q", got)
		}
	}
	if e.asked != 1 || found != 2 {
		t.Errorf("asked for a token %d times, for credentials %d times", e.asked, found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := authorize(func() (azcore.TokenCredential, error) { return azidentity.NewDefaultAzureCredential(nil) })(request().WithContext(ctx), nil); err == nil {
		t.Error("a request that has ended is authorized")
	}
}
