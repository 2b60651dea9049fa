package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/beamlens/beamlens-go"

// file is one Go file.
type file struct {
	path  string // from the root of the repository
	pkg   string // its folder, "." for the root
	test  bool
	lines int
	ast   *ast.File
	fset  *token.FileSet
}

// sources reads all Go files of all modules.
func sources(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "_build" || name == "deps") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, file{path: rel, pkg: filepath.ToSlash(filepath.Dir(rel)), test: strings.HasSuffix(path, "_test.go"), lines: strings.Count(string(text), "\n"), ast: f, fset: fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d files found: is this the root?", len(out))
	}
	return out
}

func (f file) imports(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, i := range f.ast.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, path)
	}
	return out
}

// mayImport is the table of DESIGN.md: which packages of ours a package may import, in code that is no test. "x/*" stands for all
// below x.
var mayImport = map[string][]string{
	".":                    {},
	"detect":               {},
	"sandbox":              {},
	"llm":                  {},
	"erlang/etf":           {},
	"erlang/epmd":          {},
	"erlang":               {"erlang/*"},
	"erlang/probe":         {"erlang", "erlang/*"},
	"erlang/erlangtest":    {"erlang", "erlang/*"},
	"llm/analyst":          {"llm"},
	"llm/llmtest":          {"llm"},
	"internal/wirecheck":   {"*"},
	"ext/otel":             {"llm"},
	"ext/aws":              {"llm/bedrock"},
	"ext/gcp":              {},
	"ext/azure":            {},
	"llm/provider":         {"llm", "llm/*"},
	"llm/google":           {"llm", "llm/wire"},
	"llm/ollama":           {"llm", "llm/wire"},
	"llm/bedrock":          {"llm", "llm/wire"},
	"llm/wire":             {"llm"},
	"llm/anthropic":        {"llm", "llm/wire"},
	"llm/openai":           {"llm", "llm/wire"},
	"llm/price":            {"llm"},
	"llm/route":            {"llm", "llm/price"},
	"agent":                {"llm"},
	"claim":                {},
	"skill":                {"."},
	"skill/beam":           {".", "skill", "erlang/etf"},
	"skill/sqldb":          {".", "skill"},
	"skill/goruntime":      {".", "skill"},
	"skill/host":           {".", "skill"},
	"skill/skilltest":      {"skill", "sandbox"},
	"recording":            {".", "skill"},
	"store":                {".", "detect"},
	"store/storetest":      {".", "store"},
	"watch":                {".", "skill", "detect"},
	"operator":             {".", "skill", "sandbox", "agent", "claim", "llm"},
	"coordinator":          {".", "agent", "claim", "llm"},
	"engine":               {".", "skill", "recording", "detect", "watch", "sandbox", "llm", "llm/analyst", "llm/redact", "llm/route", "agent", "operator", "coordinator", "store"},
	"internal/scenario":    {".", "skill", "skill/beam", "skill/goruntime", "skill/host", "skill/sqldb", "erlang", "erlang/probe", "engine", "examples/shop", "examples/shop-go", "recording", "sandbox", "store", "llm"},
	"examples/shop":        {"erlang", "erlang/etf"},
	"examples/shop-go":     {"engine", "skill", "skill/goruntime", "skill/host", "skill/sqldb"},
	"examples/shop-go/cmd": {".", "engine", "examples/shop-go"},
	"ext/postgres":         {},
	"ext/postgres/cluster": {".", "engine", "ext/postgres", "internal/scenario", "skill", "skill/sqldb"},
	"ext/sqlite":           {"store"},
	"web":                  {"."},
	"web/live":             {".", "web", "engine", "agent", "llm", "skill"},
	"cmd/beamlens":         {"*"},
	"internal/arch":        {},
	"internal/e2e":         {"*"},
	"llm/redact":           {"llm"},
}

