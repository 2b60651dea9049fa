local c = sql_connections()
local p = c.pools[1]
if p == nil then
  return {nothing = true, reason = "there are no connections"}
end
local what = string.format("%d active, %d idle, %d idle in a transaction", p.active, p.idle, p.idle_in_transaction)
local hypothesis = "Its pool is too large for this server, or there are too many of it."
if p.idle_in_transaction > p.connections / 2 then
  hypothesis = "It does not end its transactions, and takes new connections instead of giving those back."
elseif p.active > p.connections / 2 then
  hypothesis = "Its statements take longer than they should, so each holds its connection longer."
elseif p.idle > p.connections * 0.8 and p.longest_idle_s > 60 then
  hypothesis = "It opens connections and does not give them back."
end
return {
  type = "connections_exhausted",
  severity = c.connections > c.max_connections * 0.95 and "critical" or "warning",
  summary = string.format("%d of %d connections are taken; %s has %d of them (%s).", c.connections, c.max_connections, p.application, p.connections, what),
  observation = string.format("%s of user %s in database %s: %s; the longest idle for %.0f s.", p.application, p.user, p.database, what, p.longest_idle_s),
  hypothesis = hypothesis,
  culprit = {kind = "pool", id = p.application, facts = {connections = p.connections, active = p.active, idle = p.idle, idle_in_transaction = p.idle_in_transaction, user = p.user}},
}
