local s = sql_stats()
return {
  type = "pool_churn",
  severity = "warning",
  summary = string.format("Connections are opened and closed all the time: %d were closed because too many were idle. %d are open, %d in use.", s.closed_for_too_many_idle, s.open, s.in_use),
  observation = string.format("The pool may open %d; it keeps %d idle at this moment.", s.max_open, s.idle),
  hypothesis = "It keeps fewer idle connections than are used at once: SetMaxIdleConns is too low.",
  culprit = {kind = "pool", id = "sql", facts = {closed = s.closed_for_too_many_idle, idle = s.idle}},
}
