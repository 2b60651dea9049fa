leaks_capture()
local g = leaks_groups(10)
local x = g.groups[1]
if x == nil or x.count < 8 or x.growth < 8 then
  return {nothing = true, reason = "no group of goroutines that wait for each other grows"}
end
local stuck = "It could not be seen which of them do nothing."
local ok, s = pcall(leaks_stuck, 400, 20)
if ok then
  local n = 0
  for _, r in ipairs(s.groups) do
    if r.at == x.at then n = n + r.count end
  end
  -- What works now and then is load, and no leak.
  if n < x.count * 0.5 then
    return {nothing = true, reason = string.format("%d of the %d goroutines at %s did something within %d ms: they are busy", x.count - n, x.count, x.at, s.over_ms)}
  end
  stuck = string.format("%d of them did nothing at all within %d ms.", n, s.over_ms)
end
return {
  type = "goroutine_leak",
  severity = "warning",
  summary = string.format("%d goroutines wait in %s (%s) for a %s and do not end; %d more than %s s ago.", x.count, x["function"], x.at, x.waits_for, x.growth, x.growth_over_s),
  observation = string.format("They were started as %s (%s). %s", x.started_as, x.started_at, stuck),
  context = string.format("There are %d goroutines in all.", g.total),
  hypothesis = "What they wait for does not come: nobody sends, receives, closes or unlocks, and no context ends the wait.",
  culprit = {kind = "function", id = x.at, name = x["function"], facts = {goroutines = x.count, waits_for = x.waits_for, growth = x.growth, started_as = x.started_as}},
}
