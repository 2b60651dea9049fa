package bedrock

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Credentials are static keys of AWS. Session is there for temporary ones.
type Credentials struct {
	ID, Secret, Session string
}

// Sign signs requests to Bedrock in a region with static keys. For keys that come from elsewhere (profiles, roles, instances) take the
// module ext/aws.
func Sign(c Credentials, region string) func(*http.Request, []byte) error {
	return func(r *http.Request, body []byte) error {
		if c.ID == "" || c.Secret == "" {
			return errors.New("there is no access key; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK")
		}
		sign(r, body, c, region, time.Now())
		return nil
	}
}

// sign adds a signature of version 4 (Signature Version 4, AWS General Reference). The host, the type of the content and all headers
// x-amz-… are part of it; what proxies add later is not.
func sign(r *http.Request, body []byte, c Credentials, region string, now time.Time) {
	const service = "bedrock"
	at := now.UTC().Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", at)
	if c.Session != "" {
		r.Header.Set("X-Amz-Security-Token", c.Session)
	}
	names := []string{"host"}
	values := map[string]string{"host": r.URL.Host}
	if r.Host != "" {
		values["host"] = r.Host
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if lower == "content-type" || strings.HasPrefix(lower, "x-amz-") {
			names = append(names, lower)
			values[lower] = strings.Join(strings.Fields(strings.Join(r.Header.Values(name), ",")), " ")
		}
	}
	slices.Sort(names)
	var headers strings.Builder
	for _, n := range names {
		headers.WriteString(n + ":" + values[n] + "\n")
	}
	signed := strings.Join(names, ";")
	// The path is escaped once more than it is sent, as all services but S3 want it.
	canonical := strings.Join([]string{r.Method, escape(r.URL.EscapedPath(), true), "", headers.String(), signed, hash(body)}, "\n")
	scope := at[:8] + "/" + region + "/" + service + "/aws4_request"
	key := []byte("AWS4" + c.Secret)
	for _, part := range []string{at[:8], region, service, "aws4_request"} {
		key = mac(key, part)
	}
	signature := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+at+"\n"+scope+"\n"+hash([]byte(canonical))))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.ID+"/"+scope+", SignedHeaders="+signed+", Signature="+signature)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// escape leaves only the unreserved characters of RFC 3986 as they are, and slashes if they separate.
func escape(s string, slashes bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 || slashes && c == '/' {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
	}
	return b.String()
}
