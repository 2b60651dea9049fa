leaks_capture()
local s = leaks_stuck(400, 20)
local x
for _, r in ipairs(s.groups) do
  if x == nil and r.waits_for == "lock" then x = r end
end
if x == nil then
  return {nothing = true, reason = "nobody waits for a lock any more"}
end
local others = {}
for _, r in ipairs(s.groups) do
  if r ~= x and r.waits_for == "lock" and #others < 3 then
    others[#others + 1] = string.format("%d in %s (%s)", r.count, r["function"], r.at)
  end
end
local context = "No others wait for a lock."
if #others > 0 then context = "So do " .. table.concat(others, ", ") .. "." end
return {
  type = "deadlock",
  severity = "critical",
  summary = string.format("%d goroutines wait in %s (%s) for a lock that nobody gives back.", x.count, x["function"], x.at),
  observation = string.format("They did nothing within %d ms, and no wait for any lock ended. They were started as %s.", s.over_ms, x.started_as),
  context = context,
  hypothesis = "Two that hold a lock wait for each other's, one locks twice, or one ended without unlocking.",
  culprit = {kind = "function", id = x.at, name = x["function"], facts = {goroutines = x.count, stack = x.stack}},
}
