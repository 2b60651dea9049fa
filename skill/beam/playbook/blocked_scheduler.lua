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
for _, b in ipairs(s.blocked_now) do
  -- Now is better than before.
  if b.who and (e == nil or e.pid ~= b.who.pid) then e = {pid = b.who.pid, name = b.who.name, ms = b.ms, unfinished = true} end
end
local total = s.blocked_ms_1m
for _, b in ipairs(s.blocked_now) do total = total + b.ms end
if e == nil or e.pid == nil then
  if s.blocked_ms_1m == 0 and #s.blocked_now == 0 then
    return {nothing = true, reason = "no scheduler is blocked any more"}
  end
  return {
    type = "scheduler_blocked",
    summary = string.format("A scheduler ran nothing else for %d ms of the last minute. Which process kept it is not known.", total),
    observation = "It was free again before the process could be found.",
    hypothesis = "A NIF, or a built-in function on large data; or the host gave the VM no time.",
  }
end
local who = e.name or e.label or e.pid
-- The stack is read when the process lets itself be read again. If it has gone back to its loop by then, only that is known.
local where
for _, frame in ipairs(e.stacktrace or {}) do
  if not string.find(frame, "^erlang:") and not string.find(frame, "^gen") and not string.find(frame, "^proc_lib:") and not string.find(frame, "^prim_eval:") and not string.find(frame, "^erl_eval:") and not string.find(frame, "^io:") then
    where = frame
    break
  end
end
if where == nil and at and not string.find(at, "^gen") and not string.find(at, "^prim_eval:") then where = at end
if where == nil and e.unfinished then where = "a function that has not returned yet" end
where = where or "a function that " .. (e.label or who) .. " has called and that had ended when it could be asked"
return {
  type = "scheduler_blocked",
  severity = "warning",
  summary = string.format("%s (%s) keeps a scheduler without yielding: %d ms of the last minute, in %s.", who, e.pid, total, where),
  observation = string.format("Blocked %d times in the last minute; %d schedulers are blocked now. Last seen: %s ms, current function %s%s.",
    s.scheduler_blocked.count, #s.blocked_now, tostring(e.ms or "?"), e.current_function or "not known", at and (", event of " .. at) or ""),
  hypothesis = "A native function, or a built-in one on large data, that does not yield. What waits for that scheduler stands still meanwhile.",
  culprit = {kind = "process", id = e.pid, name = e.name, facts = {at = where, ms = e.ms, current_function = e.current_function, stacktrace = e.stacktrace}},
}
