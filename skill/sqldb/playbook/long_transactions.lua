local sessions = sql_long_running(10).sessions
for _, s in ipairs(sessions) do
  if s.state == "idle in transaction" then
    local who = s.application ~= "" and s.application or s.user
    return {
      type = "long_transaction",
      summary = string.format("Session %d of %s holds a transaction open for %.0f s and does nothing.", s.pid, who, s.transaction_s),
      observation = "Its last statement was: " .. s.query,
      hypothesis = "Its application has not ended the transaction. It holds locks, and vacuum cannot take dead rows away.",
      culprit = {kind = "query", id = s.query_id, name = s.query, facts = {pid = s.pid, application = s.application, transaction_s = s.transaction_s}},
    }
  end
end
return {nothing = true, reason = "no session is idle in a transaction any more"}
