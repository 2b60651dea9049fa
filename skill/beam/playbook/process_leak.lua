local p = beam_get_processes()
local g = beam_process_groups(10)
local first = g.groups[1]
-- The largest group may have been there before. What has grown is nearest to the growth, as it is by now.
local grown = p.process_count - finding.ordinary
if finding.metric == "process_count" and first then
  local function away(group) return math.max(group.count, grown) / math.max(math.min(group.count, grown), 1) end
  for _, other in ipairs(g.groups) do
    if other.count >= grown * 0.6 and away(other) < away(first) then first = other end
  end
end
-- The group has to be worth half of the growth.
local least = 500
if finding.metric == "process_count" then least = math.max(100, grown / 2) end
if first == nil or first.count < least then
  return {nothing = true, reason = "no group of processes is large"}
end
local parent = first.parent_name or first.parent_label or first.parent_pid or "a process that is gone"
local speed = ""
if finding.rate and finding.rate >= 1 and finding.metric == "process_count" then
  speed = string.format(", %d a second more than end", finding.rate)
end
-- What was spawned with a fun says nothing by its first call; where it waits does.
local what = "started as " .. first.initial_call
if first.initial_call == "erlang:apply/2" then
  what = "started with a fun"
end
local culprit
if first.parent_pid then
  local id, name = first.parent_pid, first.parent_name
  if name == nil and first.parent_alive then
    -- One without a name is known by who started it.
    local ok, d = pcall(beam_process, first.parent_pid)
    if ok and d.parent and d.parent.name then
      id, name = d.parent.pid, d.parent.name
      parent = string.format("%s (%s), by its process %s,", name, id, first.parent_pid)
    end
  end
  culprit = {kind = "process", id = id, name = name, facts = {
    parent = first.parent_pid,
    processes = first.count, initial_call = first.initial_call, current_function = first.current_function,
  }}
end
return {
  type = "process_leak",
  severity = p.process_count > p.process_limit * 0.9 and "critical" or "warning",
  summary = string.format("%s has %d processes %s that do not end%s. They are in %s.", parent, first.count, what, speed, first.current_function or "?"),
  observation = string.format("%d of %d processes were started by %s; the limit is %d.", first.count, p.process_count, parent, p.process_limit),
  context = first.parent_alive and "The process that starts them is alive." or "The process that started them has ended.",
  hypothesis = "They wait for something that does not come, or nobody tells them to stop.",
  culprit = culprit,
}
