local top = beam_top_processes(5, "message_queue")
local p = top.processes[1]
if p == nil or p.message_queue < 1000 then
  return {nothing = true, reason = "no mailbox is long any more"}
end
local d = beam_process(p.pid)
local who = p.name or p.label or p.pid
if p.name or p.label then who = who .. " (" .. p.pid .. ")" end
local growth = d.message_queue_growth_per_s or p.message_queue_growth_per_s or finding.rate
local speed = ""
if growth and growth >= 1 then
  speed = string.format(", and %d a second more come in than are handled", growth)
end
local current = d.current_function or p.current_function or "a function that cannot be interrupted"
local where = current
for _, frame in ipairs(d.stacktrace) do
  -- The first frame of the program's own says more than the library function it waits in.
  if string.find(frame, "%(lib/") or string.find(frame, "^[A-Z]") and not string.find(frame, "^Process%.") then
    where = frame
    break
  end
end
local second = top.processes[2]
local others = "No other mailbox is long."
if second and second.message_queue > p.message_queue / 10 then
  others = string.format("%s has %d messages too.", second.name or second.label or second.pid, second.message_queue)
end
local mb = d.memory_kb and math.floor(d.memory_kb / 1024) or 0
local hypothesis = "It handles messages more slowly than they come: it waits for something in " .. where .. ", or does too much for each."
if not d.answers then
  hypothesis = "It runs something that cannot be interrupted, a NIF or a suspended process, and takes no messages."
end
return {
  type = "mailbox_flood",
  severity = p.message_queue > 250000 and "critical" or "warning",
  summary = string.format("%s has %d messages waiting%s. It is in %s.", who, p.message_queue, speed, where),
  observation = string.format("%d messages wait in %s, which has %d MB; the longest mailbox was %d before. Status %s, current function %s.",
    p.message_queue, who, mb, finding.ordinary, d.status, current),
  context = others,
  hypothesis = hypothesis,
  culprit = {kind = "process", id = p.pid, name = p.name, facts = {
    message_queue = p.message_queue, message_queue_growth_per_s = growth, memory_mb = mb, current_function = current, at = where, status = d.status,
  }},
}
