local link = node_link()
if not link.connected then
  return {nothing = true, reason = "it is gone altogether"}
end
if link.silent_s < 5 then
  return {nothing = true, reason = "it answers again"}
end
local last = node_last()
local seen, perhaps = "Nothing of it was ever read.", ""
if last.seen then
  local d = last.data
  local hot = d.hottest_process_name or d.hottest_process_pid
  seen = string.format("%.0f s ago it answered last: %.0f MB, %d processes, a run queue of %d on %d schedulers, the longest mailbox %d messages (%s).",
    last.age_s, d.memory_total_mb or 0, d.process_count or 0, d.scheduler_run_queue or 0, d.schedulers_online or 0,
    d.message_queue_max or 0, d.message_queue_max_name or d.message_queue_max_pid or "nobody's")
  if hot and (d.hottest_process_pct or 0) >= 50 then
    seen = seen .. string.format(" %s computed in %d %% of the samples.", hot, d.hottest_process_pct)
  end
end
return {
  type = "node_silent",
  severity = link.silent_s > 60 and "critical" or "warning",
  summary = string.format("%s is connected and has answered nothing for %d s.", link.node, math.floor(link.silent_s)),
  observation = string.format("Everything that it was asked in the last %d s is unanswered. The connection stands since %s.", math.floor(link.silent_s), link.since),
  context = seen,
  hypothesis = "A native call or a BIF keeps the schedulers, its machine has no CPU or memory to give, or its process is stopped.",
  culprit = {kind = "node", id = link.node, facts = {silent_s = math.floor(link.silent_s)}},
}
