local m = heap_memory()
if m.outside_mb == nil then
  return {nothing = true, reason = "this system does not tell it"}
end
return {
  type = "memory_outside_heap",
  summary = string.format("%s MB of the process are not the runtime's; it has %s MB.", m.outside_mb, m.total_mb),
  observation = string.format("The process has %s MB, of which the runtime has %s MB; alive are %s MB.", m.rss_mb, m.total_mb, m.live_mb),
  hypothesis = "Memory of C, or files that are mapped.",
}
