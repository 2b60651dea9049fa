local d = postmortem_last()
if not d.died_before then
  return {nothing = true, reason = "the process before was told to end"}
end
local grown = {}
for i, g in ipairs(d.grown) do
  if i <= 3 then grown[#grown + 1] = string.format("%s went from %s to %s", g.metric, g.before, g.last) end
end
local last = string.format("In the %s s before nothing of it grew much.", d.over_s)
if #grown > 0 then last = string.format("In the %s s before, %s.", d.over_s, table.concat(grown, ", ")) end
last = string.format("%s At the end it had %s goroutines and %s MB alive.", last, d.last["runtime.goroutines"] or "?", d.last["heap.live_mb"] or "?")
local facts = {kind = d.kind, what = d.what, pid = d.pid}
local where, culprit, confidence = "", {kind = "system", id = d.kind, facts = facts}, "low"
if d["function"] ~= "" then
  where = string.format(" in %s (%s)", d["function"], d.at)
  culprit, confidence = {kind = "function", id = d.at, name = d["function"], facts = facts}, "high"
end
local context = {}
local m = d.grew and d.grew[1]
if m then
  context[#context + 1] = string.format("Memory grew most by what %s (%s) allocated: by %s MB to %s MB.", m["function"], m.at, m.grew, m.has)
  -- Who dies for want of memory dies of what has taken it, if most of what grew is there.
  if d.kind == "out of memory" and m.share_pct >= 50 and m.grew >= 8 then
    where = string.format(" while %s (%s) took memory", m["function"], m.at)
    culprit, confidence = {kind = "function", id = m.at, name = m["function"], facts = {kind = d.kind, memory_mb = m.has, growth_mb = m.grew, pid = d.pid}}, "medium"
  end
end
local p = d.places and d.places[1]
if p and p.has >= 100 then
  context[#context + 1] = string.format("Most goroutines, %s, were in %s (%s).", p.has, p["function"], p.at)
end
if d.evidence and #d.evidence > 0 then context[#context + 1] = "Captured before: " .. table.concat(d.evidence, ", ") .. "." end
if #context == 0 then context[1] = "No evidence was captured before." end
return {
  type = "crash",
  severity = "critical",
  confidence = confidence,
  summary = string.format("The process before this one (pid %d) died of: %s%s: %s", d.pid, d.kind, where, string.sub(d.what, 1, 200)),
  observation = last,
  context = table.concat(context, " "),
  culprit = culprit,
}
