local c = overload_cascade_detection().cascades
local b = overload_bottleneck()
if b.kind == "none" or b.process == nil then
  return {nothing = true, reason = "no mailbox is long any more"}
end
if #c == 0 and finding.metric == "cascade_victims" then
  return {nothing = true, reason = "no overloaded process waits for another any more"}
end
local p = b.process
local who = p.name or p.label or p.pid
if who ~= p.pid then who = who .. " (" .. p.pid .. ")" end
if #c == 0 then
  return {
    type = "overload",
    summary = string.format("%s is behind with %d messages: %s.", who, p.message_queue or 0, b.why),
    observation = string.format("It is in %s; status %s.", p.current_function or "a function that cannot be interrupted", p.status or "?"),
    culprit = {kind = "process", id = p.pid, name = p.name, facts = {message_queue = p.message_queue, at = b.at, kind = b.kind}},
  }
end
local list, total = {}, 0
for i, v in ipairs(c) do
  list[i] = string.format("%s (%d messages)", v.victim, v.message_queue)
  total = total + v.message_queue
end
return {
  type = "overload_cascade",
  severity = "warning",
  summary = string.format("%s holds up %s; it is in %s.", who, table.concat(list, ", "), b.at ~= "" and b.at or "a function that cannot be interrupted"),
  observation = string.format("%d messages wait behind calls to %s, which has %d messages itself. Kind: %s. Longest path: %s.", total, who, p.message_queue or 0, b.kind, table.concat(c[1].path, " waits for ")),
  hypothesis = "The others are behind because they wait for it: " .. b.why .. ".",
  culprit = {kind = "process", id = p.pid, name = p.name, facts = {at = b.at, kind = b.kind, victims = #c, messages_behind = total, message_queue = p.message_queue, current_function = p.current_function}},
}
