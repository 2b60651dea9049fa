local memory = beam_get_memory()
local top = beam_top_processes(10, "memory")
local best, held = nil, 0
for _, p in ipairs(top.processes) do
  local ok, d = pcall(beam_process, p.pid)
  if ok and d.binary_kb > held then
    best, held = d, d.binary_kb
  end
end
local grown = finding.value - finding.ordinary
if best == nil or held / 1024 < grown * 0.2 then
  return {
    type = "binary_growth",
    summary = string.format("Binaries grew by %d MB to %d MB. Which process holds them is not known.", grown, memory.binary_mb),
    observation = string.format("Of the processes with the most memory, none refers to more than %d MB of binaries.", held / 1024),
  }
end
local who = best.name or best.label or best.pid
return {
  type = "binary_growth",
  summary = string.format("Binaries grew by %d MB to %d MB; %s (%s) refers to %d MB of them.", grown, memory.binary_mb, who, best.pid, held / 1024),
  observation = string.format("%s refers to %d MB of binaries with a heap of %d MB.", who, held / 1024, best.total_heap_kb / 1024),
  hypothesis = "It keeps parts of large binaries, or is collected too rarely to let go of them.",
  culprit = {kind = "process", id = best.pid, name = best.name, facts = {binary_mb = math.floor(held / 1024), current_function = best.current_function}},
}
