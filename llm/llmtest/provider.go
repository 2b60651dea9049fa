package llmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Wire names the API that a [Provider] speaks.
type Wire string

// The APIs.
const (
	Anthropic Wire = "anthropic"
	Responses Wire = "openai-responses"
	Chat      Wire = "openai-chat"
	Gemini    Wire = "google"
	Ollama    Wire = "ollama"
	Bedrock   Wire = "bedrock"
)

// Wires are all that a Provider can speak.
var Wires = []Wire{Anthropic, Responses, Chat, Gemini, Ollama, Bedrock}

// Fault is what goes wrong with an answer of a [Provider].
type Fault string

// The faults. Each is what the provider of the wire does, in its words.
const (
	OK               Fault = ""
	LimitedSeconds   Fault = "429, Retry-After in seconds"
	LimitedDate      Fault = "429, Retry-After as a date"
	LimitedMillis    Fault = "429, retry-after-ms"
	LimitedLong      Fault = "429, Retry-After of two minutes"
	Quota            Fault = "quota is spent"
	Overloaded       Fault = "overloaded"
	ServerError      Fault = "500"
	GatewayPage      Fault = "502 with a web page"
	BadKey           Fault = "the key is refused"
	TooLong          Fault = "the request is too long"
	NoForcing        Fault = "a forced choice of tools is refused" // answered well when nothing is forced
	HangBefore       Fault = "hangs before the headers"
	HangWithin       Fault = "hangs within the body"
	CutBody          Fault = "the body is cut off"
	Reset            Fault = "the connection is closed without an answer"
	MalformedArgs    Fault = "the arguments of the call are malformed"
	WrongTypes       Fault = "the arguments of the call have wrong types"
	UnknownTool      Fault = "calls a tool that does not exist"
	TwoCalls         Fault = "two calls, though one was asked for"
	Truncated        Fault = "the call is cut off by the limit of tokens"
	ErrorInside      Fault = "status 200 with an error inside"
	WebPage          Fault = "status 200 with a web page"
	UnknownBlock     Fault = "a block of a kind that nobody knows"
	Refusal          Fault = "the model refuses"
	EmptyAnswer      Fault = "an answer without content"
	QuotesTheRequest Fault = "an error that quotes the key and the request"
)

// Faults are all but OK.
var Faults = []Fault{LimitedSeconds, LimitedDate, LimitedMillis, LimitedLong, Quota, Overloaded, ServerError, GatewayPage, BadKey, TooLong, NoForcing,
	HangBefore, HangWithin, CutBody, Reset, MalformedArgs, WrongTypes, UnknownTool, TwoCalls, Truncated, ErrorInside, WebPage, UnknownBlock,
	Refusal, EmptyAnswer, QuotesTheRequest}

// Reply is one answer of a [Provider]. The zero Reply calls the first tool of the request with no arguments, or says "Fine." when there
// are no tools.
type Reply struct {
	Fault Fault
	Text  string
	Tool  string
	Args  string // JSON
}

// Sent is a request that a [Provider] got.
type Sent struct {
	Path   string
	Header http.Header
	Body   []byte
}

// Provider is a fake of a provider that speaks its real API over HTTP: it refuses requests that the real one refuses, in the same words, and
// answers with its replies in order, with the last one for ever. It is an http.Handler, for httptest; [Provider.Client] reaches it
// without a network, so that tests may run it in a synctest bubble.
type Provider struct {
	api api

	mu      sync.Mutex // guards what follows
	replies []Reply
	sent    []Sent
}

// NewProvider returns a provider. It panics on a wire that it does not know.
func NewProvider(w Wire, replies ...Reply) *Provider {
	a, ok := apis[w]
	if !ok {
		panic("llmtest: there is no wire " + string(w))
	}
	if len(replies) == 0 {
		replies = []Reply{{}}
	}
	return &Provider{api: a, replies: replies}
}

// Requests returns what was asked so far.
func (p *Provider) Requests() []Sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Sent(nil), p.sent...)
}

// api is what the fakes differ in.
type api struct {
	path string // what the request's must end with
	key  string // the header that must be there; "" for none
	// check reads a request as the API does: its tools, whether a call is forced, and what the API would refuse it for.
	check func(body map[string]any) (tools []string, forced bool, problem string)
	// answer encodes an answer.
	answer func(answer) any
	// failure encodes what is wrong.
	failure func(f Fault, msg string) (status int, header map[string]string, body any)
}

var apis = map[Wire]api{Anthropic: anthropicAPI, Responses: responsesAPI, Chat: chatAPI, Gemini: geminiAPI, Ollama: ollamaAPI, Bedrock: bedrockAPI}

// answer is an answer before it is encoded.
type answer struct {
	n       int // counts from 1
	text    string
	calls   []called
	stop    Fault // Truncated, Refusal, or OK
	unknown bool  // with a block of a kind that nobody knows
	empty   bool
	grammar bool // the answer must be of a grammar, which Ollama has in place of a choice
}

type called struct{ id, name, args string }

// What each answer says was used: so much input that was not cached, read from the cache and written to it; so much output, of which so much
// was thought.
const (
	UsedFresh, UsedRead, UsedWritten = 120, 2000, 60
	UsedOutput, UsedThought          = 60, 10
)

