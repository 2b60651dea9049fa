local m = host_memory()
local top = host_processes(5, "memory")
local x = top[1]
if x == nil or m.limit_mb == nil then
  return {nothing = true, reason = "this host does not tell its memory"}
end
local where = m.limit_is_container and "the container" or "the host"
local whose = x.own and "It is this program." or "It is another program."
return {
  type = "host_memory",
  severity = m.limit_used_pct > 97 and "critical" or "warning",
  summary = string.format("%s MB of %s MB of %s are used (%s %%); %s has %s MB. %s", m.limit_used_mb, m.limit_mb, where, m.limit_used_pct, x.name, x.rss_mb, whose),
  observation = string.format("This process has %s MB. Of the host's %s MB are %s MB available.", m.process_rss_mb, m.total_mb, m.available_mb),
  context = m.oom_kills and string.format("%d processes of the container were killed for want of memory so far.", m.oom_kills) or nil,
  culprit = {kind = "process", id = tostring(x.pid), name = x.name, facts = {rss_mb = x.rss_mb, own = x.own}},
}
