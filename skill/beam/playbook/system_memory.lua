local m = system_get_memory()
local c = system_get_container()
if m.vm_rss_mb == nil or m.limit_mb == nil then
  return {nothing = true, reason = "the host does not tell its memory"}
end
local what = m.limit_is_container and "the container's limit" or "the host's memory"
local whole = string.format("%.0f of %.0f MB of %s are used (%.0f %%)", m.limit_used_mb, m.limit_mb, what, m.limit_used_pct)
local killed = ""
if finding.metric == "oom_kills" then
  killed = string.format(" The kernel has killed %d processes of the container.", c.oom_kills or 0)
end
local pressure = ""
if m.pressure_pct then pressure = string.format(" Somebody waited for memory in %.1f %% of the last ten seconds.", m.pressure_pct) end
local growth = ""
if m.used_growth_mb and m.vm_growth_mb then
  growth = string.format(" In %d s the node grew by %.1f MB and all together by %.1f MB.", m.growth_over_s, m.vm_growth_mb, m.used_growth_mb)
end
-- The node's, when it has half of what is used, or half of what came lately.
local own = m.vm_rss_mb > m.limit_used_mb / 2
if not own and m.used_growth_mb and m.used_growth_mb > 50 then own = m.vm_growth_mb > m.used_growth_mb / 2 end
if own then
  return {
    type = "host_memory",
    severity = "warning",
    summary = whole .. string.format("; the node itself has %.0f MB of it.", m.vm_rss_mb) .. killed,
    observation = whole .. "." .. growth .. pressure,
    hypothesis = "The node takes it: see which kind of its memory grows.",
    culprit = {kind = "system", id = "node", name = "node", facts = {vm_rss_mb = m.vm_rss_mb, limit_mb = m.limit_mb, limit_used_mb = m.limit_used_mb}},
  }
end
local other
for _, p in ipairs(system_top_processes(5).processes) do
  if not p.node and other == nil then other = p end
end
local who = "Who has it is not to be seen from here."
if other then who = string.format("Of the others %s (process %d of the host) has most, %.0f MB.", other.name or "?", other.os_pid, other.rss_mb) end
return {
  type = "host_memory",
  severity = "warning",
  summary = whole .. string.format(", and the node itself has only %.0f MB: somebody else takes it. ", m.vm_rss_mb) .. who .. killed,
  observation = whole .. "." .. growth .. pressure,
  hypothesis = "Another process of the host or the container takes the memory.",
  culprit = other and {kind = "os_process", id = tostring(other.os_pid), name = other.name, facts = {rss_mb = other.rss_mb}},
}
