local q = ports_queue_growth(3).ports
if q[1] == nil then q = ports_top_by_queue(3).ports end
local p = q[1]
if p == nil or p.queue_size < 1024 then
  return {nothing = true, reason = "nothing waits in the ports any more"}
end
local d = ports_info(p.id)
local who = p.owner_name or p.connected_pid or "nobody"
local speed = ""
if p.growth_bytes_per_s and p.growth_bytes_per_s > 0 then
  speed = string.format(", %.1f kB more each second", p.growth_bytes_per_s / 1024)
end
local waiting = ports_suspended_processes(5)
local names = {}
for i, w in ipairs(waiting.processes) do names[i] = (w.name or w.pid) end
local stopped = "No process waits to write to it."
if #names > 0 then stopped = string.format("%d processes wait until they may write: %s.", waiting.suspended, table.concat(names, ", ")) end
local to = d.remote and (" to " .. d.remote) or ""
return {
  type = "port_queue",
  severity = "warning",
  summary = string.format("%.1f MB wait to be written in port %s (%s)%s of %s%s.", p.queue_size / 1048576, p.id, p.name, to, who, speed),
  observation = string.format("Port %s has %.1f MB in its queue and has written %.1f MB. %s", p.id, p.queue_size / 1048576, p.output_bytes / 1048576, stopped),
  hypothesis = "Who should read at the other end does not, or more slowly than is written.",
  culprit = {kind = "port", id = p.id, name = p.owner_name, facts = {queue_kb = math.floor(p.queue_size / 1024), owner = who, owner_pid = p.connected_pid, remote = d.remote}},
}
