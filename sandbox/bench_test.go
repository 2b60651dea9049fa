package sandbox

import "testing"

// BenchmarkRun measures a run from the program's text to its result; those beside other engines are in internal/e2e.
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct{ name, program string }{
		{"empty", `return 1`},
		{"investigation", `local rows = runtime_top_goroutines(10)
local byState, worst = {}, nil
for _, r in ipairs(rows) do
  byState[r.state] = (byState[r.state] or 0) + 1
  if not worst or r.wait_ms > worst.wait_ms then worst = r end
end
return {states = byState, worst = worst, note = string.format("%d rows, worst waits %d ms", #rows, worst.wait_ms)}`},
		{"patterns", `local n = 0
local line = "2024-05-01 12:00:00 [error] <0.123.0> process my_server terminating: badmatch"
for i = 1, 300 do
  local y, m, d = line:match("(%d+)-(%d+)-(%d+)")
  if line:find("%[error%]") then n = n + tonumber(d) end
  n = n + #line:gsub("%w+", "x")
end
return n`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			functions := hostFunctions()
			for b.Loop() {
				if _, err := Run(b.Context(), c.program, functions, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
