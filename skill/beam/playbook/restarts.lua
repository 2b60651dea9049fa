local r = sup_restarts(50)

local function ends_with(c) return table.concat(c.reasons, "; ") end

-- Restarts and the end of the supervisor that they lead to have one cause, and get one alert: whichever finding leads here, the conclusion has the
-- same type and culprit. It is called a storm if it was one before the supervisor gave up, because then that has been said already.
local function gave_up(g)
  local others = {}
  for _, o in ipairs(r.gave_up) do
    if o.supervisor ~= g.supervisor then others[#others + 1] = o.supervisor end
  end
  local why, call = "", nil
  for _, c in ipairs(r.children) do
    if c.supervisor == g.supervisor and (c.child == g.child or why == "") then
      why, call = ends_with(c), c.call
    end
  end
  return {
    type = g.restarts > 20 and "restart_storm" or "supervisor_gave_up",
    severity = "critical",
    summary = string.format("%s reached its limit of restarts and ended with all its children; it could not keep %s%s", g.supervisor, g.child, why ~= "" and ", which ends with " .. why or ""),
    observation = string.format("It gave up at %s. %d restarts in five minutes%s.", g.at, r.restarts_5m, #others > 0 and "; others gave up too: " .. table.concat(others, ", ") or ""),
    hypothesis = "The child fails whenever it is started; restarting does not help.",
    culprit = {kind = "supervisor", id = g.pid or g.supervisor, name = g.supervisor, facts = {child = g.child, call = call, at = g.at, reason = why}},
  }
end

-- The first end of each supervisor that gave up, and the first of all, which is nearest to the cause; the others followed it.
local ended, first = {}, nil
for i = #r.gave_up, 1, -1 do
  local g = r.gave_up[i]
  ended[g.supervisor] = ended[g.supervisor] or g
  first = first or g
end
if finding.metric == "gave_up_1m" then
  if first == nil then
    return {nothing = true, reason = "no supervisor gave up"}
  end
  return gave_up(first)
end

-- A supervisor that is started again because it gave up is no child that fails.
local c
for _, row in ipairs(r.children) do
  if row.restarts + row.start_errors > 0 and not ended[row.child] then
    c = row
    break
  end
end
if c == nil then
  if first then return gave_up(first) end
  return {nothing = true, reason = "no child was restarted in the last minutes"}
end
if ended[c.supervisor] then return gave_up(ended[c.supervisor]) end
local share = c.restarts * 100 / math.max(r.restarts_5m, 1)
local child = c.child ~= "" and c.child or c.call or "a child"
return {
  type = "restart_storm",
  severity = "warning",
  summary = string.format("%s of %s was restarted %d times in five minutes, and %d times could not be started; it ends with %s", child, c.supervisor, c.restarts, c.start_errors, ends_with(c)),
  observation = string.format("%d restarts in the last minute, %d in five; %d %% of these are of %s. The last at %s.", r.restarts_1m, r.restarts_5m, share, child, c.last),
  context = "It is started by " .. (c.call or "a function that is not known") .. ", restart type " .. c.restart .. ".",
  hypothesis = "What it needs is not there, or its state at the start makes it fail at once.",
  culprit = {kind = "supervisor", id = c.supervisor_pid or c.supervisor, name = c.supervisor, facts = {child = child, call = c.call, restarts = c.restarts, start_errors = c.start_errors, reasons = c.reasons}},
}
