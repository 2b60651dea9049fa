local l = sql_locks()
local r = l.roots[1]
if r == nil then
  if l.waiting_sessions > 0 then
    local w = l.waiters[1]
    return {
      type = "deadlock",
      summary = string.format("%d sessions wait for each other's locks: a deadlock.", l.waiting_sessions),
      observation = string.format("Session %d waits for session %d, in: %s", w.pid, w.blocked_by_pid, w.query),
      culprit = {kind = "query", id = w.query_id, name = w.query, facts = {pid = w.pid}},
    }
  end
  return {nothing = true, reason = "nobody waits for a lock any more"}
end
local w = l.waiters[1]
for _, x in ipairs(l.waiters) do
  if x.blocked_by_pid == r.pid then w = x break end
end
local doing = r.state
if r.state == "idle in transaction" then
  doing = string.format("idle in a transaction since %.0f s", r.in_state_s)
end
local who = r.application ~= "" and r.application or r.user
return {
  type = "lock_wait",
  severity = r.waiting_sessions >= 10 and "critical" or "warning",
  summary = string.format("%d sessions wait for a lock on %s that session %d of %s holds, which is %s.", r.waiting_sessions, r.object, r.pid, who, doing),
  observation = string.format("Its transaction is open for %.0f s; its last statement was: %s. One that waits, for %.0f s: %s", r.transaction_s, r.query, w.waits_s, w.query),
  hypothesis = r.state == "idle in transaction" and "Its application has not ended the transaction: it waits for something else, or has forgotten it." or "Its statement takes long and holds what others need.",
  culprit = {kind = "query", id = r.query_id, name = r.query, facts = {
    pid = r.pid, application = r.application, state = r.state, transaction_s = r.transaction_s, waiting_sessions = r.waiting_sessions, object = r.object,
  }},
}
