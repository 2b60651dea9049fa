package etf_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

func TestEncodeTakesGoValues(t *testing.T) {
	for _, tc := range []struct{ give, want etf.Term }{
		{"text", []byte("text")}, {7, int64(7)}, {true, etf.A("true")}, {false, etf.A("false")}, {etf.List(nil), etf.List{}},
		{etf.ImproperList{Items: []etf.Term{1}, Tail: etf.List{2}}, etf.List{int64(1), int64(2)}},
		{etf.BitString{Bytes: []byte{1}, Bits: 8}, []byte{1}}, {bigInt("12"), int64(12)},
		{etf.Map{{Key: "k", Value: "v"}}, etf.Map{{Key: []byte("k"), Value: []byte("v")}}},
	} {
		got, _, err := etf.Decode(encode(t, tc.give), nil)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%v became %v, %v", tc.give, got, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	loop := etf.List{nil}
	loop[0] = loop
	for _, bad := range []etf.Term{nil, struct{}{}, math.NaN(), math.Inf(1), loop, etf.Fun{}, etf.Ref{}, etf.Ref{N: 6}, etf.BitString{}, etf.Export{Arity: 256},
		etf.Tuple{1, uint16(2)}} {
		dst := []byte("kept")
		if got, err := etf.Append(dst, bad); !errors.Is(err, etf.ErrEncode) || string(got) != "kept" {
			t.Errorf("%T: %q, %v", bad, got, err)
		}
	}
}

func TestMapGet(t *testing.T) {
	pid := etf.Pid{Node: etf.A("n"), ID: 1}
	m := etf.Map{{Key: etf.A("a"), Value: 1}, {Key: []byte("b"), Value: 2}, {Key: int64(3), Value: 3}, {Key: pid, Value: 4}, {Key: etf.Tuple{etf.A("x")}, Value: 5}, {Key: etf.A("true"), Value: 6}}
	for want, key := range map[int]etf.Term{1: etf.A("a"), 2: "b", 3: 3, 4: pid, 5: etf.Tuple{etf.A("x")}, 6: true} {
		if got, ok := m.Get(key); !ok || got != want {
			t.Errorf("%v gives %v", key, got)
		}
	}
	if _, ok := m.Get("a"); ok {
		t.Error("a binary is found as an atom")
	}
}

func TestPlain(t *testing.T) {
	n := etf.A("n")
	for _, tc := range []struct {
		term etf.Term
		want string // JSON
	}{
		{etf.A("ok"), `"ok"`}, {etf.A("true"), `true`}, {etf.A("undefined"), `null`}, {etf.A("nil"), `null`}, {etf.A("null"), `null`},
		{[]byte("grün"), `"grün"`}, {[]byte{0xff, 'a'}, `"\\xffa"`}, {int64(-3), `-3`}, {bigInt("18446744073709551616"), `"18446744073709551616"`}, {1.5, `1.5`},
		{etf.List{int64(1), etf.Tuple{}}, `[1,[]]`}, {etf.ImproperList{Items: []etf.Term{int64(1)}, Tail: int64(2)}, `[1,2]`},
		{etf.Map{{Key: etf.A("a"), Value: int64(1)}, {Key: []byte("b"), Value: int64(2)}, {Key: etf.Tuple{int64(1)}, Value: int64(3)}, {Key: etf.A("nil"), Value: int64(4)}}, `{"a":1,"b":2,"nil":4,"{1}":3}`},
		{etf.Pid{Node: n, ID: 123}, `"\u003c0.123.0\u003e"`}, {etf.Port{Node: n, ID: 5}, `"#Port\u003c0.5\u003e"`},
		{etf.Ref{Node: n, N: 2, Words: [5]uint32{7, 8}}, `"#Ref\u003c0.8.7\u003e"`}, {etf.Export{Module: etf.A("m"), Function: etf.A("f"), Arity: 1}, `"fun m:f/1"`},
		{etf.BitString{Bytes: []byte{1, 5 << 5}, Bits: 3}, `"\u003c\u003c1,5:3\u003e\u003e"`},
	} {
		got, err := json.Marshal(etf.Plain(tc.term))
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: got %s, %v, want %s", etf.Format(tc.term), got, err, tc.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tc := range []struct {
		term etf.Term
		want string
	}{
		{etf.A("ok"), "ok"}, {etf.A("Elixir.Shop"), "'Elixir.Shop'"}, {etf.A("it's\n"), `'it\'s\n'`}, {etf.A(""), "''"},
		{1.0, "1.0"}, {1e100, "1.0e+100"}, {-0.25, "-0.25"}, {int64(7), "7"}, {[]byte("a\x1b[m"), `<<"a\x1b[m">>`}, {[]byte{0xff, 1}, "<<255,1>>"},
		{etf.List{int64('h'), int64('i')}, `"hi"`}, {etf.List{int64(1), int64(2)}, "[1,2]"}, {etf.List{}, "[]"},
		{etf.ImproperList{Items: []etf.Term{etf.A("a")}, Tail: etf.A("b")}, "[a|b]"}, {etf.Tuple{etf.A("a"), etf.Map{{Key: etf.A("k"), Value: int64(1)}}}, "{a,#{k => 1}}"},
	} {
		if got := etf.Format(tc.term); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
	wide := etf.List{etf.A("x")}
	for range 30 {
		wide = append(wide, wide, wide) // 2^30 leaves
	}
	for _, term := range []etf.Term{wide, []byte(strings.Repeat("ü", 10_000)), etf.A(strings.Repeat("☃", 255)), repeat(int64('a'), 100_000)} {
		if got := etf.Format(term); len(got) > 4096 {
			t.Errorf("%d bytes", len(got))
		}
	}
}

func TestTooManyLiterals(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a name of 256 characters is an atom")
		}
	}()
	etf.A(strings.Repeat("a", 256))
}
