local b = fds_bodies(5)
local x = b[1]
if x == nil then
  return {nothing = true, reason = "no body is open for long"}
end
return {
  type = "body_leak",
  severity = "warning",
  summary = string.format("%s (%s) does not close the bodies of responses of %s: %d are open, the oldest for %s s.", x["function"], x.at, x.host, x.open, x.oldest_s),
  observation = string.format("Each keeps a connection and two goroutines. %d places have such.", #b),
  hypothesis = "A way out of it leaves the body neither read to its end nor closed.",
  culprit = {kind = "function", id = x.at, name = x["function"], facts = {open = x.open, host = x.host}},
}
