local s = sysmon_stats()
local blocked = sysmon_events("scheduler_blocked", 10).events
local long = sysmon_events("long_schedule", 10).events
local e = blocked[1]
local at, by
if long[1] then
  -- What the event says of the function is exact; the stack was read after it.
  at = long[1]["in"] or long[1].out
  by = long[1]
end
if e == nil then e = by end
if e == nil or e.pid == nil then
  if s.blocked_ms_1m == 0 and #s.blocked_now == 0 then
    return {nothing = true, reason = "no scheduler is blocked any more"}
  end
  return {
    type = "scheduler_blocked",
    summary = string.format("A scheduler ran nothing else for %d ms of the last minute. Which process kept it is not known.", s.blocked_ms_1m),
    observation = "It was free again before the process could be found.",
    hypothesis = "A NIF, or a built-in function on large data; or the host gave the VM no time.",
  }
end
local who = e.name or e.label or e.pid
local where = e.current_function
for _, frame in ipairs(e.stacktrace or {}) do
  -- The first frame of the program's own says more than the built-in function.
  if not string.find(frame, "^erlang:") then
    where = frame
    break
  end
end
where = where or at or "a function that has not returned yet"
return {
  type = "scheduler_blocked",
  severity = "warning",
  summary = string.format("%s (%s) keeps a scheduler without yielding: %d ms of the last minute, in %s.", who, e.pid, s.blocked_ms_1m, where),
  observation = string.format("Blocked %d times in the last minute; %d schedulers are blocked now. Last seen: %s ms, current function %s%s.",
    s.scheduler_blocked.count, #s.blocked_now, tostring(e.ms or "?"), e.current_function or "not known", at and (", event of " .. at) or ""),
  hypothesis = "A native function, or a built-in one on large data, that does not yield. What waits for that scheduler stands still meanwhile.",
  culprit = {kind = "process", id = e.pid, name = e.name, facts = {at = where, ms = e.ms, current_function = e.current_function, stacktrace = e.stacktrace}},
}
