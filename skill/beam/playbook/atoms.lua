local a = beam_get_atoms()
local shape, context = nil, ""
local ok, newest = pcall(beam_newest_atoms, 3)
if ok and newest.shapes[1] and newest.shapes[1].count > newest.looked_at * 0.3 then
  shape = newest.shapes[1]
  context = string.format("Of the newest %d atoms %d look like %s; the last of these is %s.", newest.looked_at, shape.count, shape.shape, shape.newest)
end
local speed = ""
if finding.metric == "atom_count" and finding.rate >= 1 then
  local minutes = (a.atom_limit - a.atom_count) / finding.rate / 60
  speed = string.format(" %.0f more are made each second, and in %.0f minutes none can be made.", finding.rate, minutes)
end
local of = ""
if shape then
  of = " The newest are like " .. shape.newest .. "."
end
return {
  type = "atom_exhaustion",
  severity = "critical",
  summary = string.format("%d of %d atoms are used.%s%s Atoms are never removed; at the limit the node stops.", a.atom_count, a.atom_limit, speed, of),
  observation = string.format("The atom table has %d atoms and %.1f MB.", a.atom_count, a.atom_mb),
  context = context,
  hypothesis = "Something makes atoms of data: binary_to_atom, list_to_atom or String.to_atom on what comes from outside.",
  culprit = {kind = "system", id = "atom table", facts = {atom_count = a.atom_count, atom_limit = a.atom_limit, newest = shape and shape.shape}},
}
