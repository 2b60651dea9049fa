local s = logger_stats()
local what, level, count = "errors", "error", s.error_count_1m
if finding.metric == "total_logs_1m" then
  what, level, count = "log lines", nil, s.total_logs_1m
elseif finding.metric == "warning_count_1m" then
  what, level, count = "warnings", "warning", s.warning_count_1m
end
local lines = level and logger_recent(50, level).lines or logger_recent(50).lines
if count == 0 or #lines == 0 then
  return {nothing = true, reason = "no such lines were logged in the last minute"}
end
if level == "error" then
  -- Reports of processes that ended, and of their supervisors, are what the skills exception and sup read; here they would be said twice.
  local reports = 0
  for _, x in ipairs(lines) do
    if x.kind ~= "plain" then reports = reports + 1 end
  end
  if reports > #lines / 2 then
    return {nothing = true, reason = "most errors are reports of processes that ended"}
  end
end
-- Whose most of the newest lines are.
local modules, module, most = {}, nil, 0
for _, x in ipairs(lines) do
  local m = x.module or "unknown"
  modules[m] = (modules[m] or 0) + 1
  if modules[m] > most then module, most = m, modules[m] end
end
local said, where
for _, t in ipairs(logger_templates(50).templates) do
  local at = t.module == "" and "unknown" or t.module
  if at == module and (level == nil or t.level == level) then
    said = t
    break
  end
end
for _, x in ipairs(lines) do
  if (x.module or "unknown") == module then
    where = x
    break
  end
end
local message = said and said.template or where.message
if #message > 200 then message = string.sub(message, 1, 200) .. "..." end
local place = module
if where["function"] then place = module .. "." .. where["function"] end
return {
  type = level == "error" and "log_errors" or level == "warning" and "log_warnings" or "log_storm",
  severity = "warning",
  summary = string.format("%d %s in the last minute; %d %% of the newest are of %s: %s", count, what, most * 100 / #lines, place, message),
  observation = string.format("%d lines in the last minute, of which %d errors and %d warnings, from %d modules. %s.", s.total_logs_1m, s.error_count_1m, s.warning_count_1m, s.unique_error_modules, s.known),
  context = "The newest such line: " .. string.sub(where.message, 1, 300),
  culprit = module ~= "unknown" and {kind = "module", id = module, facts = {at = place, line = where.line, share_pct = math.floor(most * 100 / #lines), template = message, pid = where.pid}} or nil,
}
