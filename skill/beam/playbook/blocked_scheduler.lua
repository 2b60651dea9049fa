local s = sysmon_stats()
local blocked = sysmon_events("scheduler_blocked", 10).events
local long = sysmon_events("long_schedule", 10).events
local e = blocked[1]
if e == nil then e = long[1] end
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

-- Functions in which a process waits for its next message say nothing of what it did before.
local function waits(f)
  return f == nil or string.find(f, "^gen:") or string.find(f, "^gen_") or string.find(f, "^proc_lib:") or string.find(f, "^prim_eval:") or string.find(f, "^erlang:hibernate/")
end

-- Best is what the VM itself says: in which function the process got its scheduler, and in which it left it. A native function may be that itself.
local at, from, where
for _, l in ipairs(long) do
  if at == nil and l.pid == e.pid then
    from = (l["in"] or "?") .. " to " .. (l.out or "?")
    if not waits(l["in"]) then at = l["in"] elseif not waits(l.out) then at = l.out end
  end
end
-- The stack is read when the process lets itself be read again: who has called is still on it if that has not returned.
for _, frame in ipairs(e.stacktrace or {}) do
  if not waits(frame) and not string.find(frame, "^erlang:") and not string.find(frame, "^erl_eval:") and not string.find(frame, "^io:") then
    where = frame
    break
  end
end
where = where or at
if at and where ~= at and not string.find(where, at, 1, true) then where = where .. " (event of " .. at .. ")" end
local caller = string.gsub(e.label or "", "[.:]init/1$", "")
if where == nil and e.unfinished then
  where = "a function that has not returned yet"
elseif where == nil and caller ~= "" then
  where = "a function that " .. caller .. " calls; which one is not known, because it had returned when the process could be asked"
end
where = where or "a function that is not known: it had returned when the process could be asked"
local asked = e.current_function and (waits(e.current_function) and "; when it could be asked it waited in " or "; when it could be asked it was in ") .. e.current_function or ""
return {
  type = "scheduler_blocked",
  severity = "warning",
  summary = string.format("%s (%s) keeps a scheduler without yielding: %d ms of the last minute, in %s.", who, e.pid, total, where),
  observation = string.format("Blocked %d times in the last minute; %d schedulers are blocked now. Last seen: %s ms%s%s.",
    s.scheduler_blocked.count, #s.blocked_now, tostring(e.ms or "?"), asked, from and ("; it had its scheduler from " .. from) or ""),
  hypothesis = "A native function, or a built-in one on large data, that does not yield. What waits for that scheduler stands still meanwhile.",
  culprit = {kind = "process", id = e.pid, name = e.name, facts = {at = where, label = e.label, ms = e.ms, current_function = e.current_function, stacktrace = e.stacktrace}},
}
