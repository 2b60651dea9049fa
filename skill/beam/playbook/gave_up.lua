local r = sup_restarts(10)
local g = r.gave_up[1]
if g == nil then
  return {nothing = true, reason = "no supervisor gave up"}
end
-- Of several at once the first is nearest to the cause; the others followed it.
g = r.gave_up[#r.gave_up]
local others = {}
for i = 1, #r.gave_up - 1 do others[#others + 1] = r.gave_up[i].supervisor end
local why, call = "", nil
for _, c in ipairs(r.children) do
  if c.supervisor == g.supervisor and (c.child == g.child or why == "") then
    why, call = table.concat(c.reasons, "; "), c.call
  end
end
return {
  type = "supervisor_gave_up",
  severity = "critical",
  summary = string.format("%s reached its limit of restarts and ended with all its children; it could not keep %s%s", g.supervisor, g.child, why ~= "" and ", which ends with " .. why or ""),
  observation = string.format("It gave up at %s. %d restarts in five minutes%s.", g.at, r.restarts_5m, #others > 0 and "; after it gave up: " .. table.concat(others, ", ") or ""),
  hypothesis = "The child fails whenever it is started; restarting does not help.",
  culprit = {kind = "supervisor", id = g.pid or g.supervisor, name = g.supervisor, facts = {child = g.child, call = call, at = g.at, reason = why}},
}
