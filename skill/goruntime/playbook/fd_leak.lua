fds_capture()
local what = "It could not be read what they are."
local ok, k = pcall(fds_kinds, 3)
if ok and k.kinds[1] then
  what = string.format("Of %d descriptors %d are %s.", k.total, k.kinds[1].count, k.kinds[1].what)
end
-- A connection whose answer nobody closes is opened again and again by the library, for who asks.
local b = fds_bodies(5)[1]
if b and b.open >= 0.2 * (finding.value - finding.ordinary) then
  return {
    type = "descriptor_leak",
    severity = "warning",
    summary = string.format("%s (%s) keeps connections to %s: %d answers have been open for more than ten seconds.", b["function"], b.at, b.host, b.open),
    observation = what,
    hypothesis = "A way out of it leaves the body neither read to its end nor closed.",
    culprit = {kind = "function", id = b.at, name = b["function"], facts = {open = b.open, host = b.host}},
  }
end
local o = fds_openers(1500, 5)
local x = o.openers[1]
-- Who accepts does what others ask of it.
for _, r in ipairs(o.openers) do
  if r.call ~= "accept" then
    x = r
    break
  end
end
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
