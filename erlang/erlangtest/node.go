// Package erlangtest has nodes for tests: real ones, started for a test and killed after it, and one in memory that speaks the
// protocol and can be told to misbehave.
package erlangtest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Cookie of the nodes of this package.
const Cookie = "beamlens-test"

// Node is a real node.
type Node struct {
	Name string // name@host
	cmd  *exec.Cmd
	in   *os.File
	out  *bufio.Reader
}

var counter atomic.Int64

// Unique returns a node name that no other test uses.
func Unique() string { return fmt.Sprintf("bltest-%d-%d", os.Getpid(), counter.Add(1)) }

// Erl returns the erl to use: $BEAMLENS_ERL, or the one in the path. Without one the test is skipped, or fails if
// $BEAMLENS_NEED_ERLANG is set.
func Erl(t testing.TB) string {
	t.Helper()
	erl := os.Getenv("BEAMLENS_ERL")
	if erl == "" {
		erl = "erl"
	}
	path, err := exec.LookPath(erl)
	if err != nil {
		if os.Getenv("BEAMLENS_NEED_ERLANG") != "" {
			t.Fatal("Erlang is not installed: run scripts/setup")
		}
		t.Skip("Erlang is not installed: run scripts/setup")
	}
	return path
}

// StartNode starts a node with a short name, or, when args name one themselves, as they say.
func StartNode(t testing.TB, args ...string) *Node {
	t.Helper()
	name, host := Unique(), shortHost(t)
	flag := "-sname"
	for i, a := range args {
		if a == "-name" && i+1 < len(args) {
			flag, host = "-name", args[i+1]
			args = append(args[:i:i], args[i+2:]...)
			break
		}
	}
	return start(t, name, host, flag, args)
}

// Restart starts the node again, with the same name, after Kill.
func (n *Node) Restart(t testing.TB, args ...string) *Node {
	t.Helper()
	name, host, _ := strings.Cut(n.Name, "@")
	flag := "-sname"
	if strings.Contains(host, ".") {
		flag = "-name"
	}
	return start(t, name, host, flag, args)
}

// loop evaluates the lines that it reads and prints what they give, a line each.
const loop = `
	io:setopts([{encoding, unicode}]),
	io:format("ready~n"),
	F = fun F(B) ->
		case io:get_line("") of
			eof -> halt(0, [{flush, false}]);
			L ->
				{ok, T, _} = erl_scan:string(L), {ok, E} = erl_parse:parse_exprs(T),
				B2 = try {value, V, B1} = erl_eval:exprs(E, B), io:format("~0tp~n", [V]), B1
					catch C:R -> io:format("!~0tp~n", [{C, R}]), B end,
				F(B2)
		end
	end,
	F([]).`

func start(t testing.TB, name, host, flag string, args []string) *Node {
	t.Helper()
	full := name + "@" + host
	own := name
	if flag == "-name" {
		own = full
	}
	all := append([]string{"-noinput", "-boot", "start_clean", flag, own, "-setcookie", Cookie, "-kernel", "logger_level", "none"}, args...)
	all[0] = "-noshell"
	cmd := exec.Command(Erl(t), append(all, "-eval", strings.ReplaceAll(loop, "\n", " "))...)
	// Not among our sources: the node would load the probe from there.
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "ERL_CRASH_DUMP_BYTES=0")
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, outW
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	n := &Node{Name: full, cmd: cmd, in: inW, out: bufio.NewReaderSize(outR, 1<<20)}
	t.Cleanup(func() {
		n.Kill()
		inW.Close()
		outR.Close()
	})
	var seen strings.Builder
	for {
		line, err := n.out.ReadString('\n')
		seen.WriteString(line)
		if err != nil {
			t.Fatalf("node %s did not start: %s", full, seen.String())
		}
		if strings.TrimSpace(line) == "ready" {
			return n
		}
	}
}

// Eval evaluates Erlang expressions on the node, one line ending in a dot, and returns what they give as text. Variables are kept.
func (n *Node) Eval(t testing.TB, exprs string) string {
	t.Helper()
	if _, err := fmt.Fprintln(n.in, strings.ReplaceAll(exprs, "\n", " ")); err != nil {
		t.Fatalf("eval on %s: %v", n.Name, err)
	}
	line, err := n.out.ReadString('\n')
	if err != nil {
		t.Fatalf("eval on %s: %v", n.Name, err)
	}
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "!") {
		t.Fatalf("eval %s: %s", exprs, line)
	}
	return line
}

// Pid is the operating system's.
func (n *Node) Pid() int { return n.cmd.Process.Pid }

// Kill ends the node at once, as kill -9 does.
func (n *Node) Kill() {
	n.cmd.Process.Kill()
	n.cmd.Wait()
}

func shortHost(t testing.TB) string {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	short, _, _ := strings.Cut(host, ".")
	return short
}

// Eventually waits until ok says true, looking every few milliseconds, and fails after a while.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
