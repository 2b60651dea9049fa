package wire

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/beamlens/beamlens-go/llm"
)

// said is an answer, with what must not be repeated of what it answers.
type said struct {
	status  int
	header  http.Header
	body    []byte
	sent    []byte
	secrets []string
	host    string
	now     time.Time
}

// failure is what the error bodies of all providers have in common.
type failure struct {
	codes   []string // types, codes, reasons, quotas: whatever names the failure
	msg     string
	status  int // that a body with another status inside has
	id      string
	retryIn string // a duration as Google gives it
}

// requestIDs are the headers in which providers name a request.
var requestIDs = []string{"Request-Id", "X-Request-Id", "Apim-Request-Id", "X-Amzn-Requestid", "X-Goog-Request-Id", "X-Vercel-Id", "Cf-Ray"}

func (s said) requestID() string {
	for _, name := range requestIDs {
		if id := s.header.Get(name); id != "" {
			return limit(id, 100)
		}
	}
	return ""
}

// parse reads an error body of any shape: {"error": {…}} of most, {"error": "…"} of Ollama, [{"error": {…}}] and details of Google,
// {"message": "…"} with a header of Amazon, {"detail": …} of servers in Python.
func (s said) parse() failure {
	var f failure
	body := bytes.TrimSpace(s.body)
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	type fields struct {
		Type      string          `json:"type"`
		Code      json.RawMessage `json:"code"` // a word or a number
		Status    json.RawMessage `json:"status"`
		Param     string          `json:"param"`
		Message   string          `json:"message"`
		Message2  string          `json:"Message"` // Amazon, now and then
		RequestID string          `json:"request_id"`
		Inner     *struct {
			Code string `json:"code"`
		} `json:"innererror"`
		Error   json.RawMessage `json:"error"`
		Detail  json.RawMessage `json:"detail"`
		Details json.RawMessage `json:"details"`
	}
	var outer, in fields
	_ = json.Unmarshal(body, &outer) // what is no object has no fields
	f.id = outer.RequestID
	in = outer
	if len(outer.Error) > 0 {
		in = fields{}
		if json.Unmarshal(outer.Error, &in.Message) != nil {
			_ = json.Unmarshal(outer.Error, &in) // as above
		}
	} else if in.Message == "" && len(in.Detail) > 0 && json.Unmarshal(in.Detail, &in.Message) != nil {
		in.Message = string(in.Detail)
	}
	f.msg = in.Message
	if f.msg == "" {
		f.msg = in.Message2
	}
	for _, raw := range []json.RawMessage{in.Code, in.Status, outer.Code} {
		var word string
		var number int
		switch {
		case json.Unmarshal(raw, &word) == nil && word != "":
			f.codes = append(f.codes, word)
		case json.Unmarshal(raw, &number) == nil && number >= 400 && number < 600 && f.status == 0:
			f.status = number
		}
	}
	if in.Type != "" && in.Type != "error" {
		f.codes = append(f.codes, in.Type)
	}
	if in.Inner != nil {
		f.codes = append(f.codes, in.Inner.Code)
	}
	if in.Param != "" {
		f.msg = strings.TrimSpace(f.msg + " (" + in.Param + ")")
	}
	f.details(in.Details)
	if t := s.header.Get("X-Amzn-Errortype"); t != "" {
		t, _, _ = strings.Cut(t, ":")
		f.codes = append([]string{t}, f.codes...)
	}
	return f
}