// ServeHTTP answers one request.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	p.mu.Lock()
	p.sent = append(p.sent, Sent{Path: r.URL.EscapedPath(), Header: r.Header.Clone(), Body: raw})
	n := len(p.sent)
	reply := p.replies[min(n, len(p.replies))-1]
	p.mu.Unlock()

	var body map[string]any
	problem := ""
	switch {
	case r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, p.api.path):
		http.NotFound(w, r)
		return
	case p.api.key != "" && r.Header.Get(p.api.key) == "":
		p.fail(w, BadKey, "no key")
		return
	case json.Unmarshal(raw, &body) != nil:
		problem = "the body is no JSON object"
	}
	tools, forced := []string(nil), false
	if problem == "" {
		tools, forced, problem = p.api.check(body)
	}
	if problem != "" {
		p.fail(w, OK, problem)
		return
	}
	if reply.Fault == NoForcing && !forced {
		reply.Fault = OK
	}
	p.reply(w, r, reply, raw, tools, n)
}

func (p *Provider) reply(w http.ResponseWriter, r *http.Request, reply Reply, raw []byte, tools []string, n int) {
	a := p.compose(reply, tools, n)
	encoded, err := json.Marshal(p.api.answer(a))
	if err != nil {
		panic(err) // unreachable: answers encode
	}
	switch reply.Fault {
	case LimitedSeconds, LimitedDate, LimitedMillis, LimitedLong:
		retryAfter(w.Header(), reply.Fault)
		p.fail(w, LimitedSeconds, "")
	case Quota, Overloaded, ServerError, BadKey, TooLong, NoForcing:
		p.fail(w, reply.Fault, "")
	case QuotesTheRequest:
		p.fail(w, OK, fmt.Sprintf("bad request with key %s: %s", r.Header.Get(p.api.key), raw))
	case GatewayPage:
		page(w, http.StatusBadGateway)
	case WebPage:
		page(w, http.StatusOK)
	case HangBefore:
		<-r.Context().Done()
	case HangWithin, CutBody:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", fmt.Sprint(len(encoded)))
		_, _ = w.Write(encoded[:len(encoded)/2])
		_ = http.NewResponseController(w).Flush()
		if reply.Fault == HangWithin {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler) // closes the connection
	case Reset:
		panic(http.ErrAbortHandler)
	case ErrorInside:
		_, _, body := p.api.failure(ServerError, "")
		encoded, _ = json.Marshal(body) // as above
		write(w, http.StatusOK, encoded)
	default:
		write(w, http.StatusOK, encoded)
	}
}

// grammarMark begins the names of tools that stand in a grammar.
const grammarMark = "{"

// compose makes an answer.
func (p *Provider) compose(reply Reply, tools []string, n int) answer {
	a := answer{n: n, text: reply.Text, unknown: reply.Fault == UnknownBlock}
	call := called{fmt.Sprintf("call_%d", n), reply.Tool, reply.Args}
	if call.name == "" && len(tools) > 0 && reply.Text == "" {
		call.name = tools[0]
	}
	if len(tools) > 0 && strings.HasPrefix(tools[0], grammarMark) {
		a.grammar, call.name = true, strings.TrimPrefix(call.name, grammarMark)
	}
	if call.args == "" {
		call.args = "{}"
	}
	switch reply.Fault {
	case MalformedArgs:
		call.args = `{"limit": 3`
	case WrongTypes:
		call.args = `{"limit":"many"}`
	case UnknownTool:
		call.name = "reboot_everything"
	case Truncated:
		a.stop, call.args = Truncated, "{}"
	case Refusal:
		a.stop, call.name, a.text = Refusal, "", "I would rather not."
	case EmptyAnswer:
		a.empty, call.name, a.text = true, "", ""
	}
	if call.name != "" {
		a.calls = append(a.calls, call)
		if reply.Fault == TwoCalls {
			call.id += "_b"
			a.calls = append(a.calls, call)
		}
	}
	if a.text == "" && call.name == "" && !a.empty {
		a.text = "Fine."
	}
	return a
}

func retryAfter(h http.Header, f Fault) {
	switch f {
	case LimitedSeconds:
		h.Set("Retry-After", "2")
	case LimitedDate:
		h.Set("Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat))
	case LimitedMillis:
		h.Set("Retry-After-Ms", "2000")
	case LimitedLong:
		h.Set("Retry-After", "120")
	}
}

func (p *Provider) fail(w http.ResponseWriter, f Fault, msg string) {
	status, header, body := p.api.failure(f, msg)
	for name, value := range header {
		w.Header().Set(name, value)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // unreachable: failures encode
	}
	write(w, status, raw)
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<html><body><h1>An error occurred</h1></body></html>"))
}

// Client returns a client that reaches the provider without a network, whatever the address; stop ends both.
func (p *Provider) Client() (client *http.Client, stop func()) {
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	// The log is of connections that are aborted on purpose.
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}}
	server.Start()
	transport := &http.Transport{DialContext: l.dial, DialTLSContext: l.dial}
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		server.Close()
	}
}
