package etf_test

import (
	"bytes"
	"encoding/hex"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// golden reads what testdata/golden.escript wrote.
func golden(t testing.TB) map[string][]byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for line := range strings.Lines(string(raw)) {
		name, digits, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = b
	}
	return out
}

// count is the list 1..n.
func count(n int) []etf.Term {
	out := make([]etf.Term, n)
	for i := range out {
		out[i] = int64(i + 1)
	}
	return out
}

func bigInt(s string) *big.Int {
	v, ok := new(big.Int).SetString(s, 0)
	if !ok {
		panic(s)
	}
	return v
}

func repeat(t etf.Term, n int) etf.List {
	out := make(etf.List, n)
	for i := range out {
		out[i] = t
	}
	return out
}

var goldenTerms = map[string]etf.Term{
	"int 0": int64(0), "int 255": int64(255), "int 256": int64(256), "int -1": int64(-1),
	"int -2147483648": int64(-2147483648), "int 2147483648": int64(2147483648),
	"int 9223372036854775807": int64(9223372036854775807), "int -9223372036854775808": int64(-9223372036854775808),
	"int 18446744073709551616": bigInt("18446744073709551616"), "int -18446744073709551616": bigInt("-18446744073709551616"),
	"big 3000":  new(big.Int).Lsh(big.NewInt(1), 3000),
	"float 1.5": 1.5, "float -0.1": -0.1, "float, old": 1.5,
	"atom ok": etf.A("ok"), "atom empty": etf.A(""), "atom utf8": etf.A("héllo"), "atom snowman": etf.A("☃"),
	"atom 255 long": etf.A(strings.Repeat("☃", 255)), "atom, latin1": etf.A("café"),
	"binary": []byte("hello"), "binary empty": []byte{}, "bits": etf.BitString{Bytes: []byte{1, 2, 5 << 5}, Bits: 3},
	"nil": etf.List{}, "string": etf.List{int64('a'), int64('b'), int64('c')}, "list": etf.List{int64(1), etf.A("ok"), int64(300)},
	"improper":  etf.ImproperList{Items: []etf.Term{etf.A("a"), etf.A("b")}, Tail: etf.A("c")},
	"long list": etf.List(count(300)), "tuple empty": etf.Tuple{}, "tuple": etf.Tuple{etf.A("a"), int64(1)}, "tuple 300": etf.Tuple(count(300)),
	"map empty":    etf.Map{},
	"map":          etf.Map{{Key: etf.A("a"), Value: int64(1)}, {Key: []byte("b"), Value: etf.List{etf.A("c")}}},
	"map odd keys": etf.Map{{Key: etf.Tuple{int64(1), int64(2)}, Value: etf.List{}}, {Key: etf.List{int64(3)}, Value: etf.Map{}}},
	"export":       etf.Export{Module: etf.A("lists"), Function: etf.A("map"), Arity: 2},
	"compressed":   repeat(etf.A("abc"), 1000),
}

func TestGolden(t *testing.T) {
	files := golden(t)
	for name, want := range goldenTerms {
		if _, ok := files[name]; !ok {
			t.Errorf("golden.txt lacks %s", name)
			continue
		}
		got, rest, err := etf.Decode(files[name], nil)
		if err != nil || len(rest) > 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s, %d bytes left, %v", name, etf.Format(got), len(rest), err)
		}
	}
	node := etf.A("nonode@nohost")
	for name, ok := range map[string]func(etf.Term) bool{
		"pid":   func(t etf.Term) bool { p, ok := t.(etf.Pid); return ok && p.Node == node && p.ID > 0 },
		"port":  func(t etf.Term) bool { p, ok := t.(etf.Port); return ok && p.Node == node },
		"ref":   func(t etf.Term) bool { r, ok := t.(etf.Ref); return ok && r.Node == node && r.N == 3 },
		"alias": func(t etf.Term) bool { r, ok := t.(etf.Ref); return ok && r.Node == node && r.N == 3 },
		"fun":   func(t etf.Term) bool { _, ok := t.(etf.Fun); return ok && etf.Format(t) == "#Fun<erl_eval>" },
	} {
		got, _, err := etf.Decode(files[name], nil)
		if err != nil || !ok(got) {
			t.Errorf("%s: got %#v, %v", name, got, err)
		}
	}
}

// What we encode is what the node would have: except for atoms and floats, which OTP 25 wrote in older forms, and lists of bytes.
func TestGoldenEncode(t *testing.T) {
	for name, raw := range golden(t) {
		switch {
		case name == "compressed", strings.Contains(name, "old"), strings.Contains(name, "list"), name == "string", name == "map odd keys", name == "alias",
			bytes.Contains(raw, []byte{100, 0}): // ATOM_EXT
			continue
		}
		term, _, err := etf.Decode(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := etf.Encode(term); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s: got %x, %v\nwant %x", name, got, err, raw)
		}
	}
}

// The forms that no node since OTP 25 sends, from the User's Guide.
func TestOldForms(t *testing.T) {
	node := append([]byte{119, 1}, 'n')
	n := etf.A("n")
	for name, tc := range map[string]struct {
		raw  []byte
		want etf.Term
	}{
		"PID_EXT":        {append(append([]byte{131, 103}, node...), 0, 0, 0, 7, 0, 0, 0, 8, 2), etf.Pid{Node: n, ID: 7, Serial: 8, Creation: 2}},
		"PORT_EXT":       {append(append([]byte{131, 102}, node...), 0, 0, 0, 7, 2), etf.Port{Node: n, ID: 7, Creation: 2}},
		"V4_PORT_EXT":    {append(append([]byte{131, 120}, node...), 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 2), etf.Port{Node: n, ID: 1<<32 + 7, Creation: 2}},
		"REFERENCE_EXT":  {append(append([]byte{131, 101}, node...), 0, 0, 0, 7, 2), etf.Ref{Node: n, N: 1, Words: [5]uint32{7}, Creation: 2}},
		"NEW_REFERENCE":  {append(append([]byte{131, 114, 0, 2}, node...), 2, 0, 0, 0, 7, 0, 0, 0, 8), etf.Ref{Node: n, N: 2, Words: [5]uint32{7, 8}, Creation: 2}},
		"five words":     {append(append([]byte{131, 90, 0, 5}, node...), append(make([]byte, 23), 9)...), etf.Ref{Node: n, N: 5, Words: [5]uint32{4: 9}}},
		"SMALL_ATOM_EXT": {[]byte{131, 115, 2, 'c', 0xe9}, etf.A("cé")},
		"list in parts":  {[]byte{131, 108, 0, 0, 0, 1, 97, 1, 107, 0, 1, 2}, etf.List{int64(1), int64(2)}},
	} {
		got, rest, err := etf.Decode(tc.raw, nil)
		if err != nil || len(rest) > 0 || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %#v, %v", name, got, err)
		}
	}
}