// details reads what Anthropic and Google add to an error.
func (f *failure) details(raw json.RawMessage) {
	var one struct {
		ErrorCode string `json:"error_code"` // Anthropic
	}
	if json.Unmarshal(raw, &one) == nil && one.ErrorCode != "" {
		f.codes = append([]string{one.ErrorCode}, f.codes...)
	}
	var several []struct { // google.rpc.ErrorInfo, RetryInfo and QuotaFailure
		Reason     string `json:"reason"`
		RetryDelay string `json:"retryDelay"`
		Violations []struct {
			QuotaID string `json:"quotaId"`
		} `json:"violations"`
	}
	if json.Unmarshal(raw, &several) != nil {
		return
	}
	for _, d := range several {
		if d.Reason != "" {
			f.codes = append([]string{d.Reason}, f.codes...)
		}
		if d.RetryDelay != "" {
			f.retryIn = d.RetryDelay
		}
		for _, v := range d.Violations {
			f.codes = append(f.codes, v.QuotaID)
		}
	}
}

// meanings say what a failure is, by what its codes and its message have in them, in small letters. The first that fits counts; statuses
// come after them, because a status says less.
var meanings = []struct {
	kind  llm.ErrorKind
	codes []string
	says  *regexp.Regexp
}{
	{llm.ErrQuota, []string{"insufficient_quota", "billing_not_active", "billing_hard_limit_reached", "billing_error", "enforced_spend_limit_reached",
		"insufficient_credits", "credit_balance", "spend_limit", "servicequotaexceededexception", "perday"},
		regexp.MustCompile(`credit balance|exceeded your current quota|spend(ing)? limit|api usage limits|insufficient credits|tokens per day|requests per day|billing details`)},
	{llm.ErrAuth, []string{"invalid_api_key", "api_key_invalid", "authentication_error", "permission_error", "permission_denied", "unauthenticated",
		"accessdeniedexception", "unrecognizedclientexception", "expiredtokenexception", "invalidsignatureexception", "incompletesignature", "missingauthenticationtoken"},
		regexp.MustCompile(`api key not valid|incorrect api key|invalid api key|security token included in the request`)},
	{llm.ErrTooLong, []string{"context_length_exceeded", "request_too_large", "exceed_context_size_error", "model_context_window_exceeded", "string_above_max_length"},
		regexp.MustCompile(`prompt is too long|maximum context length|context (length|window|size)|input is too long|input token count.*exceeds|too many tokens in|input length .*exceed|reduce the length`)},
	{llm.ErrUnsupported, nil, regexp.MustCompile(`(tool.?choice|forces? tool|function.?calling.?config).*(not support|unsupported|not allowed|n't support|may not|invalid|requires|must be|only)|` +
		`(not support|unsupported|not allowed|n't support|may not|invalid|requires|must be|only).*(tool.?choice|forces? tool|function.?calling.?config)|does not support tools`)},
	{llm.ErrOverloaded, []string{"overloaded_error", "server_overloaded", "slow_down", "unavailable", "serviceunavailableexception", "modelnotreadyexception", "engine_overloaded"},
		regexp.MustCompile(`overloaded|at capacity|server busy`)},
	{llm.ErrRateLimited, []string{"rate_limit_error", "rate_limit_exceeded", "throttlingexception", "resource_exhausted", "toomanyrequestsexception", "too_many_requests"}, nil},
	{llm.ErrTimeout, []string{"timeout_error", "modeltimeoutexception", "deadline_exceeded"}, nil},
	{llm.ErrServer, []string{"api_error", "server_error", "internalserverexception", "modelerrorexception", "internal_server_error", "conflict_error"}, nil},
}

// statuses say what a failure is whose words say nothing.
func statusKind(status int) llm.ErrorKind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return llm.ErrAuth
	case http.StatusPaymentRequired:
		return llm.ErrQuota
	case http.StatusRequestEntityTooLarge:
		return llm.ErrTooLong
	case http.StatusTooManyRequests:
		return llm.ErrRateLimited
	case http.StatusRequestTimeout, http.StatusGatewayTimeout, 524: // 524: Cloudflare
		return llm.ErrTimeout
	case http.StatusServiceUnavailable, 529: // 529: Anthropic
		return llm.ErrOverloaded
	case http.StatusConflict, http.StatusTooEarly:
		return llm.ErrServer
	}
	if status >= 500 {
		return llm.ErrServer
	}
	return llm.ErrBadRequest
}

