=== basics
local co = coroutine.create(function(a, b) print(a, b) local c = coroutine.yield(a + b) print(c) local d, e = coroutine.yield(c * 2) print(d, e) return "end", "done" end)
print(coroutine.resume(co, 1, 2)) print(coroutine.resume(co, 10)) print(coroutine.resume(co, "x", "y")) print(coroutine.resume(co)) print(coroutine.status(co))
=== wrap
local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) print(gen(), gen(), gen(), gen()) print(pcall(gen))
=== status
local co co = coroutine.create(function() print(coroutine.status(co)) coroutine.yield() end) print(coroutine.status(co)) coroutine.resume(co) print(coroutine.status(co)) coroutine.resume(co) print(coroutine.status(co))
=== normal status
local a, b a = coroutine.create(function() coroutine.resume(b) end) b = coroutine.create(function() print(coroutine.status(a), coroutine.status(b)) end) coroutine.resume(a)
=== running and isyieldable
print(select(2, coroutine.running()), coroutine.isyieldable()) coroutine.wrap(function() print(select(2, coroutine.running()), coroutine.isyieldable()) end)()
=== yield across pcall
local co = coroutine.wrap(function() print(pcall(function() local x = coroutine.yield(1) error("e" .. x, 0) end)) print(pcall(function() return coroutine.yield(2) end)) return 3 end) print(co()) print(co("A")) print(co("B"))
=== yield across xpcall and handler
local co = coroutine.wrap(function() return xpcall(function() coroutine.yield(1) error("boom", 0) end, function(e) return "H:" .. e end) end) print(co()) print(co())
=== yield in metamethods
local mt = {__index = function(t, k) return coroutine.yield("index " .. k) end, __add = function(a, b) return coroutine.yield("add") end, __call = function(self, x) return coroutine.yield("call " .. x) end, __lt = function() return coroutine.yield("lt") end, __concat = function(a, b) return coroutine.yield("concat") end, __len = function() return coroutine.yield("len") end, __eq = function() return coroutine.yield("eq") end, __newindex = function(t, k, v) coroutine.yield("newindex " .. k) end, __unm = function() return coroutine.yield("unm") end, __close = function() coroutine.yield("close") end}
local co = coroutine.wrap(function() local t, u = setmetatable({}, mt), setmetatable({}, mt)
  print("got", t.x) print("got", t + 1) print("got", t(5)) print("got", t < u) print("got", "a" .. t .. "b") print("got", #t) print("got", t == u) t.y = 1 print("got", -t) do local c <close> = t end return "end" end)
local v = co() while v ~= "end" do print(v) v = co("r") end
=== yield in for iterators
local co = coroutine.wrap(function() for a, b in function(s, c) return coroutine.yield("iter") end do print("body", a, b) end return "end" end) print(co()) print(co(1, 2)) print(co(3)) print(co(nil))
=== yield as iterator function
local co = coroutine.wrap(function() for x in coroutine.yield do print("x", x) end return "over" end) print(co()) print(co(1)) print(co(2)) print(co(nil))
=== yield across sort
local co = coroutine.create(function() table.sort({3, 2, 1}, function(a, b) coroutine.yield() return a < b end) end) print(coroutine.resume(co))
=== yield across gsub
local co = coroutine.create(function() return (("abc"):gsub("%w", function(c) coroutine.yield(c) end)) end) print(coroutine.resume(co))
=== yield outside
print(pcall(coroutine.yield, 1))
=== resume dead and itself
local co = coroutine.create(function() end) coroutine.resume(co) print(coroutine.resume(co)) local self self = coroutine.create(function() return coroutine.resume(self) end) print(coroutine.resume(self))
=== wrap propagates errors with position
local f = coroutine.wrap(function() error("inside") end) print(pcall(f)) local g = coroutine.wrap(function() error({}) end) print(select(2, pcall(g)) ~= nil)
=== close suspended
local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function(_, e) print("closing", e) end}) coroutine.yield() end) coroutine.resume(co) print(coroutine.close(co)) print(coroutine.status(co)) print(coroutine.close(co))
=== close with an error
local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() error("in close", 0) end}) coroutine.yield() end) coroutine.resume(co) print(coroutine.close(co))
=== close after an error
local co = coroutine.create(function() error("failed", 0) end) coroutine.resume(co) print(coroutine.close(co)) print(coroutine.close(co))
=== close running
print(pcall(coroutine.close, coroutine.running()))
=== close not started
local co = coroutine.create(print) print(coroutine.close(co), coroutine.status(co))
=== producers and consumers
local function producer() return coroutine.create(function() for _, v in ipairs{"a", "b", "c"} do coroutine.yield(v) end end) end
local function filter(p) return coroutine.create(function() local n = 0 while true do local ok, v = coroutine.resume(p) if not v then return end n = n + 1 coroutine.yield(n .. v) end end) end
local c = filter(producer()) while true do local _, v = coroutine.resume(c) if not v then break end print(v) end
=== permutations
local function permgen(a, n) n = n or #a if n <= 1 then coroutine.yield(a) else for i = 1, n do a[n], a[i] = a[i], a[n] permgen(a, n - 1) a[n], a[i] = a[i], a[n] end end end
for p in coroutine.wrap(function() permgen{1, 2, 3} end) do print(table.concat(p, " ")) end
=== many yields and values
local co = coroutine.wrap(function(...) local n = select("#", ...) while true do n = n + select("#", coroutine.yield(n, ...)) end end) print(co(1, 2)) print(co()) print(co(nil, nil))
=== yield many values
local co = coroutine.wrap(function() coroutine.yield(table.unpack({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 1, 10)) end) print(select("#", co()), select("#", co()))
=== yield in a tail call
local co = coroutine.wrap(function() return coroutine.yield("t") end) print(co()) print(co("r1", "r2"))
=== nested coroutines
local outer = coroutine.wrap(function() local inner = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end) coroutine.yield(inner()) coroutine.yield(inner()) return "out" end) print(outer(), outer(), outer())
=== error in nested coroutine
local co = coroutine.create(function() local inner = coroutine.wrap(function() error("deep", 0) end) inner() end) print(coroutine.resume(co))
=== wrap as generic for with state
local t = {} for i, v in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i, i * i) end end) do t[#t + 1] = i .. ":" .. v end print(table.concat(t, " "))
=== coroutine with varargs and closures
local function make(n) return coroutine.wrap(function(...) local sum = n for _, v in ipairs{...} do sum = sum + v end while true do sum = sum + coroutine.yield(sum) end end) end local a, b = make(0), make(100) print(a(1, 2, 3), b(1), a(10), b(10))
=== coroutine of a library function
print(coroutine.resume(coroutine.create(string.upper), "abc")) print(coroutine.wrap(pcall)(error, "x"))
=== pcall inside and resume error
local co = coroutine.create(function() local ok, e = pcall(error, "a", 0) coroutine.yield(ok, e) error("b", 0) end) print(coroutine.resume(co)) print(coroutine.resume(co)) print(coroutine.resume(co))
=== yield inside nested pcalls
local co = coroutine.wrap(function() return pcall(pcall, pcall, function() coroutine.yield("in") error("x", 0) end) end) print(co()) print(co())
=== close in coroutines with yield across
local co = coroutine.wrap(function() do local c <close> = setmetatable({}, {__close = function() coroutine.yield("closing") end}) end return "after" end) print(co()) print(co())
=== close with yield while returning
local co = coroutine.wrap(function() local c <close> = setmetatable({}, {__close = function() coroutine.yield("y") end}) return 1, 2, 3 end) print(co()) print(co())
=== close with yield while unwinding
local co = coroutine.wrap(function() return pcall(function() local c <close> = setmetatable({}, {__close = function(_, e) coroutine.yield("y:" .. e) end}) error("err", 0) end) end) print(co()) print(co())
=== isyieldable of others
local co = coroutine.create(function() end) print(coroutine.isyieldable(co))
=== table of coroutines
local cos = {} for i = 1, 3 do cos[i] = coroutine.create(function() for j = 1, i do coroutine.yield(i * j) end end) end local alive = true while alive do alive = false for i, co in ipairs(cos) do local ok, v = coroutine.resume(co) if ok and v then print(i, v) alive = true end end end
