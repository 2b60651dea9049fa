local owners = ets_owners(3).owners
local first = owners[1]
if first == nil or first.tables < 100 then
  return {nothing = true, reason = "nobody has many tables"}
end
local who = first.owner_name or first.label or first.owner
if first.owner_name or first.label then who = who .. " (" .. first.owner .. ")" end
local named = ""
if first.name then named = string.format(", most of them named %s (%d)", first.name, first.with_name) end
return {
  type = "ets_table_leak",
  severity = "warning",
  summary = string.format("%s has %d tables%s; there were %d tables before and are %d now.", who, first.tables, named, finding.ordinary, finding.value),
  observation = string.format("%s owns %d tables with %.1f MB.", who, first.tables, first.memory_kb / 1024),
  hypothesis = "It makes a table for each piece of work and does not delete it.",
  culprit = {kind = "process", id = first.owner, name = first.owner_name, facts = {tables = first.tables, table_name = first.name}},
}
