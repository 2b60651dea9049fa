package etf_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// oracle is a real node that makes terms and checks ours; testdata/roundtrip.erl says how it is asked.
type oracle struct {
	in  io.Writer
	out *bufio.Reader
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	source, err := os.ReadFile("testdata/roundtrip.erl")
	if err != nil {
		t.Fatal(err)
	}
	source = regexp.MustCompile(`(?m)^%%.*$`).ReplaceAll(source, nil)
	cmd := exec.Command(erlangtest.Erl(t), "-noinput", "-boot", "start_clean", "-eval", string(source))
	cmd.Env = append(os.Environ(), "ERL_CRASH_DUMP_BYTES=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &oracle{in, bufio.NewReaderSize(out, 1<<20)}
}

func (o *oracle) ask(t *testing.T, command byte, arg []byte) []byte {
	t.Helper()
	frame := binary.BigEndian.AppendUint32(nil, uint32(1+len(arg)))
	if _, err := o.in.Write(append(append(frame, command), arg...)); err != nil {
		t.Fatal(err)
	}
	var n uint32
	if err := binary.Read(o.out, binary.BigEndian, &n); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(o.out, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// Whatever a node sends comes back to it the same.
func TestTermsOfANode(t *testing.T) {
	o := newOracle(t)
	for seed := range uint32(4000) {
		raw := o.ask(t, 'g', binary.BigEndian.AppendUint32(nil, seed))
		term, rest, err := etf.Decode(raw, nil)
		if err != nil || len(rest) > 0 {
			t.Fatalf("seed %d: %d bytes left, %v: %x", seed, len(rest), err, raw[:min(len(raw), 200)])
		}
		if got := o.ask(t, 'c', encode(t, term)); string(got) != "ok" {
			t.Fatalf("seed %d: it was, and became: %.2000s\nwe read %s", seed, got, etf.Format(term))
		}
	}
}

// Whatever we encode, a node reads as that.
func TestTermsOfOurs(t *testing.T) {
	o := newOracle(t)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		term := random(r, 3)
		raw := o.ask(t, 'e', encode(t, term))
		got, _, err := etf.Decode(raw, nil)
		if err != nil {
			t.Fatalf("term %d, %s: %v", i, etf.Format(term), err)
		}
		if !reflect.DeepEqual(sorted(t, got), sorted(t, term)) {
			t.Fatalf("term %d, %s, came back as %s", i, etf.Format(term), etf.Format(got))
		}
	}
}

// random makes a term of what decoding gives, so that it can be compared.
func random(r *rand.Rand, depth int) etf.Term {
	if depth > 0 {
		switch r.IntN(7) {
		case 0:
			return etf.List(randoms(r, depth, 6))
		case 1:
			return etf.Tuple(randoms(r, depth, 6))
		case 2:
			return etf.Tuple(repeat(random(r, 0), r.IntN(300)))
		case 3:
			return etf.ImproperList{Items: append(randoms(r, depth, 3), int64(1)), Tail: int64(r.IntN(1000))}
		case 4:
			m := etf.Map{}
			for i, v := range randoms(r, depth, 4+40/depth/depth) {
				m = append(m, etf.Pair{Key: etf.Tuple{int64(i), random(r, depth-2)}, Value: v})
			}
			return m
		}
	}
	switch r.IntN(11) {
	case 0:
		return r.Int64() >> r.IntN(64)
	case 1:
		return -r.Int64() >> r.IntN(64)
	case 2:
		v := new(big.Int).Lsh(big.NewInt(r.Int64()|1), uint(64+r.IntN(4000)))
		if r.IntN(2) == 0 {
			v.Neg(v)
		}
		return v
	case 3:
		return r.NormFloat64()
	case 4:
		return randomBytes(r, r.IntN(40))
	case 5:
		b := etf.BitString{Bytes: randomBytes(r, 1+r.IntN(10)), Bits: uint8(1 + r.IntN(7))}
		b.Bytes[len(b.Bytes)-1] &= 0xff << (8 - b.Bits)
		return b
	case 6:
		return etf.A(fmt.Sprintf("ours_%d_☃", r.IntN(100)))
	case 7:
		return etf.Pid{Node: etf.A("other@host"), ID: r.Uint32() >> 4, Serial: r.Uint32() >> 20, Creation: r.Uint32() | 4}
	case 8:
		ref := etf.Ref{Node: etf.A("other@host"), Creation: r.Uint32() | 4, N: 3}
		ref.Words = [5]uint32{r.Uint32() >> 14, r.Uint32(), r.Uint32()}
		return ref
	case 9:
		return etf.Port{Node: etf.A("other@host"), ID: r.Uint64() >> 36, Creation: r.Uint32() | 4}
	default:
		return etf.Export{Module: etf.A("lists"), Function: etf.A("map"), Arity: r.IntN(256)}
	}
}

func randoms(r *rand.Rand, depth, limit int) []etf.Term {
	out := make([]etf.Term, r.IntN(limit))
	for i := range out {
		out[i] = random(r, depth-1)
	}
	return out
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// sorted orders the keys of maps, which a node keeps in an order of its own.
func sorted(t *testing.T, term etf.Term) etf.Term {
	switch term := term.(type) {
	case etf.List:
		return etf.List(sortedAll(t, term))
	case etf.Tuple:
		return etf.Tuple(sortedAll(t, term))
	case etf.ImproperList:
		return etf.ImproperList{Items: sortedAll(t, term.Items), Tail: sorted(t, term.Tail)}
	case etf.Map:
		out := make(etf.Map, len(term))
		for i, p := range term {
			out[i] = etf.Pair{Key: sorted(t, p.Key), Value: sorted(t, p.Value)}
		}
		slices.SortFunc(out, func(a, b etf.Pair) int {
			return bytes.Compare(encode(t, a.Key), encode(t, b.Key))
		})
		return out
	}
	return term
}

func sortedAll(t *testing.T, items []etf.Term) []etf.Term {
	out := make([]etf.Term, len(items))
	for i, x := range items {
		out[i] = sorted(t, x)
	}
	return out
}
