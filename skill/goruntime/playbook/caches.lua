local all = cache_list(20)
local x
for _, c in ipairs(all) do
  if finding.metric == "entries" then
    if x == nil or c.growth_per_s > x.growth_per_s then x = c end
  elseif c.hits_per_s + c.misses_per_s >= 10 and (x == nil or c.hit_pct < x.hit_pct) then
    x = c
  end
end
if x == nil then
  return {nothing = true, reason = "no cache grows or is asked in vain"}
end
if finding.metric == "entries" then
  return {
    type = "cache_growth",
    summary = string.format("The cache %s has %d entries, and %s more each second; it has given up %d since the start.", x.name, x.entries, x.growth_per_s, x.evictions),
    observation = string.format("%d caches are watched.", #all),
    hypothesis = "It has no bound, or its entries do not expire.",
    culprit = {kind = "table", id = x.name, facts = {entries = x.entries, growth_per_s = x.growth_per_s}},
  }
end
return {
  type = "cache_misses",
  summary = string.format("The cache %s is asked in vain: %s %% are found.", x.name, x.hit_pct),
  observation = string.format("%s hits and %s misses a second, %s entries given up a second, %d entries.", x.hits_per_s, x.misses_per_s, x.evictions_per_s, x.entries),
  hypothesis = "It is too small, has been emptied, or its keys have changed.",
  culprit = {kind = "table", id = x.name, facts = {entries = x.entries, hit_pct = x.hit_pct}},
}
