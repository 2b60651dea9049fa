package gcp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// account makes a file of a service account whose tokens come from a server of ours.
func account(t *testing.T, server string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "token_uri": server,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))})
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestAuthorize(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"a-token","token_type":"Bearer","expires_in":3600}`)
	}))
	defer server.Close()
	content := account(t, server.URL)
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	for _, credentials := range []string{content, file, ""} {
		asked = 0
		authorize := Authorize(credentials)
		for range 2 {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://aiplatform.googleapis.com/", nil)
			if err := authorize(r, nil); err != nil {
				t.Fatal(err)
			}
			if got := r.Header.Get("Authorization"); got != "Bearer a-token" {
				t.Errorf("got %q", got)
			}
		}
		if asked != 1 {
			t.Errorf("a token that is good for an hour was asked for %d times", asked)
		}
	}
	for credentials, says := range map[string]string{
		"/no/such/file": "read credentials", "{": "no JSON",
		`{"type":"external_account","credential_source":{"url":"http://169.254.169.254/"}}`: `type "external_account"`,
	} {
		err := Authorize(credentials)(httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), nil)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", credentials, err)
		}
	}
}
