local s = beam_get_schedulers()
local top = beam_top_processes(5, "reductions_rate")
local p = top.processes[1]
if p == nil or p.reductions_per_s == nil then
  return {nothing = true, reason = "no process stands out"}
end
local who = p.name or p.label or p.pid
local list = {}
for i, q in ipairs(top.processes) do
  list[i] = string.format("%s %d", q.name or q.label or q.pid, q.reductions_per_s or 0)
end
return {
  type = "scheduler_overload",
  severity = "warning",
  summary = string.format("%d processes wait for %d schedulers. Most work is done by %s (%s), in %s.", s.run_queue, s.schedulers_online, who, p.pid, p.current_function or "?"),
  observation = "Reductions per second: " .. table.concat(list, ", ") .. ".",
  culprit = {kind = "process", id = p.pid, name = p.name, facts = {reductions_per_s = p.reductions_per_s, current_function = p.current_function}},
}
