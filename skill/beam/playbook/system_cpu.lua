local c = system_get_cpu()
local g = system_get_container()
if c.load_1m == nil or c.cpus == nil then
  return {nothing = true, reason = "the host does not tell its load"}
end
local limit = c.cpus
local stopped = ""
if g.quota_cpus then
  limit = math.min(limit, g.quota_cpus)
  if g.cpu_periods and g.cpu_periods > 0 then
    stopped = string.format(" The container may use %.1f CPUs and was stopped in %.0f %% of the periods in which it ran.", g.quota_cpus, g.cpu_periods_throttled * 100 / g.cpu_periods)
  end
end
local cpus = (c.vm_pct or 0) / 100
local busy = (c.used_pct or 0) / 100 * c.cpus
local own = cpus > busy / 2
local whose = own and string.format("the node uses %.1f of them", cpus) or string.format("the node uses only %.1f of the %.1f that are busy: somebody else has them", cpus, busy)
return {
  type = "host_cpu",
  severity = "warning",
  summary = string.format("Load is %.2f with %d CPUs, of which %.1f are busy; %s.", c.load_1m, c.cpus, busy, whose) .. stopped,
  observation = string.format("Load %.2f, %.2f, %.2f over 1, 5 and 15 minutes; CPUs %.0f %% busy; the node's process uses %.0f %% of one.", c.load_1m, c.load_5m, c.load_15m, c.used_pct or 0, c.vm_pct or 0),
  hypothesis = own and "The node does it: see its run queue and its hottest processes." or "Another process of the host takes the CPUs.",
  culprit = {kind = "system", id = own and "node" or "host", facts = {load_1m = c.load_1m, vm_cpus = cpus, busy_cpus = busy}},
}
