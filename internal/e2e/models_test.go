package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/ext/sqlite"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/llmtest"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/recording"
	"github.com/beamlens/beamlens-go/skill/beam"
)

// What the test of a kill tells the program that spends.
const (
	spendStore    = "BEAMLENS_TEST_SPEND_STORE"
	spendProvider = "BEAMLENS_TEST_SPEND_PROVIDER"
)

var spendLimits = route.Limits{Hour: route.Amount{Tokens: 150_000, Calls: 400}}

// TestMain of this package runs the spender when it is told to: see main_test.go.
func spender() {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, os.Getenv(spendStore))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	b, err := route.NewBudget(ctx, route.BudgetOptions{Limits: spendLimits, Ledger: s})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	wire := llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		most := req.Size() + req.MaxTokens
		res, err := http.Post(os.Getenv(spendProvider), "text/plain", strings.NewReader(fmt.Sprint(most)))
		if err != nil {
			return nil, &llm.Error{Kind: llm.ErrNetwork, Err: err}
		}
		defer res.Body.Close()
		var u llm.Usage
		if err := json.NewDecoder(res.Body).Decode(&u); err != nil {
			return nil, &llm.Error{Kind: llm.ErrNetwork, Err: err}
		}
		return &llm.Response{Usage: u}, nil
	})
	m := route.Client(wire, route.ClientOptions{Budget: b, Turns: 8})
	fmt.Println("spending")
	var wg sync.WaitGroup
	for o := range 8 {
		wg.Go(func() {
			for {
				_, err := m.Turn(ctx, &llm.Request{System: strings.Repeat("x", rand.IntN(6000)), MaxTokens: 500, Operator: fmt.Sprint(o), Run: fmt.Sprint(o)})
				if err != nil && strings.HasPrefix(err.Error(), string(llm.ErrBudget)) {
					fmt.Println("spent")
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestBudgetHoldsOverKills: a program that spends is killed with SIGKILL again and again, while calls are on their way. What its provider has
// billed never exceeds the limit, and the store knows it.
func TestBudgetHoldsOverKills(t *testing.T) {
	var mu sync.Mutex
	billed, requests := int64(0), 0
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var most int64
		_, _ = fmt.Sscan(string(raw), &most)
		u := llm.Usage{Known: true, Input: 1 + rand.Int64N(most)}
		mu.Lock()
		billed += u.Input // as soon as it is asked, whether anybody hears the answer or not
		requests++
		mu.Unlock()
		select {
		case <-time.After(time.Duration(rand.IntN(30)) * time.Millisecond):
		case <-r.Context().Done():
		}
		_ = json.NewEncoder(w).Encode(u)
	}))
	defer provider.Close()
	file := filepath.Join(t.TempDir(), "spend.db")
	life := func(kill time.Duration) (spent bool) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), spendStore+"="+file, spendProvider+"="+provider.URL)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if kill > 0 {
			lines := bufio.NewScanner(out)
			lines.Scan() // it spends
			time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
		}
		text, _ := io.ReadAll(out)
		_ = cmd.Wait()
		return strings.Contains(string(text), "spent")
	}
	for i := range 4 {
		life(time.Duration(20+30*i) * time.Millisecond)
	}
	if !life(0) {
		t.Error("the last life did not come to the limit")
	}
	s, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	calls, err := route.ReadCalls(t.Context(), s, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	counted, reserved := int64(0), 0
	for _, c := range calls {
		counted += c.Input + c.Output
		if c.State == route.CallReserved {
			reserved++
		}
	}
	mu.Lock()
	defer mu.Unlock()
	t.Logf("billed %d of %d tokens in %d requests; the store counts %d in %d calls, %d of them cut off by a kill", billed, spendLimits.Hour.Tokens, requests, counted, len(calls), reserved)
	if billed > counted || counted > spendLimits.Hour.Tokens || requests > len(calls) || len(calls) > spendLimits.Hour.Calls {
		t.Error("the limit did not hold")
	}
	if reserved == 0 {
		t.Error("no kill met a call on its way: this test has shown nothing")
	}
}

// described is a model that says what it is.
type described struct {
	llm.Model
	llm.About
}

func (d described) Describe() llm.About { return d.About }

