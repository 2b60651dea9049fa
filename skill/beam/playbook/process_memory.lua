local memory = beam_get_memory()
local top = beam_top_processes(5, "memory")
local grown = finding.value - finding.ordinary
local p, silent
for _, x in ipairs(top.processes) do
  if x.memory_kb then
    p = p or x
  else
    silent = silent or x
  end
end
silent = silent or top.unanswering and top.unanswering[1]
if silent and (p == nil or p.memory_kb / 1024 < grown * 0.3) then
  -- A process with gigabytes is collected for seconds, and tells nothing meanwhile.
  local name = silent.name or silent.pid
  if silent.name then name = name .. " (" .. silent.pid .. ")" end
  return {
    type = "memory_growth",
    summary = string.format("Memory of processes grew by %d MB to %d MB; %s does not answer, and is probably being collected.", grown, memory.processes_mb, name),
    observation = string.format("%s does not let itself be read, and no process that does has more than %d MB.", name, p and p.memory_kb / 1024 or 0),
    hypothesis = "Its heap is so large that a garbage collection takes seconds; or it runs a native function.",
    culprit = {kind = "process", id = silent.pid, name = silent.name, facts = {answers = false}},
  }
end
if p == nil then
  return {nothing = true, reason = "no process tells its memory"}
end
local mb = p.memory_kb / 1024
local who = p.name or p.label or p.pid
if p.name or p.label then who = who .. " (" .. p.pid .. ")" end
local share = mb / math.max(memory.processes_mb, 1) * 100
if mb < grown * 0.3 then
  -- No single process explains the growth: perhaps there are too many.
  local g = beam_process_groups(1).groups[1]
  if g and g.count > 1000 and g.count > top.total_processes * 0.5 and g.parent_pid then
    local parent = g.parent_name or g.parent_label or g.parent_pid
    return {
      type = "memory_growth",
      summary = string.format("Memory of processes grew by %d MB: %d processes of %s, started by %s.", grown, g.count, g.initial_call, parent),
      observation = string.format("Processes take %d MB. %d of %d were started by %s (%s).", memory.processes_mb, g.count, top.total_processes, parent, g.parent_pid),
      hypothesis = parent .. " starts processes that do not end.",
      culprit = {kind = "process", id = g.parent_pid, name = g.parent_name, facts = {processes = g.count, initial_call = g.initial_call}},
    }
  end
  return {
    type = "memory_growth",
    summary = string.format("Memory of processes grew by %d MB to %d MB, and no single process holds it.", grown, memory.processes_mb),
    observation = string.format("The largest process, %s, has %d MB of %d MB.", who, mb, memory.processes_mb),
  }
end
local d = beam_process(p.pid)
local why = "Its own heap holds it: state that grows, or a large term that it works on."
if d.message_queue > 1000 then
  why = string.format("Its mailbox holds it: %d messages wait.", d.message_queue)
end
return {
  type = "memory_growth",
  severity = "warning",
  summary = string.format("Memory of processes grew by %d MB to %d MB; %s has %d MB of it.", grown, memory.processes_mb, who, mb),
  observation = string.format("%s has %d MB, %d %% of the memory of all processes, and %d messages waiting. It is in %s.", who, mb, share, d.message_queue, d.current_function or "a function that cannot be interrupted"),
  context = string.format("The node has %d MB: processes %d, binaries %d, tables %d, code %d.", memory.total_mb, memory.processes_mb, memory.binary_mb, memory.ets_mb, memory.code_mb),
  hypothesis = why,
  culprit = {kind = "process", id = p.pid, name = p.name, facts = {
    memory_mb = math.floor(mb), share_pct = math.floor(share), message_queue = d.message_queue, current_function = d.current_function,
  }},
}
