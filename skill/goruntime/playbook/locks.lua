locks_capture()
local h = locks_holders(15, 5)
local w = locks_waiters(5)
local x = h.holders[1]
if x == nil or x.others_waited_s < 1 then
  return {nothing = true, reason = "nobody lost time at a mutex in the profile"}
end
local where = "Nobody waits at this moment."
if w.groups[1] then
  where = string.format("%d goroutines wait in %s (%s).", w.groups[1].count, w.groups[1]["function"], w.groups[1].at)
end
return {
  type = "lock_contention",
  severity = "warning",
  summary = string.format("%s holds a mutex too long: others lost %s s at it within %s s. It unlocks at %s.", x["function"], x.others_waited_s, h.over_s, x.at),
  observation = string.format("It is %s %% of all time lost at mutexes, in about %s waits.", x.share_pct, x.times),
  context = where,
  hypothesis = "It does something slow while it holds the lock, or the lock is taken for too much.",
  culprit = {kind = "function", id = x.at, name = x["function"], facts = {others_waited_s = x.others_waited_s, share_pct = x.share_pct}},
}
