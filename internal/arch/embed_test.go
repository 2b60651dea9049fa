package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// embedded are all packages of ours that a Go program compiles which watches itself: no vendor's model, no driver, no dashboard, nothing of the BEAM.
var embedded = []string{
	".", "agent", "claim", "coordinator", "detect", "engine", "llm", "llm/analyst", "llm/price", "llm/redact", "llm/route", "operator", "recording", "sandbox", "skill", "skill/goruntime", "store", "watch",
}

// TestWhatAProgramCompiles pins what comes with the engine and the skills of a Go program, without cgo.
func TestWhatAProgramCompiles(t *testing.T) {
	list := func(format string) []string {
		cmd := exec.Command("go", "list", "-deps", "-f", format, "./engine", "./skill/goruntime")
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		found := strings.Fields(string(out))
		slices.Sort(found)
		return slices.Compact(found)
	}
	if got, want := list("{{with .Module}}{{.Path}}{{end}}"), slices.Sorted(slices.Values(rootModules)); !slices.Equal(got, want) {
		t.Errorf("it compiles the modules %v; the list is %v", got, want)
	}
	var own []string
	for _, path := range list("{{if .Module}}{{.ImportPath}}{{end}}") {
		if rest, ok := strings.CutPrefix(path, module); ok {
			own = append(own, strings.TrimPrefix(strings.ReplaceAll("."+rest, "./", ""), "/"))
		}
	}
	if want := slices.Sorted(slices.Values(embedded)); !slices.Equal(own, want) {
		t.Errorf("it compiles %v of ours; the list is %v", own, want)
	}
	for _, path := range list("{{if .Standard}}{{.ImportPath}}{{end}}") {
		if path == "runtime/cgo" || path == "html/template" || path == "net/http/pprof" || path == "expvar" {
			t.Errorf("it compiles %s", path)
		}
	}
}