// classify makes an error of an answer that is one.
func classify(s said) *llm.Error {
	f := s.parse()
	status := s.status
	if status < 400 && f.status != 0 {
		status = f.status
	}
	e := &llm.Error{Kind: statusKind(status), Status: s.status, RequestID: s.requestID(), RetryAfter: s.retryAfter(f)}
	if e.RequestID == "" {
		e.RequestID = limit(f.id, 100)
	}
	if len(f.codes) > 0 {
		e.Code = s.clean(f.codes[0], 80)
	}
	lower := strings.ToLower(f.msg)
	for _, m := range meanings {
		// A message names a request's fault; a provider that is down says other things. What a server says of itself is believed by its status.
		byWords := m.says != nil && m.says.MatchString(lower) && (status < 500 || m.kind == llm.ErrOverloaded || m.kind == llm.ErrTooLong)
		if byWords || slices.ContainsFunc(f.codes, func(code string) bool {
			return slices.ContainsFunc(m.codes, func(c string) bool { return strings.Contains(strings.ToLower(code), c) })
		}) {
			e.Kind = m.kind
			break
		}
	}
	e.Msg = s.message(f, e)
	return e
}

// message says what happened, where, and what to try.
func (s said) message(f failure, e *llm.Error) string {
	msg := s.clean(f.msg, 300)
	if msg == "" {
		msg = "no reason given"
	}
	msg = s.host + ": " + msg
	switch {
	case s.status >= 300 && s.status < 400:
		return s.host + " redirects, and keys follow no redirect; give the address it redirects to as base_url"
	case e.Kind == llm.ErrAuth:
		return msg + "; check the key, and that it may use this model"
	case e.Kind == llm.ErrQuota:
		return msg + "; this account has nothing left to spend"
	case s.status == http.StatusNotFound:
		return msg + "; check the name of the model, and base_url"
	}
	return msg
}

// inside gives the error that an answer with status 200 is, or nil: it has an error, or a message and nothing else.
func (s said) inside() *llm.Error {
	var o map[string]json.RawMessage
	if json.Unmarshal(s.body, &o) != nil {
		return nil
	}
	lone := len(o) == 1 && (o["message"] != nil || o["Message"] != nil || o["detail"] != nil)
	if raw := o["error"]; !lone && (len(raw) == 0 || string(raw) == "null") {
		return nil
	}
	e := classify(s)
	if e.Kind == llm.ErrBadRequest && s.parse().status == 0 {
		e.Kind = llm.ErrServer // the request was accepted: what then failed is not its fault
	}
	return e
}

// looksLikeKey finds keys by their form: the beginning of one says whose it is.
var looksLikeKey = regexp.MustCompile(`(?i)\b(sk|pk|rk|gsk|key|xai|aiza|akia|asia|absk|bearer)[-_ ]?[a-z0-9*_\-.]{8,}`)

// clean takes out of a text whatever it may not tell: the keys of the request, parts of it, and control characters.
func (s said) clean(text string, most int) string {
	for _, secret := range s.secrets {
		if len(secret) >= 8 {
			text = strings.ReplaceAll(text, secret, "[key]")
		}
	}
	text = looksLikeKey.ReplaceAllString(text, "[key]")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	return limit(s.unquote(limit(text, 4*most)), most)
}

// quoted is from how many bytes on a text counts as quoted from the request.
const quoted = 32

// unquote takes out what a provider quotes from the request.
func (s said) unquote(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		n := 0
		for i+n+quoted <= len(text) && bytes.Contains(s.sent, []byte(text[i+n:i+n+quoted])) {
			n++
		}
		if n == 0 {
			b.WriteByte(text[i])
			i++
			continue
		}
		b.WriteString("[…]")
		i += n - 1 + quoted
	}
	return strings.ToValidUTF8(b.String(), "")
}

func limit(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
