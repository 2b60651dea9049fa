local r = sup_restarts(5)
local c = r.children[1]
if c == nil or c.restarts + c.start_errors == 0 then
  return {nothing = true, reason = "no child was restarted in the last minutes"}
end
local share = c.restarts * 100 / math.max(r.restarts_5m, 1)
local child = c.child ~= "" and c.child or c.call or "a child"
local why = table.concat(c.reasons, "; ")
local culprit = {kind = "supervisor", id = c.supervisor_pid or c.supervisor, name = c.supervisor, facts = {child = child, call = c.call, restarts = c.restarts, start_errors = c.start_errors, reasons = c.reasons}}
return {
  type = "restart_storm",
  severity = "warning",
  summary = string.format("%s of %s was restarted %d times in five minutes, and %d times could not be started; it ends with %s", child, c.supervisor, c.restarts, c.start_errors, why),
  observation = string.format("%d restarts in the last minute, %d in five; %d %% of these are of %s. The last at %s.", r.restarts_1m, r.restarts_5m, share, child, c.last),
  context = "It is started by " .. (c.call or "a function that is not known") .. ", restart type " .. c.restart .. ".",
  hypothesis = "What it needs is not there, or its state at the start makes it fail at once.",
  culprit = culprit,
}
