gc_capture()
local st = gc_state()
local a = gc_allocators(20, 5)
local s
for _, x in ipairs(a.sites) do
  if s == nil then s = x end
end
if s == nil or a.allocated_mb_per_s < 1 then
  return {nothing = true, reason = "hardly anything is allocated"}
end
return {
  type = "gc_pressure",
  severity = "warning",
  summary = string.format("The collector takes %s %% of all processors; %s (%s) allocates %s MB a second, %s %% of all.", st.cpu_pct, s["function"], s.at, s.allocated_mb_per_s, s.share_pct),
  observation = string.format("All places together allocated %s MB a second over %s s; alive are %s MB.", a.allocated_mb_per_s, a.over_s, st.live_mb),
  context = string.format("Goroutines that allocate had to help with %s %% of all processors.", st.assist_cpu_pct),
  hypothesis = "It makes garbage faster than such a small heap can be collected at leisure: reuse what it makes, or make less.",
  culprit = {kind = "function", id = s.at, name = s["function"], facts = {allocated_mb_per_s = s.allocated_mb_per_s, share_pct = s.share_pct}},
}
