package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/beamlens/beamlens-go/llm/bedrock"
)

func request(t *testing.T, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://bedrock-runtime.eu-west-1.amazonaws.com"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

// TestOurSignature: what llm/bedrock signs itself is signed as AWS does, byte for byte.
func TestOurSignature(t *testing.T) {
	for _, path := range []string{
		"/model/amazon.nova-lite-v1%3A0/converse",
		"/model/anthropic.claude-3-5-haiku-20241022-v1%3A0/converse",
		"/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.amazon.nova-lite-v1%3A0/converse",
		"/model/a%20b~c_d.e/converse",
	} {
		for _, session := range []string{"", "a-session/token+with=signs"} {
			body := []byte(`{"messages":[]}`)
			own := request(t, path)
			if err := bedrock.Sign(bedrock.Credentials{ID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Session: session}, "eu-west-1")(own, body); err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse("20060102T150405Z", own.Header.Get("X-Amz-Date"))
			if err != nil {
				t.Fatal(err)
			}
			theirs, hash := request(t, path), sha256.Sum256(body)
			credentials := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: session}
			if err := v4.NewSigner().SignHTTP(t.Context(), credentials, theirs, hex.EncodeToString(hash[:]), "bedrock", "eu-west-1", at); err != nil {
				t.Fatal(err)
			}
			if got, want := own.Header.Get("Authorization"), theirs.Header.Get("Authorization"); got != want {
				t.Errorf("%s, session %q:\ngot  %s\nwant %s", path, session, got, want)
			}
		}
	}
}

// TestAuthorize: a profile is read from the shared file, and a profile that is not there is an error, not a wait.
func TestAuthorize(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[ops]\naws_access_key_id = AKIDFROMFILE\naws_secret_access_key = secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	r := request(t, "/model/m/converse")
	if err := Authorize("eu-west-1", "ops")(r, nil); err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Authorization"); !strings.HasPrefix(got, "AWS4-HMAC-SHA256 Credential=AKIDFROMFILE/") || !strings.Contains(got, "/eu-west-1/bedrock/") {
		t.Errorf("got %s", got)
	}
	if err := Authorize("eu-west-1", "other")(request(t, "/"), nil); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("got %v", err)
	}
}
