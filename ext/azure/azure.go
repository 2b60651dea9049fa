// Package azure authorizes requests to Azure OpenAI with Entra ID: environment, workload identity, managed identity, the command line's login.
// Keys need none of it; see llm/openai.
package azure

import (
	"net/http"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// scope is what all models of Azure are behind.
const scope = "https://cognitiveservices.azure.com/.default"

// Authorize puts a token into requests. Credentials are looked for when the first request is sent, and looked for again when that failed. It
// is safe for concurrent use.
func Authorize() func(*http.Request, []byte) error {
	return authorize(func() (azcore.TokenCredential, error) { return azidentity.NewDefaultAzureCredential(nil) })
}

func authorize(find func() (azcore.TokenCredential, error)) func(*http.Request, []byte) error {
	var mu sync.Mutex // guards found
	var found azcore.TokenCredential
	get := func() (azcore.TokenCredential, error) {
		mu.Lock()
		defer mu.Unlock()
		if found != nil {
			return found, nil
		}
		var err error
		found, err = find()
		if err != nil {
			found = nil
		}
		return found, err
	}
	return func(r *http.Request, _ []byte) error {
		credential, err := get()
		if err != nil {
			return err
		}
		// It keeps tokens until they are old.
		token, err := credential.GetToken(r.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token.Token)
		return nil
	}
}
