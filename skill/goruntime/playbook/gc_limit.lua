gc_capture()
local st = gc_state()
local a = gc_allocators(60, 50)
local s, live
for _, x in ipairs(a.sites) do
  if live == nil or x.memory_mb > live then s, live = x, x.memory_mb end
end
local culprit
local who = "No single place holds it."
if s and st.live_mb > 0 and s.memory_mb > st.live_mb * 0.2 then
  who = string.format("%s (%s) allocated %s MB of what is in use.", s["function"], s.at, s.memory_mb)
  culprit = {kind = "function", id = s.at, name = s["function"], facts = {memory_mb = s.memory_mb, allocated_mb_per_s = s.allocated_mb_per_s}}
end
local limit = st.limit_mb and string.format("the memory limit of %s MB", st.limit_mb) or "the memory limit"
return {
  type = "memory_limit",
  severity = "critical",
  summary = string.format("The heap is at %s, and the collector takes %s %% of all processors and frees little. %s", limit, st.cpu_pct, who),
  observation = string.format("Alive are %s MB, the goal is %s MB; there were %s cycles.", st.live_mb, st.goal_mb, st.cycles),
  hypothesis = "What is alive does not fit under the limit: it is too low, or something is kept that should not be.",
  culprit = culprit,
}
