package sandbox

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files; those of the corpus need lua5.4")

// lua54 gives the reference, or skips the test where it is not installed and need not be.
func lua54(t *testing.T) (path string) {
	t.Helper()
	path, _ = findLua(t)
	return path
}

func findLua(t *testing.T) (path, version string) {
	t.Helper()
	for _, name := range []string{"lua5.4", "lua"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if v, err := exec.Command(path, "-v").CombinedOutput(); err == nil && strings.HasPrefix(string(v), "Lua 5.4") {
			return path, strings.Fields(string(v))[1]
		}
	}
	if os.Getenv("BEAMLENS_NEED_ERLANG") != "" {
		t.Fatal("lua5.4 is not installed: make setup")
	}
	t.Skip("lua5.4 is not installed, so there is nothing to compare with: make setup")
	return "", ""
}

// goldenVersion is the lua5.4 that the golden files are made by; others word a few errors otherwise.
const goldenVersion = "5.4.4"

// section is a program of the corpus, or its output.
type section struct{ name, text string }

func sections(t *testing.T, path string) []section {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []section
	for _, part := range strings.Split("\n"+string(text), "\n=== ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		out = append(out, section{name, body})
	}
	return out
}

var addresses = regexp.MustCompile(`((?:table|function|thread|builtin)): (?:builtin: )?0x[0-9a-f]+`)

// reference runs a program with lua5.4: what it printed, and its error on a line that begins with "! ".
func reference(t *testing.T, lua, program string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, chunk), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, lua, chunk)
	cmd.Args[0], cmd.Dir = "lua5.4", dir
	cmd.Env = append(os.Environ(), "TZ=UTC")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		msg, _, _ := strings.Cut(errs.String(), "\nstack traceback:")
		out.WriteString("! " + strings.TrimPrefix(strings.TrimRight(msg, "\n"), "lua5.4: ") + "\n")
	}
	return addresses.ReplaceAllString(out.String(), "$1: PTR")
}

// ours is reference with the sandbox.
func ours(t *testing.T, program string) string {
	t.Helper()
	res, err := Run(t.Context(), program, nil, Limits{Time: 10 * time.Second, Output: 1 << 20, Source: 1 << 20})
	out := res.Printed
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		out += fmt.Sprintf("! %s:%d: %s\n", chunk, e.Line, e.Msg)
	}
	return addresses.ReplaceAllString(out, "$1: PTR")
}

// different are the programs of which the output is not Lua's, and why. Lines of errors are the same even so.
var different = map[string]string{
	"concat metamethod order":        "lua5.4 5.4.4 loses the rest of a concatenation whose metamethod concatenates",
	"remove edge positions":          "the argument that is wrong is the second one",
	"random errors":                  "the argument that is wrong is the second one",
	"gsub errors":                    "the message says where the index is wrong",
	"format errors":                  "one message for all that is wrong with a directive",
	"error in for in":                "pairs itself refuses nil, and says so",
	"error in table access by index": "Lua calls a field 'integer index' here",
	"syntax: not equal":              "the whole operator is named",
	"syntax: plus equal":             "the whole operator is named",
}

var position = regexp.MustCompile(`^! program:(\d+): `)

// sameOutput compares with the reference. An error of it without a position has one of ours nevertheless.
func sameOutput(got, want string) bool {
	if got == want {
		return true
	}
	i, j := strings.LastIndex("\n"+got, "\n! "), strings.LastIndex("\n"+want, "\n! ")
	if i < 0 || j < 0 || got[:i] != want[:j] || position.MatchString(want[j:]) {
		return false
	}
	return position.ReplaceAllString(got[i:], "! ") == want[j:]
}

// errorLine is the line of the error that ended a program, 0 if there is none.
func errorLine(out string) int {
	i := strings.LastIndex("\n"+out, "\n! ")
	if i < 0 {
		return 0
	}
	m := position.FindStringSubmatch(out[i:])
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// TestCorpus runs small programs and compares what they print, their error and its line with what Debian's lua5.4 gave. The golden
// files are made by it; where it is installed they are also verified.
func TestCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "corpus", "*.lua"))
	if err != nil {
		t.Fatal(err)
	}
	programs := 0
	for _, file := range files {
		golden := strings.TrimSuffix(file, ".lua") + ".golden"
		list := sections(t, file)
		programs += len(list)
		if *update {
			lua := lua54(t)
			var b strings.Builder
			for _, s := range list {
				fmt.Fprintf(&b, "=== %s\n%s", s.name, reference(t, lua, s.text))
			}
			if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".lua"), func(t *testing.T) {
			t.Parallel()
			wants := map[string]string{}
			for _, s := range sections(t, golden) {
				wants[s.name] = strings.TrimSuffix(s.text, "\n")
			}
			if len(wants) != len(list) {
				t.Fatalf("%d programs and %d outputs: go test ./sandbox -run TestCorpus -update", len(list), len(wants))
			}
			for _, s := range list {
				want := wants[s.name]
				got := strings.TrimSuffix(ours(t, s.text), "\n")
				if reason, is := different[s.name]; is {
					if got == want {
						t.Errorf("%s is the same now, in spite of %q", s.name, reason)
					}
					if g, w := errorLine(got), errorLine(want); g != w {
						t.Errorf("%s: line %d, want %d", s.name, g, w)
					}
					continue
				}
				if !sameOutput(got, want) {
					t.Errorf("%s\n%s\n--- got\n%s\n--- want\n%s", s.name, s.text, got, want)
				}
			}
		})
	}
	if programs < 500 {
		t.Errorf("only %d programs", programs)
	}
}

// TestGoldenIsLua verifies the golden files where lua5.4 is installed.
func TestGoldenIsLua(t *testing.T) {
	t.Parallel()
	lua, version := findLua(t)
	if version != goldenVersion {
		t.Skipf("the golden files are of Lua %s, here is %s", goldenVersion, version)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "corpus", "*.lua"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		wants := map[string]string{}
		for _, s := range sections(t, strings.TrimSuffix(file, ".lua")+".golden") {
			wants[s.name] = strings.TrimSuffix(s.text, "\n")
		}
		for _, s := range sections(t, file) {
			if got := strings.TrimSuffix(reference(t, lua, s.text), "\n"); got != wants[s.name] {
				t.Errorf("%s: %s gives\n%s\nthe golden file has\n%s", s.name, lua, got, wants[s.name])
			}
		}
	}
}