func TestImports(t *testing.T) {
	for _, f := range sources(t) {
		allowed, known := mayImport[f.pkg]
		if !known {
			t.Errorf("%s: package %s has no line in the table of imports", f.path, f.pkg)
			continue
		}
		if f.test {
			continue
		}
		for _, path := range f.imports(t) {
			if path != module && !strings.HasPrefix(path, module+"/") {
				continue
			}
			own := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
			if own == "" {
				own = "."
			}
			if !slices.ContainsFunc(allowed, func(a string) bool {
				below, wild := strings.CutSuffix(a, "*")
				return a == own || wild && strings.HasPrefix(own, below)
			}) {
				t.Errorf("%s imports %s; %s may import %v", f.path, own, f.pkg, allowed)
			}
		}
	}
}

// doors says where a module of others may enter.
var doors = map[string][]string{
	"github.com/thejerf/suture/v4":           {"engine", "examples/shop-go"},
	"github.com/yuin/gopher-lua":             {"internal/e2e"},
	"github.com/jackc/pgx/v5":                {"ext/postgres", "ext/postgres/cluster"},
	"modernc.org/sqlite":                     {"ext/sqlite"},
	"github.com/aws/aws-sdk-go-v2":           {"ext/aws", "internal/wirecheck"},
	"golang.org/x/oauth2":                    {"ext/gcp"},
	"github.com/Azure/azure-sdk-for-go":      {"ext/azure"},
	"github.com/anthropics/anthropic-sdk-go": {"internal/wirecheck"},
	"github.com/openai/openai-go/v3":         {"internal/wirecheck"},
	"google.golang.org/genai":                {"internal/wirecheck"},
	"github.com/ollama/ollama":               {"internal/wirecheck"},
	"github.com/aws/smithy-go":               {"internal/wirecheck"},
	"go.opentelemetry.io/otel":               {"ext/otel"},
	"github.com/spf13/cobra":                 {"cmd/beamlens"},
	"github.com/okeuday/erlang_go":           {"internal/e2e"},
	"github.com/rogpeppe/go-internal":        {"internal/e2e"},
}

func TestDoors(t *testing.T) {
	for _, f := range sources(t) {
		for _, path := range f.imports(t) {
			if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") || path == module || strings.HasPrefix(path, module+"/") {
				continue
			}
			known := false
			for door, rooms := range doors {
				if path == door || strings.HasPrefix(path, door+"/") {
					known = true
					if !slices.Contains(rooms, f.pkg) {
						t.Errorf("%s imports %s, which enters at %v only", f.path, path, rooms)
					}
				}
			}
			if !known {
				t.Errorf("%s imports %s, which has no door: add it here, and say why in RATIONALE.md", f.path, path)
			}
		}
	}
}

// rootModules is all that a program gets which imports the library.
var rootModules = []string{module, "github.com/thejerf/suture/v4"}

func TestRootStaysLight(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := strings.Fields(string(out))
	slices.Sort(found)
	found = slices.Compact(found)
	want := slices.Sorted(slices.Values(rootModules))
	if !slices.Equal(found, want) {
		t.Errorf("the root module compiles %v; the list is %v", found, want)
	}
}

func TestRationaleHasALineForEachDependency(t *testing.T) {
	text := read(t, "RATIONALE.md")
	for door := range doors {
		if !strings.Contains(text, door) {
			t.Errorf("RATIONALE.md says nothing of %s", door)
		}
	}
}

// goStatements are allowed here: everybody else does his work in the goroutine that calls him.
var goStatements = []string{"engine", "erlang", "agent", "cmd/beamlens", "examples/shop-go"}

func TestGoStatements(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || slices.Contains(goStatements, f.pkg) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s:%d: a go statement; only %v start goroutines", f.path, f.fset.Position(g.Pos()).Line, goStatements)
			}
			return true
		})
	}
}

func TestPackageComments(t *testing.T) {
	has := map[string]bool{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		has[f.pkg] = has[f.pkg] || f.ast.Doc != nil
	}
	for pkg, ok := range has {
		if !ok {
			t.Errorf("package %s has no comment", pkg)
		}
	}
}

