local c = host_cpu()
if c.quota_cpus and c.throttled_pct and c.throttled_pct > 10 then
  return {
    type = "cpu_throttled",
    severity = "warning",
    summary = string.format("The container is stopped in %s %% of its periods: it may use %s CPUs and wants more.", c.throttled_pct, c.quota_cpus),
    observation = string.format("This process uses %s %% of one CPU; the host has %s CPUs, which are %s %% busy.", c.process_pct or "?", c.cpus, c.used_pct or "?"),
    hypothesis = "The quota is too low for what the program does, or the program has more processors (GOMAXPROCS) than it may use.",
    culprit = {kind = "system", id = "cpu quota", facts = {quota_cpus = c.quota_cpus, throttled_pct = c.throttled_pct}},
  }
end
if c.used_pct == nil or c.used_pct < 50 then
  return {nothing = true, reason = "the CPUs are not busy any more"}
end
local own = (c.process_pct or 0) / c.cpus
local x = host_processes(5, "cpu")[1]
local whose = "Most of it is of this program."
if own < c.used_pct / 2 then whose = "Most of it is of others." end
return {
  type = "host_cpu",
  severity = "warning",
  summary = string.format("The CPUs of the host are %s %% busy; this process uses %s %% of one. %s", c.used_pct, c.process_pct or 0, whose),
  observation = string.format("Load %s with %s CPUs; %s has had most CPU since it began.", c.load_1m, c.cpus, x and x.name or "nobody"),
}
