runtime_capture()
local g = runtime_goroutines(50)
for _, x in ipairs(g.groups) do
  if x.waits_for == "syscall" or x.waits_for == "running" then
    return {
      type = "thread_growth",
      summary = string.format("%d goroutines are in a call of the system or of C at %s (%s), and each has a thread.", x.count, x["function"], x.at),
      observation = string.format("%d of %d goroutines are there, started as %s.", x.count, g.total, x.started_as),
      hypothesis = "The calls do not come back, or too many are made at once.",
      culprit = {kind = "function", id = x.at, name = x["function"], facts = {goroutines = x.count}},
    }
  end
end
return {nothing = true, reason = "no goroutine is in a call of the system"}
