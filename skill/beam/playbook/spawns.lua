local r = beam_process_rates()
local g = beam_process_groups(3).groups
local first = g[1]
local hot = beam_top_reducers_window(3, 5000).processes[1]
if r.spawns_per_s == nil then
  return {nothing = true, reason = "the rates are not known yet"}
end
local whole = string.format("%.0f processes a second are started and %.0f end", r.spawns_per_s, r.exits_per_s)
local culprit
local who = ""
if r.growth_per_s > r.spawns_per_s / 2 and first and first.parent_pid and first.count > 500 then
  -- Those that stay tell who started them.
  local name = first.parent_name or first.parent_label or first.parent_pid
  who = string.format("; %d of those that are there were started by %s", first.count, name)
  culprit = {kind = "process", id = first.parent_pid, name = first.parent_name, facts = {processes = first.count, initial_call = first.initial_call}}
elseif hot then
  -- Those that are gone tell nothing. Starting them is work, and shows in who does most.
  local name = hot.name or hot.label or hot.pid
  who = string.format("; most work is done by %s (%s), in %s", name, hot.pid, hot.current_function or "?")
  culprit = {kind = "process", id = hot.pid, name = hot.name, facts = {reductions_per_s = hot.reductions_per_s, current_function = hot.current_function}}
end
return {
  type = "spawn_rate",
  severity = "warning",
  summary = whole .. who .. ".",
  observation = whole .. string.format(" over %.0f s.", r.over_ms / 1000),
  hypothesis = "Something starts a process for each small piece of work, or starts again what dies at once.",
  culprit = culprit,
}
