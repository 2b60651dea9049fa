local total = 0
for _, a in ipairs(ets_by_application(50).applications) do total = total + a.memory_kb end
local grown = ets_growth_stats(1, 5).tables
local top = ets_top_tables(3, "memory").tables
local t = top[1]
local speed = ""
-- What grows counts for more than what is large, unless it is next to nothing.
if grown[1] and t and grown[1].memory_kb * 10 > t.memory_kb then
  t = grown[1]
  speed = string.format(" and grew by %.1f MB and %d rows in the last %d s", t.growth_kb / 1024, t.growth_rows, math.floor(t.over_ms / 1000))
end
if t == nil then
  return {nothing = true, reason = "there are no tables"}
end
local d = ets_table_info(t.id)
local owner = t.owner_name or t.owner or "nobody"
local mb = t.memory_kb / 1024
local of = d.application and (" of the application " .. d.application) or ""
local before = ""
if finding.metric == "total_memory_mb" then
  before = string.format("All tables together went from %.1f to %.1f MB. ", finding.ordinary, finding.value)
end
local hypothesis = "Rows are inserted and not removed."
if t.type == "bag" or t.type == "duplicate_bag" then
  hypothesis = "Rows are inserted and not removed; in a " .. t.type .. " an insert with a known key replaces nothing."
end
return {
  type = "ets_growth",
  severity = "warning",
  summary = string.format("Table %s has %d rows and %.1f MB%s. It belongs to %s%s.", t.name, t.size, mb, speed, owner, of),
  observation = string.format("%sTable %s: %s, %s, %d rows, %.1f MB of %.1f MB of all tables; owner %s.", before, t.name, t.type, t.protection, t.size, mb, total / 1024, owner),
  hypothesis = hypothesis,
  culprit = {kind = "table", id = t.name, facts = {
    table = t.id, size = t.size, memory_mb = math.floor(mb), growth_rows_per_min = t.growth_rows_per_min, growth_kb_per_min = t.growth_kb_per_min,
    owner = owner, owner_pid = t.owner, application = d.application, type = t.type, protection = t.protection,
  }},
}
