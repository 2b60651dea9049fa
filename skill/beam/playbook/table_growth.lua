local memory = beam_get_memory()
local t = beam_top_tables(3, "memory").tables[1]
if t == nil then
  return {nothing = true, reason = "there are no tables"}
end
-- The largest may be as large as it should be: what grows is to blame, if it is known and worth a part of the growth.
local ok, growing = pcall(beam_growing_tables, 1)
local speed = ""
if ok and growing.tables[1] and growing.tables[1].growth_kb / 1024 > (finding.value - finding.ordinary) * 0.3 then
  t = growing.tables[1]
  speed = string.format(", %.0f MB more than %.0f s ago", t.growth_kb / 1024, t.over_ms / 1000)
end
local owner = t.owner_name or t.owner or "nobody"
local mb = t.memory_kb / 1024
return {
  type = "table_growth",
  severity = "warning",
  summary = string.format("ETS memory grew by %d MB to %d MB; table %s has %d rows and %d MB%s. It belongs to %s.", finding.value - finding.ordinary, memory.ets_mb, t.name, t.size, mb, speed, owner),
  observation = string.format("Table %s: %s, %s, %d rows, %d MB of %d MB of all tables; owner %s.", t.name, t.type, t.protection, t.size, mb, memory.ets_mb, owner),
  hypothesis = "Rows are inserted and not removed.",
  culprit = {kind = "table", id = t.name, facts = {size = t.size, memory_mb = math.floor(mb), owner = owner, owner_pid = t.owner, type = t.type, protection = t.protection}},
}
