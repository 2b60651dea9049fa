local top = gc_top_processes(5).processes
local p = top[1]
if p == nil or p.total_heap_size_kb < 10 * 1024 then
  return {nothing = true, reason = "no heap is large"}
end
local stats = gc_stats()
local who = p.name or p.label or p.pid
if p.name or p.label then who = who .. " (" .. p.pid .. ")" end
local long = gc_get_long_gcs(5).events
local paused = "No long collection was seen."
for _, e in ipairs(long) do
  if e.pid == p.pid and e.ms then
    paused = string.format("A collection of it took %d ms.", e.ms)
    break
  end
end
if finding.metric == "largest_heap_mb" and paused == "No long collection was seen." and p.survived_kb * 3 < p.total_heap_size_kb then
  return {nothing = true, reason = "most of the largest heap is room and garbage, as a batch leaves them, and its collections are short"}
end
local rate = ""
if stats.gcs_per_s then
  rate = string.format(" The node makes %d collections a second and frees %.1f MB.", stats.gcs_per_s, stats.reclaimed_mb_per_s)
end
local why = "It keeps what it makes, or works on a very large term."
if p.message_queue_len > 1000 then
  why = string.format("Its heap holds its mailbox: %d messages wait.", p.message_queue_len)
end
return {
  type = "gc_large_heap",
  severity = "warning",
  summary = string.format("%s has a heap of %.1f MB, of which %.1f MB survived its last collection. %s", who, p.total_heap_size_kb / 1024, p.survived_kb / 1024, paused),
  observation = string.format("%s: young heap %.1f MB, old heap %.1f MB, %.1f MB not used, %.1f MB made since the last collection, %d messages waiting; it is in %s.",
    who, p.heap_size_kb / 1024, p.old_heap_size_kb / 1024, p.unused_kb / 1024, p.uncollected_kb / 1024, p.message_queue_len, p.current_function or "?"),
  context = "fullsweep_after is " .. p.fullsweep_after .. "." .. rate,
  hypothesis = why,
  culprit = {kind = "process", id = p.pid, name = p.name, facts = {heap_mb = math.floor(p.total_heap_size_kb / 1024), survived_mb = math.floor(p.survived_kb / 1024), message_queue = p.message_queue_len, current_function = p.current_function}},
}
