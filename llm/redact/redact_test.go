package redact

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/llm/llmtest"
)

var outward = Options{Mails: true, Keep: []string{"shop@web-1.example.org"}}

// TestPlantedSecrets: in a text, in a value, as a key, in JSON within JSON, and once more.
func TestPlantedSecrets(t *testing.T) {
	if n := len(llmtest.Secrets()); n < 30 {
		t.Fatalf("only %d kinds", n)
	}
	for _, p := range llmtest.Secrets() {
		t.Run(p.Kind, func(t *testing.T) {
			if !strings.Contains(p.Text, p.Core) {
				t.Fatalf("%q is not in %q", p.Core, p.Text)
			}
			inner, _ := json.Marshal(map[string]any{"line": p.Text})
			outer, _ := json.Marshal(map[string]any{"content": string(inner)})
			value, _ := json.Marshal(outward.Value(map[string]any{"rows": []any{p.Text, map[string]any{"x": p.Text}}, p.Text: 1.5}))
			keyed, _ := json.Marshal(outward.Value(map[string]any{p.Text: p.Text}))
			for where, got := range map[string]string{
				"text": outward.Text(p.Text), "long text": outward.Text(strings.Repeat("some words ", 50) + p.Text + "\nmore"),
				"value": string(value), "value under itself": string(keyed), "JSON in JSON": string(outward.JSON(outer)), "JSON as text": outward.Text(string(outer)),
			} {
				quoted, _ := json.Marshal(p.Core)
				if strings.Contains(got, p.Core) || strings.Contains(got, string(quoted[1:len(quoted)-1])) {
					t.Errorf("%s: left in %s", where, got)
				}
			}
			once := outward.Text(p.Text)
			if twice := outward.Text(once); twice != once {
				t.Errorf("a second time changes it: %s, %s", once, twice)
			}
		})
	}
}

// TestUsefulThingsStay: what a person or a model needs to find a culprit.
func TestUsefulThingsStay(t *testing.T) {
	for _, s := range []string{
		"mailbox of Shop.Mailer (<0.187.0>) holds 48213 messages, 12.4 MB; grows by 3000 per second",
		"shop@web-1.example.org and shop@web-2.example.org are up, rabbit@host too",
		"Elixir.DBConnection.ConnectionPool.handle_info/2 in lib/db_connection/connection_pool.ex:128",
		"GenServer Shop.Cart.Server.V2 terminating: ** (FunctionClauseError) no function clause matching in Shop.Cart.add/3",
		"#PID<0.4321.0> #Reference<0.1234567890.123456789.12345> #Port<0.17> Shop.Repo.Replica1",
		"github.com/acme/shop/internal/cart.(*Server).Handle at /srv/shop/internal/cart/server.go:214 +0x1a3",
		"2026-11-24T23:36:24.123456Z 12:34:56.789 trace 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 id 00112233aabbccdd",
		"max_tokens=4096 input_tokens=1200 token_count: 17, tokens: 5, token bucket refill 30/s, password_resets_count=12",
		"beam_top_processes(5, \"message_queue\") took 12ms; process_utilization_pct 0.4; atom_limit 1048576",
		"SELECT id, total FROM orders WHERE customer_id = $1 AND created_at > now() - interval '1 day'",
		"key: value, keys 5, primary key violated: orders_pkey; partition key 7; cache key miss",
		"certificate expires 2027-01-01; password_min_length: 12; session_ttl_s=3600; cookie_count 3",
		"OTP 27.1.2, ERTS 15.1.2, Elixir 1.17.3, kernel 6.1.0-25-amd64, go1.26.8 linux/amd64",
		"Invalid token: expected end of input. The secret is out. Passwords must be long.",
		"order 1234567890123456 of 2026-11-24, amount 99.95, phone code 49, 100000000000 bytes, 1732490000123456789 ns",
		"4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
		"Phoenix.Endpoint.Cowboy2Adapter Postgrex.Protocol Ecto.Adapters.SQL.Sandbox1 ThousandIslandHTTP2ConnectionHandler2",
		"beam.message_queue_max_over_ordinary_in_percent_5m99 leads_to_memory_processes_used_total_v2",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ==================================== 00000000000000000000000000000000000000",
	} {
		if got := outward.Text(s); got != s {
			t.Errorf("%s\nbecomes %s", s, got)
		}
	}
	v := map[string]any{"trace_id": "0af7651916cd43dd8448eb211c80319c", "call_id": "toolu_01A09q90qw90lq917835lq9", "tokens": 17, "token_limit": 5.5, "n": json.Number("12345678901234567890"),
		"pool": []any{"a", true, nil, int64(5)}, "has_password": true, "domain": []any{"otp", "sasl"}, "otp": "27.1", "name": "Shop.Mailer", "value": 7.0, "password": nil}
	if got := Value(v); !reflect.DeepEqual(got, v) {
		t.Errorf("%v\nbecomes %v", v, got)
	}
	raw := []byte(`{"b": 1, "a": [1.0, 2e3, 12345678901234567890], "s": "x < y"}`)
	if got := JSON(raw); string(got) != string(raw) {
		t.Errorf("%s becomes %s", raw, got)
	}
}

