local a = sql_active(50)
local groups, order = {}, {}
for _, s in ipairs(a.sessions) do
  if s.state == "active" and s.query_s > 2 then
    local g = groups[s.query_id]
    if g == nil then
      g = {id = s.query_id, query = s.query, count = 0, longest = 0, application = s.application, pid = s.pid, waits = s.waits_for or ""}
      groups[s.query_id] = g
      order[#order + 1] = g
    end
    g.count = g.count + 1
    if s.query_s > g.longest then g.longest = s.query_s end
  end
end
table.sort(order, function(x, y) return x.count * x.longest > y.count * y.longest end)
local g = order[1]
if g == nil then
  return {nothing = true, reason = "no statement runs long any more"}
end
local context = ""
local ok, usage = pcall(sql_index_usage, 5)
if ok and usage.tables[1] then
  local t = usage.tables[1]
  context = string.format("Most rows without an index were read from %s: %d, of a table of %d.", t.table, t.rows_read_without_index, t.rows)
end
return {
  type = "slow_query",
  summary = string.format("%d sessions of %s run a statement that takes %.0f s and more: %s", g.count, g.application ~= "" and g.application or "an application without name", g.longest, g.query),
  observation = string.format("%d sessions run it now, the longest for %.1f s; %d other statements run long.", g.count, g.longest, #order - 1),
  context = context,
  hypothesis = "An index is missing, the plan has changed, or it reads more than it needs.",
  culprit = {kind = "query", id = g.id, name = g.query, facts = {sessions = g.count, longest_s = g.longest, application = g.application}},
}
