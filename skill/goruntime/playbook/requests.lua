http_capture()
local routes = http_routes(5)
local r = routes[1]
if r == nil or (r.stuck == 0 and r.slowdown < 2 and r.errors_10s == 0) then
  return {nothing = true, reason = "no route is slow or fails"}
end
local what, kind
if r.stuck > 0 then
  kind, what = "stuck_requests", string.format("%d requests do not end, the longest for %s s", r.stuck, r.oldest_s)
elseif r.slowdown >= 2 then
  kind, what = "slow_requests", string.format("requests take %s ms, usually %s ms", r.mean_ms, r.usual_ms)
else
  kind, what = "failing_requests", string.format("%d of %d requests failed", r.errors_10s, r.requests_10s)
end
-- Where they wait says more than which they are.
local w = http_waiting(5).groups[1]
local where, culprit = "None of them waits at this moment.", {kind = "function", id = r.route, facts = {mean_ms = r.mean_ms, usual_ms = r.usual_ms, stuck = r.stuck, errors = r.errors_10s}}
if w and kind ~= "failing_requests" then
  where = string.format("%d of those under way are in %s (%s) and wait for: %s.", w.count, w["function"], w.at, w.waits_for)
  culprit = {kind = "function", id = w.at, name = w["function"], facts = {route = r.route, requests = w.count, waits_for = w.waits_for}}
end
return {
  type = kind,
  severity = "warning",
  summary = string.format("%s: %s.", r.route, what),
  observation = where,
  context = string.format("%d requests of it ended in the last ten seconds, %d of them with an error; %d are under way.", r.requests_10s, r.errors_10s, r.in_flight),
  culprit = culprit,
}