func TestStructureTellsSecrets(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"by the key", `{"password":"x1","n":1}`, `{"n":1,"password":"[redacted:password]"}`},
		{"all below it", `{"credentials":{"user":"a1","levels":["b2"],"ok":true}}`, `{"credentials":{"levels":["[redacted:levels]"],"ok":true,"user":"[redacted:user]"}}`},
		{"name and value", `{"name":"api-key","value":"x1"}`, `{"name":"api-key","value":"[redacted:value]"}`},
		{"header pairs", `[["accept","*/*"],["authorization","x1"]]`, `[["accept","*/*"],["authorization","[redacted:value]"]]`},
		{"a count is none", `{"token":12,"password":12}`, `{"password":"[redacted:number]","token":12}`},
		{"two secrets as keys", `{"password=aaaaaa":1,"password=bbbbbb":2}`, `{"password=[redacted:password]":1,"password=[redacted:password]#2":2}`},
	} {
		var got, want any
		if err := json.Unmarshal(JSON([]byte(c.in)), &got); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		_ = json.Unmarshal([]byte(c.want), &want)
		if !reflect.DeepEqual(got, want) && c.name != "two secrets as keys" {
			t.Errorf("%s: got %v, want %v", c.name, got, want)
		}
		if m, ok := got.(map[string]any); ok && c.name == "two secrets as keys" && (len(m) != 2 || strings.Contains(string(JSON([]byte(c.in))), "aaaaaa")) {
			t.Errorf("%s: %v", c.name, m)
		}
	}
	type row struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	for _, v := range []any{row{"a", ""}, []row{{"a", ""}}, []float64{1}, map[string]int{"a": 1}, &row{Name: "a"}, time.Second} {
		if got := Value(v); !reflect.DeepEqual(got, v) {
			t.Errorf("%#v becomes %#v", v, got)
		}
	}
	for _, v := range []any{row{"a", "hunter2secret"}, []row{{"a", "hunter2secret"}}, map[string]row{"x": {"a", "hunter2secret"}}, &row{Password: "hunter2secret"}, errorText("password=hunter2secret"), func() {}} {
		if raw, err := json.Marshal(Value(v)); err != nil || strings.Contains(string(raw), "hunter2secret") {
			t.Errorf("%#v becomes %s, %v", v, raw, err)
		}
	}
	var deep any = "x"
	for range 200 {
		deep = []any{deep}
	}
	Value(deep) // ends
}

type errorText string

// BenchmarkSnapshot is what each snapshot costs, of which some twenty are taken in a second.
func BenchmarkSnapshot(b *testing.B) {
	v := map[string]any{"largest_heap_name": "Shop.Mailer", "largest_heap_pid": "<0.144.0>", "node": "shop@web-1", "current_function": "Shop.Mailer.wait_for_smtp/0"}
	for i := range 36 {
		v["some_metric_of_processes_"+string(rune('a'+i%26))+string(rune('0'+i/26))] = float64(i) * 1.5
	}
	b.ReportAllocs()
	for b.Loop() {
		Value(v)
	}
}

func BenchmarkText(b *testing.B) {
	line := "2026-11-24T23:36:24.123Z [info] GET /orders/17 from Shop.Endpoint took=12ms user_id=5 status=200 key=value pid=<0.187.0> request_id=F9xKq2Lp\n"
	text := strings.Repeat(line, 70) // 10 KB
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Text(text)
	}
}

// FuzzText: whatever a system writes, redaction ends, leaves valid JSON valid, and has nothing to remove a second time.
func FuzzText(f *testing.F) {
	for _, s := range llmtest.Secrets() {
		f.Add(s.Text)
	}
	f.Add(`{"name":"password","value":{"a":[1,"x"]}}`)
	f.Fuzz(func(t *testing.T, s string) {
		once := outward.Text(s)
		if twice := outward.Text(once); twice != once {
			t.Errorf("%q becomes %q, and then %q", s, once, twice)
		}
		if raw := []byte(s); json.Valid(raw) && !json.Valid(outward.JSON(raw)) {
			t.Errorf("%q is no longer JSON: %q", s, outward.JSON(raw))
		}
	})
}
