local by = finding.metric == "errors" and "errors" or "running"
local q = sql_queries(10, by)
local x = q[1]
if x == nil or (by == "running" and x.running == 0 and x.mean_ms < 500) or (by == "errors" and x.errors == 0) then
  return {nothing = true, reason = "no statement runs long or fails"}
end
local what
if by == "errors" then
  what = string.format("failed %d times of %d", x.errors, x.calls)
else
  what = string.format("runs %d times now, the longest for %s s", x.running, x.running_longest_s)
end
return {
  type = by == "errors" and "failing_query" or "slow_query",
  severity = "warning",
  summary = string.format("%s: %s. %s (%s) asks it.", what, x.query, x["function"], x.at),
  observation = string.format("%s: %d calls in twenty seconds, %s ms on average, %s ms at most.", x.query_id, x.calls_20s, x.mean_ms, x.max_ms),
  hypothesis = by == "running" and "It reads too much, or waits for a lock in the database." or nil,
  culprit = {kind = "query", id = x.query_id, facts = {["function"] = x["function"], at = x.at, query = x.query, running = x.running, mean_ms = x.mean_ms}},
}
