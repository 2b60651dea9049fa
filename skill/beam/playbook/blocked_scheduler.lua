local s = sysmon_stats()
local blocked = sysmon_events("scheduler_blocked", 20).events
local long = sysmon_events("long_schedule", 20).events

-- Who kept a scheduler is told by two: by what is found when one is blocked, and by the VM, afterwards. Each may name somebody whom the host gave no
-- time, or who did it once at the start: he has done it who is named for most of the last minute.
local newest = 0
for _, rows in ipairs({blocked, long}) do
  for _, r in ipairs(rows) do newest = math.max(newest, r.at_ms) end
end
local sums, last, e = {}, {}, nil
local function add(r, ms)
  sums[r.pid] = (sums[r.pid] or 0) + ms
  -- One that has a stack tells more.
  if last[r.pid] == nil or (#(last[r.pid].stacktrace or {}) == 0 and #(r.stacktrace or {}) > 0) then last[r.pid] = r end
  if e == nil or sums[r.pid] > sums[e.pid] then e = r end
end
for _, rows in ipairs({blocked, long}) do
  for _, r in ipairs(rows) do
    if r.pid and newest - r.at_ms < 60000 then add(r, r.ms or 300) end
  end
end
for _, b in ipairs(s.blocked_now) do
  if b.who then add({pid = b.who.pid, name = b.who.name, ms = b.ms, unfinished = true}, b.ms) end
end
if e then e = last[e.pid] end
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
