local d = host_disks()[1]
if d == nil or d.used_pct < 80 then
  return {nothing = true, reason = "no file system is full"}
end
return {
  type = "disk_full",
  severity = d.used_pct > 97 and "critical" or "warning",
  summary = string.format("The file system %s is %s %% full: %s of %s MB are free.", d.mount, d.used_pct, d.free_mb, d.total_mb),
  observation = string.format("It is the fullest of %d.", #host_disks()),
  culprit = {kind = "system", id = d.mount, facts = {used_pct = d.used_pct, free_mb = d.free_mb}},
}
