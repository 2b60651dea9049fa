local first, second
local rows = ports_by_owner(20).openers
for _, r in ipairs(rows) do
  -- Sockets that are no ports are told by their kind.
  local asked = finding.metric ~= "socket_count" or r["kind"]:sub(1, 7) == "socket "
  if asked and (r.growth == nil or r.growth >= 0) then
    if first == nil then first = r elseif second == nil then second = r end
  end
end
if first == nil or first.count < 50 then
  return {nothing = true, reason = "nobody has many ports or sockets"}
end
local saturation = ports_saturation_prediction().resources
local left = ""
for _, s in ipairs(saturation) do
  if s.seconds_to_exhaustion and left == "" then
    left = string.format(" At this rate the %s are used up in %d minutes.", s.resource, math.floor(s.seconds_to_exhaustion / 60))
  end
end
local used = {}
for _, s in ipairs(saturation) do
  if s.value and s.limit then used[#used + 1] = string.format("%d of %d %s", s.value, s.limit, s.resource) end
end
local who = first.opener_name or first.opener_label or first.opener
if first.opener_name or first.opener_label then who = who .. " (" .. first.opener .. ")" end
local id, name = first.opener, first.opener_name
if name == nil and first.opener_of then
  -- One without a name is known by who started it.
  id, name = first.opener_of.pid, first.opener_of.name
  who = string.format("%s (%s), by its process %s,", name, id, first.opener)
end
local how = "has " .. first.count .. " open of the kind " .. first.kind
if first.by == "parent" then
  how = string.format("started the processes that have %d open of the kind %s", first.count, first.kind)
end
local others = "Nobody else has many."
if second and second.count * 5 > first.count then
  others = string.format("%s has %d of the kind %s.", second.opener_name or second.opener_label or second.opener, second.count, second.kind)
end
return {
  type = "port_leak",
  severity = "warning",
  summary = string.format("%s %s.%s", who, how, left),
  observation = string.format("In use: %s. %s %s.", table.concat(used, ", "), who, how),
  context = others,
  hypothesis = "They are opened and not closed.",
  culprit = {kind = "process", id = id, name = name, facts = {opener = first.opener, count = first.count, kind = first.kind, by = first.by, owners = first.owner_label}},
}
