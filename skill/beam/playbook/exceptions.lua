local s = exception_stats()
local g = s.groups[1]
if g == nil then
  return {nothing = true, reason = "no process ended with an error in the last five minutes"}
end
local share = g.count * 100 / math.max(s.kept, 1)
local where = g.at ~= "" and g.at or g.process
local culprit
if g.module ~= "" then
  culprit = {kind = "module", id = g.module, facts = {type = g.type, kind = g.kind, at = g.at, process = g.process, share_pct = math.floor(share), example = g.last_id}}
elseif g.pid then
  culprit = {kind = "process", id = g.pid, facts = {type = g.type, kind = g.kind, process = g.process, share_pct = math.floor(share)}}
end
local message = g.message
if #message > 200 then message = string.sub(message, 1, 200) .. "..." end
return {
  type = "exception_storm",
  severity = "warning",
  summary = string.format("%d processes ended with an error in the last minute; %d %% of those seen with %s in %s.", s.exceptions_1m, share, g.type, where),
  observation = string.format("%d exceptions in five minutes, %d types. First of this group %s, last %s, in process %s.", s.total_exceptions_5m, s.unique_exception_types, g.first_seen, g.last_seen, g.process),
  context = "The last message: " .. message,
  culprit = culprit,
}
