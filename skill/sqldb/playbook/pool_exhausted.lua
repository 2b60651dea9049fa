local s = sql_stats()
local holders = sql_holders(5)
local x = holders[1]
if s.max_open > 0 and s.in_use < s.max_open then
  return {nothing = true, reason = "connections are free again"}
end
local what = string.format("%d of %d connections are in use, and %d had to wait since the pool was made.", s.in_use, s.max_open, s.waits)
if x == nil then
  return {type = "pool_exhausted", severity = "warning", summary = what, observation = "Who holds them is not known: the pool was not opened with sqldb.Queries."}
end
local hypothesis = "It holds them for too long, or too many of it run at once."
if x.doing_nothing > x.connections / 2 and x.in_transaction > x.connections / 2 then
  hypothesis = "It keeps transactions open while it does something else."
elseif x.doing_nothing > x.connections / 2 then
  hypothesis = "It does not close its rows or connections on every way out."
end
return {
  type = "pool_exhausted",
  severity = "warning",
  summary = string.format("%s %s (%s) holds %d of them, the longest for %s s.", what, x["function"], x.at, x.connections, x.held_longest_s),
  observation = string.format("Of its %d connections %d do nothing and %d are in a transaction. The last statement: %s", x.connections, x.doing_nothing, x.in_transaction, x.last_query),
  hypothesis = hypothesis,
  culprit = {kind = "function", id = x.at, name = x["function"], facts = {connections = x.connections, doing_nothing = x.doing_nothing, in_transaction = x.in_transaction, query = x.last_query}},
}
