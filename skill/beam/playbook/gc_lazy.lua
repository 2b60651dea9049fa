local rows = gc_find_lazy_gc_processes(1, 0, 5).processes
local p = rows[1]
for _, r in ipairs(rows) do
  -- One that was collected a moment ago holds what it needs; one that was not for long may hold what nobody needs.
  if r.binary_kb > 2 * r.total_heap_size_kb and (r.no_gc_for_s or 0) >= 10 and r.binary_kb * 4 > p.binary_kb then
    p = r
    break
  end
end
if p == nil or p.binary_kb + p.uncollected_kb < 10 * 1024 then
  return {nothing = true, reason = "no process holds much"}
end
local who = p.name or p.label or p.pid
if p.name or p.label then who = who .. " (" .. p.pid .. ")" end
local long = p.no_gc_for_s or 0
local idle = ""
if p.idle_for_s and p.idle_for_s >= 10 then
  idle = string.format(" and has done nothing for %d s", p.idle_for_s)
end
return {
  type = "gc_lazy",
  severity = "warning",
  summary = string.format("%s refers to %.1f MB of binaries with a heap of %.1f MB, was not collected for %d s at least%s.", who, p.binary_kb / 1024, p.total_heap_size_kb / 1024, long, idle),
  observation = string.format("%s: %.1f MB of binaries, heap %.1f MB, %.1f MB made since the last collection, %d minor collections; it is in %s.",
    who, p.binary_kb / 1024, p.total_heap_size_kb / 1024, p.uncollected_kb / 1024, p.minor_gcs, p.current_function or "?"),
  hypothesis = "Its heap is too small to be collected often, and what it refers to outside of it stays. Hibernating it, or a collection now and then, would let go of them.",
  culprit = {kind = "process", id = p.pid, name = p.name, facts = {binary_mb = math.floor(p.binary_kb / 1024), heap_kb = p.total_heap_size_kb, no_gc_for_s = p.no_gc_for_s, idle_for_s = p.idle_for_s, current_function = p.current_function}},
}
