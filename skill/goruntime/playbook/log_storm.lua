local level = finding.metric == "total_logs_1m" and "DEBUG" or finding.metric == "warning_count_1m" and "WARN" or "ERROR"
local s = logger_sites(level, 5)
local x = s.sites[1]
if x == nil then
  return {nothing = true, reason = "no such lines were logged in the last minute"}
end
local kind = level == "ERROR" and "log_errors" or level == "WARN" and "log_warnings" or "log_storm"
return {
  type = kind,
  severity = "warning",
  summary = string.format("%s (%s) logged %d of %d such lines in the last minute: %s", x["function"], x.at, x.count_1m, s.total_1m, string.sub(x.says, 1, 200)),
  observation = string.format("It is %s %% of them, at level %s.", x.share_pct, x.level),
  culprit = {kind = "function", id = x.at, name = x["function"], facts = {count_1m = x.count_1m, share_pct = x.share_pct, level = x.level}},
}
