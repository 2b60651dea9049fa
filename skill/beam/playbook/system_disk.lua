local disks = system_get_disks()
local d = disks[1]
if d == nil then
  return {nothing = true, reason = "the file systems cannot be seen"}
end
return {
  type = "disk_full",
  severity = d.used_pct > 97 and "critical" or "warning",
  summary = string.format("File system %s is %.1f %% full, of %.0f MB.", d.mount, d.used_pct, d.total_mb),
  observation = string.format("%s: %.1f %% of %.0f MB are used.", d.mount, d.used_pct, d.total_mb),
  hypothesis = "Logs, crash dumps or data fill it.",
  culprit = {kind = "disk", id = d.mount, facts = {used_pct = d.used_pct, total_mb = d.total_mb}},
}
