local memory = beam_get_memory()
local top = beam_binary_top_memory(5)
local best = top.processes[1]
local grown = finding.value - finding.ordinary
local held = best and best.binary_kb / 1024 or 0
if best == nil or held < grown * 0.2 then
  return {
    type = "binary_growth",
    summary = string.format("Binaries grew by %.0f MB to %.0f MB. Which process holds them is not known.", grown, memory.binary_mb),
    observation = string.format("None of %.0f processes refers to more than %.0f MB of binaries. They may be in mailboxes, tables or persistent terms.", top.seen, held),
  }
end
local who = best.name or best.label or best.pid
local heap = best.total_heap_size_kb / 1024
local idle = ""
local hypothesis = "It keeps parts of large binaries, or is collected too rarely to let go of them."
if best.no_gc_for_s and best.no_gc_for_s >= 10 then
  idle = string.format(" It was not collected for %.0f s at least", best.no_gc_for_s)
  if best.idle_for_s and best.idle_for_s >= 10 then idle = idle .. string.format(" and has done nothing for %.0f s", best.idle_for_s) end
  idle = idle .. "."
  hypothesis = "Its heap is too small to be collected often, and what it refers to outside of it stays."
end
local others = {}
for i = 2, #top.processes do
  local p = top.processes[i]
  if p.binary_kb * 4 > best.binary_kb then others[#others + 1] = string.format("%s %.0f MB", p.name or p.label or p.pid, p.binary_kb / 1024) end
end
return {
  type = "binary_growth",
  severity = "warning",
  summary = string.format("Binaries grew by %.0f MB to %.0f MB; %s (%s) refers to %.0f MB of them.", grown, memory.binary_mb, who, best.pid, held) .. idle,
  observation = string.format("%s refers to %.0f MB of binaries with a heap of %.1f MB.", who, held, heap),
  context = #others > 0 and ("Others: " .. table.concat(others, ", ") .. ".") or "No other process refers to nearly as much.",
  hypothesis = hypothesis,
  culprit = {kind = "process", id = best.pid, name = best.name, facts = {binary_mb = math.floor(held), heap_kb = best.total_heap_size_kb, no_gc_for_s = best.no_gc_for_s, current_function = best.current_function}},
}
