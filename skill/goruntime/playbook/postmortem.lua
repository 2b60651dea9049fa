local d = postmortem_last()
if not d.died_before then
  return {nothing = true, reason = "the process before was told to end"}
end
local grown = {}
for i, g in ipairs(d.grown) do
  if i <= 3 then grown[#grown + 1] = string.format("%s went from %s to %s", g.metric, g.before, g.last) end
end
local last = "In the last minutes nothing of it grew much."
if #grown > 0 then last = string.format("In the %s s before, %s.", d.over_s, table.concat(grown, ", ")) end
local where, culprit = "", {kind = "system", id = d.kind, facts = {pid = d.pid, what = d.what}}
if d["function"] ~= "" then
  where = string.format(" in %s (%s)", d["function"], d.at)
  culprit = {kind = "function", id = d.at, name = d["function"], facts = {kind = d.kind, what = d.what, pid = d.pid}}
end
local files = "No evidence was captured before."
if d.evidence and #d.evidence > 0 then files = "Captured before: " .. table.concat(d.evidence, ", ") .. "." end
return {
  type = "crash",
  severity = "critical",
  summary = string.format("The process before this one (pid %d) died of: %s%s: %s", d.pid, d.kind, where, string.sub(d.what, 1, 200)),
  observation = string.format("%s It had %s goroutines and %s MB alive.", last, d.last["runtime.goroutines"] or "?", d.last["heap.live_mb"] or "?"),
  context = files,
  culprit = culprit,
}
