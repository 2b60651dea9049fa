local worst
for _, s in ipairs(sup_list(50).supervisors) do
  if not s.idle and s.message_queue and s.message_queue > 0 and (worst == nil or s.message_queue > worst.message_queue) then worst = s end
end
if worst == nil then
  return {nothing = true, reason = "no supervisor is busy any more"}
end
local where = worst.current_function or "a function that cannot be interrupted"
for _, frame in ipairs(worst.stacktrace) do
  -- Below the library functions that start a child is the function that was given to start it.
  if not string.find(frame, "^supervisor:") and not string.find(frame, "^gen") and not string.find(frame, "^proc_lib:") and not string.find(frame, "^GenServer") and not string.find(frame, "^DynamicSupervisor") and not string.find(frame, "^timer:") and not string.find(frame, "^prim_eval:") then
    where = frame
    break
  end
end
return {
  type = "supervisor_busy",
  severity = "warning",
  summary = string.format("Supervisor %s has %d messages waiting: it is starting a child, in %s.", worst.name, worst.message_queue, where),
  observation = string.format("It has %d children that are alive; it is in %s.", worst.active_children, worst.current_function or "?"),
  hypothesis = "The start of a child takes long, and until it is done the supervisor starts and stops no other.",
  culprit = {kind = "supervisor", id = worst.pid, name = worst.name, facts = {message_queue = worst.message_queue, at = where, stacktrace = worst.stacktrace}},
}
