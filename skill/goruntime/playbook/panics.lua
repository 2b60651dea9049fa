local g = exception_groups(5)
local x
for _, r in ipairs(g.groups) do
  if x == nil and (finding.metric ~= "errors_1m" or r.kind == "error") then x = r end
end
if x == nil then
  return {nothing = true, reason = "nothing panicked in the last minute"}
end
local route = "Nothing is known of the request."
if x.route and x.route ~= "" then route = "It happened in " .. x.route .. "." end
return {
  type = x.kind == "error" and "errors" or "panic_loop",
  severity = "warning",
  summary = string.format("%s (%s) %s %d times in the last minute: %s", x["function"], x.at, x.kind == "error" and "failed" or "panicked", x.count_1m, string.sub(x.what, 1, 200)),
  observation = string.format("It is %d of %d in the last minute, and %d since the start; type %s.", x.count_1m, g.total_1m, x.count, x.type),
  context = route,
  culprit = {kind = "function", id = x.at, name = x["function"], facts = {count_1m = x.count_1m, type = x.type, route = x.route}},
}
