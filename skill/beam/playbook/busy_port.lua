local s = sysmon_stats().busy_port
if s.processes == 0 or s.port == nil then
  return {nothing = true, reason = "no process waits for a port any more"}
end
local p = s.port
local owner = p.port_owner_name or p.port_owner or "nobody"
local names, seen = {}, {}
for _, x in ipairs(sysmon_events("busy_port", 30).events) do
  local who = x.name or x.label or x.pid
  if x.port == p.port and who and not seen[who] and #names < 5 then
    seen[who] = true
    names[#names + 1] = who
  end
end
return {
  type = "busy_port",
  severity = "warning",
  summary = string.format("%d processes wait to write to port %s (%s) of %s, whose other side does not read.", s.same, p.port or "?", p.port_name or "?", owner),
  observation = string.format("%d processes are suspended at busy ports, %d of them at %s; the first for %d ms. Seen were: %s.", s.processes, s.same, p.port or "?", s.longest_ms, table.concat(names, ", ")),
  hypothesis = "The reader of this port is too slow or hangs.",
  culprit = p.port and {kind = "port", id = p.port, facts = {port_name = p.port_name, owner = owner, suspended = s.same, queue = p.port_queue}} or nil,
}
