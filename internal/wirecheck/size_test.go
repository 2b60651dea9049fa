package wirecheck

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/llm/llmtest"
)

// BenchmarkProgram builds a program on our wire and on the SDKs, and reports its size, the modules of others in it, the time until it is
// ready, and the time of one call of the fake from nothing.
func BenchmarkProgram(b *testing.B) {
	for _, p := range []struct {
		name string
		wire llmtest.Wire
	}{{"ours", llmtest.Anthropic}, {"anthropic", llmtest.Anthropic}, {"openai", llmtest.Responses}} {
		name, wire := p.name, p.wire
		b.Run(name, func(b *testing.B) {
			out, err := exec.CommandContext(b.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./testdata/program/"+name).Output()
			if err != nil {
				b.Fatal(err)
			}
			modules := slices.DeleteFunc(strings.Fields(string(out)), func(m string) bool { return strings.HasPrefix(m, "github.com/beamlens/") })
			slices.Sort(modules)
			file := filepath.Join(b.TempDir(), name)
			if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", file, "./testdata/program/"+name).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			info, err := os.Stat(file)
			if err != nil {
				b.Fatal(err)
			}
			server := httptest.NewServer(llmtest.NewProvider(wire))
			defer server.Close()
			run := func(args ...string) time.Duration {
				best := time.Hour
				for range 20 {
					began := time.Now()
					if out, err := exec.CommandContext(b.Context(), file, args...).CombinedOutput(); err != nil {
						b.Fatalf("%v\n%s", err, out)
					}
					best = min(best, time.Since(began))
				}
				return best
			}
			for b.Loop() {
				b.ReportMetric(float64(run().Microseconds())/1000, "ms/start")
				b.ReportMetric(float64(run("-url", server.URL).Microseconds())/1000, "ms/call")
			}
			b.ReportMetric(float64(info.Size())/1e6, "MB")
			b.ReportMetric(float64(len(slices.Compact(modules))), "modules")
			b.ReportMetric(0, "ns/op")
		})
	}
}
