heap_capture()
local g = heap_growth(60, 5)
local m = heap_memory()
local s = g.sites[1]
if s == nil or s.growth_mb < 4 or s.share_pct < 25 then
  return {nothing = true, reason = "no single place grows"}
end
if finding.metric == "live_mb" and s.growth_mb < (finding.value - finding.ordinary) * 0.35 then
  return {nothing = true, reason = "what grew has gone, or is spread over many places"}
end
local second = "No other place grew as much."
if g.sites[2] and g.sites[2].growth_mb > s.growth_mb / 4 then
  second = string.format("%s (%s) grew by %s MB.", g.sites[2]["function"], g.sites[2].at, g.sites[2].growth_mb)
end
local limit = ""
if m.limit_mb then limit = string.format(" The memory limit is %s MB.", m.limit_mb) end
return {
  type = "heap_growth",
  severity = m.limit_used_pct and m.limit_used_pct > 90 and "critical" or "warning",
  summary = string.format("What %s (%s) allocated and is still in use has grown by %s MB to %s MB.", s["function"], s.at, s.growth_mb, s.memory_mb),
  observation = string.format("It is %s %% of the growth of all places (%s MB in %s s). Alive are %s MB.", s.share_pct, g.growth_mb, g.over_s, m.live_mb),
  context = second .. limit,
  hypothesis = "It is kept in a map, a slice, a timer or a goroutine, and nothing removes it.",
  culprit = {kind = "function", id = s.at, name = s["function"], facts = {memory_mb = s.memory_mb, growth_mb = s.growth_mb, share_pct = s.share_pct, growth_mb_per_s = s.growth_mb_per_s}},
}
