fds_capture()
local what = "It could not be read what they are."
local ok, k = pcall(fds_kinds, 3)
if ok and k.kinds[1] then
  what = string.format("Of %d descriptors %d are %s.", k.total, k.kinds[1].count, k.kinds[1].what)
end
local o = fds_openers(1500, 5)
local x = o.openers[1]
if x == nil then
  local ok2, sockets = pcall(fds_sockets, 3)
  local context
  if ok2 and sockets[1] then context = string.format("%d sockets are %s with %s.", sockets[1].count, sockets[1].state, sockets[1].peer) end
  return {
    type = "descriptor_leak",
    summary = string.format("Open descriptors went from %d to %d; nobody opened one within %d ms.", finding.ordinary, finding.value, o.over_ms),
    observation = what,
    context = context,
  }
end
return {
  type = "descriptor_leak",
  severity = "warning",
  summary = string.format("%s (%s) opens descriptors that are not closed: %d within %d ms, while %d were closed in all.", x["function"], x.at, x.opened, o.over_ms, o.closed),
  observation = what,
  hypothesis = "What it opens is not closed on every way out.",
  culprit = {kind = "function", id = x.at, name = x["function"], facts = {opened = x.opened, closed_by_all = o.closed, over_ms = o.over_ms, call = x.call}},
}
