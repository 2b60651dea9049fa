package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// embedded are programs in testdata/embed, each with all that the one before has: one that speaks HTTP, the engine in it, one wire of a
// language model in that.
var embedded = []string{"web", "core", "wire"}

// wireAdds is the most that a language model with all that goes around it may add to a program that has the engine.
const wireAdds = 1 << 20

// TestEmbeddedModules pins what a Go program gets with the engine and a language model: no module but suture, and less than a megabyte
// for the model. Run it with -v for the sizes.
func TestEmbeddedModules(t *testing.T) {
	dir := t.TempDir()
	sizes := map[string]int64{}
	for _, name := range embedded {
		list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./testdata/embed/"+name)
		out, err := list.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		modules := slices.DeleteFunc(strings.Fields(string(out)), func(m string) bool { return strings.HasSuffix(m, "/internal/e2e") })
		slices.Sort(modules)
		want := []string{"github.com/beamlens/beamlens-go", "github.com/thejerf/suture/v4"}
		if name == "web" {
			want = nil
		}
		if got := slices.Compact(modules); !slices.Equal(got, want) {
			t.Errorf("%s has the modules %v, want %v", name, got, want)
		}
		file := filepath.Join(dir, name)
		build := exec.CommandContext(t.Context(), "go", "build", "-o", file, "./testdata/embed/"+name)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		sizes[name] = info.Size()
		if out, err := exec.CommandContext(t.Context(), file).Output(); err != nil || string(out) != "ready\n" {
			t.Errorf("%s does not start: %q, %v", name, out, err)
		}
	}
	t.Logf("web %d bytes, with the engine %d, with a wire %d", sizes["web"], sizes["core"], sizes["wire"])
	if added := sizes["wire"] - sizes["core"]; added <= 0 || added > wireAdds {
		t.Errorf("a wire adds %d bytes, more than %d", added, wireAdds)
	}
}
