local s = sup_services(5)
local x = s[1]
if x == nil then
  return {nothing = true, reason = "no service ended in the last minute"}
end
local where = ""
local culprit = {kind = "supervisor", id = x.service, facts = {restarts_1m = x.restarts_1m, supervisor = x.supervisor, reason = x.what}}
if x["function"] ~= "" then
  where = string.format(" in %s (%s)", x["function"], x.place)
  culprit = {kind = "function", id = x.place, name = x["function"], facts = {service = x.service, restarts_1m = x.restarts_1m, reason = x.what}}
end
return {
  type = "restart_loop",
  severity = "warning",
  summary = string.format("The service %s of %s ended %d times in the last minute%s: %s", x.service, x.supervisor, x.restarts_1m, where, string.sub(x.what, 1, 200)),
  observation = string.format("It ended %d times since the start; the last time: %s.", x.restarts, x.kind),
  culprit = culprit,
}