// TestCostAndTranscript: what a run took and what was said in it can be read from the store, by the program.
func TestCostAndTranscript(t *testing.T) {
	raw, err := os.Open(filepath.Join("..", "scenario", "testdata", "demo.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	rec, err := recording.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "beamlens.db")
	s, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	budget, err := route.NewBudget(t.Context(), route.BudgetOptions{Ledger: s})
	if err != nil {
		t.Fatal(err)
	}
	script := llmtest.NewScript(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		r, err := llmtest.Call("think", map[string]string{"thought": "api_key=hunter2secret " + fmt.Sprint(len(req.Messages))})(ctx, req)
		r.Model, r.Usage = "claude-haiku-4-5", llm.Usage{Known: true, Input: 10_000, CacheRead: 8000, Output: 100}
		return r, err
	})
	wire := described{script, llm.About{Provider: "anthropic", Model: "claude-haiku-4-5", ForcedTool: true}}
	told := 0
	_, err = engine.Replay(t.Context(), rec, engine.Options{Skills: beam.All(nil), Store: s, Budget: budget, Model: route.Client(wire, route.ClientOptions{Budget: budget}), OnEvent: func(ev beamlens.Event) {
		if ev.Name == "llm.call" {
			told++
			if usd, _ := ev.Fields["cost_usd"].(float64); usd < 0.003299 || usd > 0.003301 {
				t.Errorf("a call is told to cost %v $", ev.Fields["cost_usd"])
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := s.Alerts(t.Context(), beamlens.AlertFilter{})
	if err != nil || len(alerts) == 0 {
		t.Fatal("no alerts", err)
	}
	calls, err := route.ReadCalls(t.Context(), s, time.Time{})
	if err != nil || len(calls) == 0 {
		t.Fatal("no calls", err)
	}
	s.Close()
	run := func(args ...string) string {
		out, err := exec.Command(program(t), append(args, "--store", file)...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
		return string(out)
	}
	n := len(script.Asked())
	cost := run("cost")
	for _, want := range []string{"anthropic claude-haiku-4-5", fmt.Sprintf("%.4f $", float64(n)*0.0033), "operators", fmt.Sprint(8000 * n)} {
		if !strings.Contains(cost, want) {
			t.Errorf("cost says %s, want %q", cost, want)
		}
	}
	var b struct {
		Total struct {
			Calls int
			USD   float64
		}
	}
	if err := json.Unmarshal([]byte(run("cost", "--json")), &b); err != nil || b.Total.Calls != n || told != n {
		t.Errorf("%d calls in the bill, %d told, %d made, %v", b.Total.Calls, told, n, err)
	}
	text := run("transcript", alerts[0].ID)
	for _, want := range []string{"run " + alerts[0].TraceID, "calls fire_alert", "beamlens-analyst"} {
		if !strings.Contains(text, want) {
			t.Errorf("the transcript lacks %q:\n%.3000s", want, text)
		}
	}
	text = run("transcript", calls[0].Run)
	for _, want := range []string{"calls think", "claude-haiku-4-5, 10000 tokens in (8000 cached), 100 out, 0.00330 $"} {
		if !strings.Contains(text, want) {
			t.Errorf("the transcript lacks %q:\n%.3000s", want, text)
		}
	}
	if all := run("transcript", calls[0].Run, "--json"); strings.Contains(all+text, "hunter2secret") {
		t.Error("a secret is in the transcript")
	}
	if list := run("transcript"); !strings.Contains(list, alerts[0].TraceID) {
		t.Errorf("the list of runs is %s", list)
	}
}

// TestPayload: what would leave is shown, byte for byte, and nothing leaves.
func TestPayload(t *testing.T) {
	n := erlangtest.StartNode(t)
	cookie := filepath.Join(t.TempDir(), "cookie")
	if err := os.WriteFile(cookie, []byte(erlangtest.Cookie), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := 0
	provider := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer provider.Close()
	_, host, _ := strings.Cut(n.Name, "@")
	for _, c := range []struct {
		model string
		flags []string
	}{{"anthropic/claude-haiku-5-5", nil}, {"openai/gpt-5-mini", []string{"--numbers-only"}}} {
		args := append([]string{"payload", n.Name, "beam", "--cookie-file", cookie, "--look", "3s", "--skills", "beam", "--model", c.model, "--model-option", "base_url=" + provider.URL}, c.flags...)
		cmd := exec.Command(program(t), args...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, errorText(err))
		}
		var body map[string]any
		if err := json.Unmarshal(out, &body); err != nil {
			t.Fatalf("%s: no JSON: %v: %.500s", c.model, err, out)
		}
		if _, model, _ := strings.Cut(c.model, "/"); body["model"] != model {
			t.Errorf("%s: for the model %v", c.model, body["model"])
		}
		for _, want := range []string{"fire_alert", "beam_top_processes", "data-"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %q is not in it: %.2000s", c.model, want, out)
			}
		}
		for _, private := range []string{"@" + host, erlangtest.Cookie, "not-needed"} {
			if strings.Contains(string(out), private) {
				t.Errorf("%s: %q would leave", c.model, private)
			}
		}
	}
	if asked != 0 {
		t.Errorf("%d requests were sent", asked)
	}
}

func errorText(err error) string {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return string(e.Stderr)
	}
	return ""
}
