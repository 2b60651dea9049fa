local s = sysmon_stats().busy_dist_port
if s.processes == 0 then
  return {nothing = true, reason = "no process waits for another node any more"}
end
local port = s.port or {}
local e = sysmon_events("busy_dist_port", 20).events
local node = port.node
local names, seen = {}, {}
for _, x in ipairs(e) do
  node = node or x.node
  local who = x.name or x.label or x.initial_call or x.pid
  if who and not seen[who] and #names < 5 then
    seen[who] = true
    names[#names + 1] = who
  end
end
node = node or "another node"
return {
  type = "busy_distribution",
  severity = "warning",
  summary = string.format("%d processes have waited for up to %d s to send to %s, which does not read: %s.", s.processes, s.longest_ms / 1000, node, table.concat(names, ", ")),
  observation = string.format("The buffer of the link %s to %s is full. %d processes are suspended, the first for %d ms.", port.port or "?", node, s.processes, s.longest_ms),
  hypothesis = node .. " hangs or is overloaded, or the network to it is slow.",
  culprit = port.port and {kind = "port", id = port.port, name = node, facts = {node = node, suspended = s.processes, longest_ms = s.longest_ms}} or nil,
}
