local u = http_upstreams(5)
local x = u[1]
if x == nil then
  return {nothing = true, reason = "nobody else is asked"}
end
local what
if x.stuck > 0 then
  what = string.format("%d requests have waited for it, the longest for %s s", x.stuck, x.oldest_s)
elseif x.slowdown > 2 then
  what = string.format("it takes %s ms on average, usually %s ms", x.mean_ms, x.usual_ms)
elseif x.errors_10s > 0 then
  what = string.format("%d of %d requests failed", x.errors_10s, x.requests_10s)
else
  return {nothing = true, reason = "all hosts answer as usual"}
end
local host = string.gsub(x.route, "^%S+ ", "")
return {
  type = "slow_upstream",
  severity = "warning",
  summary = string.format("%s is to blame: %s. %s (%s) asks it.", host, what, x["function"], x.at),
  observation = string.format("%s: %d requests in ten seconds, %s ms on average, p99 %s ms, %d under way.", x.route, x.requests_10s, x.mean_ms, x.p99_ms, x.in_flight),
  hypothesis = "It is overloaded, or the way to it is bad; nothing in this program is slow.",
  culprit = {kind = "system", id = host, facts = {asked_by = x["function"], at = x.at, mean_ms = x.mean_ms, usual_ms = x.usual_ms, stuck = x.stuck}},
}
