local worst = sysmon_stats().long_gc
local kind = "long_gc"
if finding.metric == "large_heap_1m" then kind = "large_heap" end
local found
for _, x in ipairs(sysmon_events(kind, 50).events) do
  if x.pid and (kind == "large_heap" or x.pid == worst.who) then
    found = x
    break
  end
end
if found == nil then
  return {nothing = true, reason = "no long collection is known any more"}
end
local who = found.name or found.label or found.pid
if kind == "large_heap" then
  return {
    type = "large_heap",
    summary = string.format("%s (%s) has a heap of %d MB.", who, found.pid, found.heap_mb or 0),
    observation = string.format("%s: heap %d MB, of which %d MB were live; it is in %s.", who, found.heap_mb or 0, found.used_mb or 0, found.current_function or "?"),
    hypothesis = "It keeps a large state, or works on a large term.",
    culprit = {kind = "process", id = found.pid, name = found.name, facts = {heap_mb = found.heap_mb, current_function = found.current_function}},
  }
end
return {
  type = "long_gc",
  severity = "warning",
  summary = string.format("%s (%s) spent %d ms of the last minute in %d long garbage collections; its heap is %d MB.", who, found.pid, worst.ms, worst.count, found.heap_mb or 0),
  observation = string.format("The last took %d ms, with %d MB in use of %d MB. It is in %s.", found.ms or 0, found.used_mb or 0, found.heap_mb or 0, found.current_function or "?"),
  hypothesis = "Its live heap is so large that every collection takes long; what it keeps belongs into a table or into several processes.",
  culprit = {kind = "process", id = found.pid, name = found.name, facts = {
    long_gc_ms = worst.ms, long_gcs = worst.count, heap_mb = found.heap_mb, current_function = found.current_function, message_queue = found.message_queue,
  }},
}
