local o = sup_orphaned_processes(20)
local best
for _, p in ipairs(o.processes) do
  if p.label and not string.find(p.label, "^application_master:") then
    best = p
    break
  end
end
if best == nil then
  return {nothing = true, reason = "only processes of the system have no parent"}
end
local who = best.name or best.label
return {
  type = "orphaned_processes",
  summary = string.format("%d processes have lost their parent and go on, among them %s (%s).", o.orphaned, who, best.pid),
  observation = string.format("%s was started by %s, which is gone; it has %d links and is in %s.", who, best.ancestors[1] or best.parent or "?", best.links, best.current_function or "?"),
  hypothesis = "They were not linked to who started them, or trap exits and do not end.",
  culprit = {kind = "process", id = best.pid, name = best.name, facts = {label = best.label, ancestors = best.ancestors, current_function = best.current_function}},
}