var (
	badType = regexp.MustCompile(`(?:^|[a-z])(Manager|Service|Handler|Helper|Base|Impl|Data|Info|Processor|Factory|Controller)(?:[A-Z]|$)`)
	badPkg  = regexp.MustCompile(`(^|/)(util|utils|common|helper|helpers|misc|shared|lib)($|/)`)
)

func TestNames(t *testing.T) {
	for _, f := range sources(t) {
		if badPkg.MatchString(f.pkg) {
			t.Errorf("%s: a package is named by what it provides", f.pkg)
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok && !f.test {
				if m := badType.FindString(strings.ToUpper(s.Name.Name[:1]) + s.Name.Name[1:]); m != "" {
					t.Errorf("%s: type %s: %s says nothing", f.path, s.Name.Name, m)
				}
			}
			return true
		})
	}
}

// The sizes at which a file or an interface is no longer one concept.
const (
	maxLines   = 800
	maxMethods = 5
)

func TestSizes(t *testing.T) {
	for _, f := range sources(t) {
		if f.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d", f.path, f.lines, maxLines)
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			i, ok := s.Type.(*ast.InterfaceType)
			if !ok {
				return true
			}
			methods := 0
			for _, m := range i.Methods.List {
				if _, ok := m.Type.(*ast.FuncType); ok {
					methods++
				}
			}
			if methods > maxMethods {
				t.Errorf("%s: interface %s declares %d methods, more than %d", f.path, s.Name.Name, methods, maxMethods)
			}
			return true
		})
	}
}

// TestConfigurationIsReadInOnePlace: flags and environment are the program's, not the library's.
func TestConfigurationIsReadInOnePlace(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.pkg == "cmd/beamlens" || f.pkg == "erlang/erlangtest" || f.pkg == "internal/e2e" {
			continue
		}
		if slices.Contains(f.imports(t), "flag") {
			t.Errorf("%s imports flag", f.path)
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "Getenv" || s.Sel.Name == "LookupEnv") {
				t.Errorf("%s:%d reads the environment", f.path, f.fset.Position(s.Pos()).Line)
			}
			return true
		})
	}
}

// TestNoSleeps: a test waits for what it waits for. In a synctest bubble sleeping costs nothing and is exact.
func TestNoSleeps(t *testing.T) {
	for _, f := range sources(t) {
		if slices.Contains(f.imports(t), "testing/synctest") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Sleep" {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
				t.Errorf("%s:%d: time.Sleep", f.path, f.fset.Position(s.Pos()).Line)
			}
			return true
		})
	}
}

// TestModelsAreSpokenToInPromptFiles: a switch on the name of a tool belongs into the tool.
func TestNoSwitchOnToolNames(t *testing.T) {
	tools := []string{"set_state", "fire_alert", "get_alerts", "take_snapshot", "get_snapshot", "get_snapshots", "execute", "wait", "think", "done",
		"update_alert_statuses", "produce_insight", "invoke_operators"}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			c, ok := n.(*ast.CaseClause)
			if !ok {
				return true
			}
			for _, e := range c.List {
				if lit, ok := e.(*ast.BasicLit); ok && slices.Contains(tools, strings.Trim(lit.Value, `"`)) {
					t.Errorf("%s:%d: case %s", f.path, f.fset.Position(e.Pos()).Line, lit.Value)
				}
			}
			return true
		})
	}
}

func TestArchitectureNamesEveryPackage(t *testing.T) {
	text := read(t, "ARCHITECTURE.md")
	if n := strings.Count(text, "\n"); n > 200 {
		t.Errorf("ARCHITECTURE.md has %d lines, more than 200", n)
	}
	for pkg := range mayImport {
		if pkg != "." && !strings.Contains(text, "`"+pkg+"`") {
			t.Errorf("ARCHITECTURE.md does not name `%s`", pkg)
		}
	}
	// And nothing that is not there.
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\|").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil {
			t.Errorf("ARCHITECTURE.md names `%s`, which is not there", m[1])
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
