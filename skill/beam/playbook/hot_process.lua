local p
local busiest = beam_hottest_process()
for _, r in ipairs(beam_top_reducers_window(20, 10000).processes) do
  if p == nil or r.pid == busiest.pid then p = r end
end
if p == nil then
  return {nothing = true, reason = "no process stands out"}
end
local s = beam_get_schedulers()
local who = p.name or p.label or p.pid
if p.name or p.label then who = who .. " (" .. p.pid .. ")" end
local list, where = {}, p.current_function or "?"
for _, f in ipairs(beam_hot_functions(5, 200).functions) do
  if f.pid == p.pid then
    list[#list + 1] = f["function"]
    if #list == 1 then where = f["function"] end
  end
end
local waiting = ""
if p.message_queue and p.message_queue > 0 then waiting = string.format(" %.0f messages wait for it meanwhile.", p.message_queue) end
return {
  type = "hot_process",
  severity = "warning",
  summary = string.format("%s computes without a pause, in %s: it was running, or waiting for one of %.0f schedulers, in %.0f %% of the samples of the last ten seconds.", who, where, s.schedulers_online, busiest.pct or finding.value) .. waiting,
  observation = string.format("%s made %.0f reductions a second over the last ten seconds. It was seen in: %s.", who, p.reductions_per_s, #list > 0 and table.concat(list, ", ") or where),
  hypothesis = "It is in a loop that does not end, or has more to compute than it should.",
  culprit = {kind = "process", id = p.pid, name = p.name, facts = {reductions_per_s = p.reductions_per_s, current_function = where, message_queue = p.message_queue}},
}
