local link = node_link()
if link.connected then
  return {nothing = true, reason = "the node is there again"}
end
local last = node_last()
local seen = "Nothing of it was ever read."
if last.seen then
  local d = last.data
  seen = string.format("%.0f s ago it had %.0f MB (processes %.0f, binaries %.0f, tables %.0f), %d processes, %d messages in the longest mailbox (%s), and %.1f %% of its atoms.",
    last.age_s, d.memory_total_mb or 0, d.memory_processes_mb or 0, d.binary_memory_mb or 0, d.memory_ets_mb or 0, d.process_count or 0,
    d.message_queue_max or 0, d.message_queue_max_name or d.message_queue_max_pid or "nobody's", d.atom_utilization_pct or 0)
end
return {
  type = "node_gone",
  severity = "critical",
  summary = string.format("%s has been gone for %d s: %s", link.node, math.floor(link.gone_s), link.reason or "the link ended"),
  observation = string.format("There has been no connection since %s; it was dialled %d times in vain.", link.since, link.attempts),
  context = seen,
  hypothesis = "It was stopped, was killed, or crashed, or its host cannot be reached. Its log and the host's say which; a crash leaves erl_crash.dump.",
  culprit = {kind = "node", id = link.node, facts = {gone_s = math.floor(link.gone_s), attempts = link.attempts}},
}
