runtime_capture()
local c = runtime_cpu(400, 5)
local f = c.functions[1]
if c.samples < 5 or f == nil then
  return {nothing = true, reason = "the CPU is not busy any more"}
end
local others = "No other function has much of it."
if c.functions[2] and c.functions[2].share_pct >= 15 then
  others = string.format("%s has %s %%.", c.functions[2]["function"], c.functions[2].share_pct)
end
local b = runtime_build()
local confidence = "high"
if c.cores < b.gomaxprocs * 0.6 then
  -- What it does not get, somebody else on the machine has, or a quota takes.
  others = others .. string.format(" The program gets %s of its %d processors: the rest is used by others, or bounded by a quota.", c.cores, b.gomaxprocs)
  if f.share_pct < 60 then confidence = "low" end
end
local hypothesis = "It has more to do than the processors can, or does it in a dear way."
if f.share_pct >= 80 then hypothesis = "It loops without waiting for anything, or does in it what should be done less often." end
return {
  type = "cpu_spin",
  confidence = confidence,
  severity = "warning",
  summary = string.format("%s (%s) has %s %% of the CPU; the program uses %s processors.", f["function"], f.at, f.share_pct, c.cores),
  observation = string.format("Of %d samples %d were in %s at %s; the innermost function was %s.", c.samples, f.samples, f["function"], f.at, f.innermost),
  context = others,
  hypothesis = hypothesis,
  culprit = {kind = "function", id = f.at, name = f["function"], facts = {share_pct = f.share_pct, cores = c.cores, innermost = f.innermost}},
}
