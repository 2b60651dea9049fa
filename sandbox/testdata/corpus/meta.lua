=== index table and function
local t = setmetatable({}, {__index = {x = 1}}) print(t.x, t.y) t = setmetatable({}, {__index = function(t, k) return k .. "!" end}) print(t.foo, t[1])
=== index chain
local a = {x = 1} local b = setmetatable({y = 2}, {__index = a}) local c = setmetatable({}, {__index = b}) print(c.x, c.y, c.z)
=== newindex table and function
local store = {} local t = setmetatable({}, {__newindex = store}) t.x = 1 print(rawget(t, "x"), store.x) t = setmetatable({}, {__newindex = function(t, k, v) rawset(t, k, v * 2) end}) t.y = 5 print(t.y)
=== newindex only for absent keys
local n = 0 local t = setmetatable({x = 1}, {__newindex = function() n = n + 1 end}) t.x = 2 t.y = 3 t.x = nil t.x = 4 print(n, t.x, t.y)
=== call
local t = setmetatable({}, {__call = function(self, a, b) return a, b, self ~= nil end}) print(t(1, 2)) print(pcall(t, 3))
=== call chain
local f = setmetatable({}, {__call = function(_, x) return x end}) local g = setmetatable({}, {__call = f}) print(g(1) == g)
=== arithmetic metamethods
local mt = {} for _, op in ipairs{"add", "sub", "mul", "div", "mod", "pow", "idiv", "band", "bor", "bxor", "shl", "shr", "concat"} do mt["__" .. op] = function(a, b) return op .. type(a) .. type(b) end end
local t = setmetatable({}, mt)
print(t + 1, 1 - t, t * t, t / 2, t % 2, 2 ^ t, t // 1, t & 1, 1 | t, t ~ 1, t << 1, 1 >> t, t .. "s", "s" .. t)
=== unary metamethods
local t = setmetatable({}, {__unm = function(a, b) return rawequal(a, b) and "unm" end, __bnot = function() return "bnot" end, __len = function() return "len" end}) print(-t, ~t, #t)
=== comparison metamethods
local mt = {__lt = function(a, b) return a.v < b.v end, __le = function(a, b) return a.v <= b.v end, __eq = function(a, b) return a.v == b.v end}
local a, b, c = setmetatable({v = 1}, mt), setmetatable({v = 2}, mt), setmetatable({v = 1}, mt)
print(a < b, a > b, a <= c, a >= b, a == c, a ~= c, a == b, not (a < b))
=== comparison results become booleans
local t = setmetatable({}, {__lt = function() return 1 end, __le = function() return nil end, __eq = function() return "x" end}) print(t < t, t <= t, t == setmetatable({}, getmetatable(t)), t < 1, 1 < t)
=== eq only for two tables
local t = setmetatable({}, {__eq = function() return true end}) print(t == {}, t == 1, {} == t, t ~= {}, rawequal(t, {}))
=== comparison in conditions
local t = setmetatable({}, {__lt = function() return true end}) if t < t then print("yes") else print("no") end while t < t do print("once") break end repeat local x = t until x < x
=== concat metamethod order
local t = setmetatable({}, {__concat = function(a, b) return (type(a) == "table" and "T" or a) .. "&" .. (type(b) == "table" and "T" or b) end}) print("a" .. "b" .. t, t .. "a" .. "b", "a" .. t .. "b", 1 .. t)
=== len used by ipairs not
local t = setmetatable({1, 2, 3}, {__len = function() return 1 end}) local n = 0 for _ in ipairs(t) do n = n + 1 end print(n, #t)
=== tostring and name
print(tostring(setmetatable({}, {__tostring = function() return "me" end}))) print((tostring(setmetatable({}, {__name = "My.Type"})):gsub("0x%x+", "PTR")))
=== tostring must return a string
print(pcall(tostring, setmetatable({}, {__tostring = function() return 1 end}))) print(pcall(tostring, setmetatable({}, {__tostring = function() return {} end})))
=== metatable field
local t = setmetatable({}, {__metatable = "locked"}) print(getmetatable(t)) print(pcall(setmetatable, t, {}))
=== getmetatable of strings
print(getmetatable("").__index == string, getmetatable(1), getmetatable(nil), getmetatable({}))
=== setmetatable errors
print(pcall(setmetatable, 1, {})) print(pcall(setmetatable, {}, 1)) print(pcall(setmetatable, {})) print(setmetatable({}, nil) ~= nil)
=== inheritance
local Animal = {} Animal.__index = Animal function Animal.new(n) return setmetatable({name = n}, Animal) end function Animal:speak() return self.name .. " speaks" end
local Dog = setmetatable({}, {__index = Animal}) Dog.__index = Dog function Dog.new(n) local d = Animal.new(n) return setmetatable(d, Dog) end function Dog:bark() return self:speak() .. " woof" end
print(Dog.new("Rex"):bark())
=== errors in metamethods have positions
print(pcall(function() local t = setmetatable({}, {__index = function(t, k) error("no field " .. k) end}) return t.x end))
=== index on nil in metamethods
print(pcall(function() local t = setmetatable({}, {__index = function(t, k) return t.missing.x end, }) return rawget(t, 1).x end))
=== metamethods see varargs
local t = setmetatable({}, {__call = function(self, ...) return select("#", ...), ... end}) print(t(nil, nil)) print(t())
=== index loop error
local t = {} setmetatable(t, {__index = t}) print(pcall(function() return t.x end))
=== newindex loop
local a = {} setmetatable(a, {__newindex = a}) print(pcall(function() a.x = 1 end))
=== metamethod via rawset on metatable later
local mt = {} local t = setmetatable({}, mt) print(t.x) mt.__index = function() return "now" end print(t.x) mt.__index = nil print(t.x) mt.__index = {x = "tbl"} print(t.x)
=== add later after absent
local mt = {} local t = setmetatable({}, mt) print(pcall(function() return t + 1 end)) mt.__add = function() return "sum" end print(t + 1)
=== gc and mode are accepted
local t = setmetatable({}, {__gc = function() end, __mode = "k"}) t[1] = 2 print(t[1])
=== arithmetic on mixed failing
print(pcall(function() return {} + 1 end)) print(pcall(function() return 1 + nil end)) print(pcall(function() return "a" + 1 end)) print(pcall(function() return {} .. "x" end))
=== division metamethod with constants
local v = setmetatable({}, {__mul = function(a, b) return (a == 2 or b == 2) and "two" or "other" end, __sub = function(a, b) return type(a) .. type(b) end}) print(v * 2, 2 * v, v - 1, 1 - v)
=== index with integer keys through functions
local t = setmetatable({}, {__index = function(_, k) return math.type(k) end}) print(t[1], t[1.0], t[1.5], t["1"])
=== multiple inheritance lookups
local function search(k, list) for i = 1, #list do local v = list[i][k] if v then return v end end end
local c = setmetatable({}, {__index = function(t, k) return search(k, {{a = 1}, {b = 2}}) end}) print(c.a, c.b, c.c)
=== proxies count accesses
local n = 0 local real = {x = 1} local p = setmetatable({}, {__index = function(_, k) n = n + 1 return real[k] end, __newindex = function(_, k, v) n = n + 1 real[k] = v end}) p.x = p.x + 1 p.y = 3 print(real.x, real.y, n)
=== close metamethod simple
do local x <close> = setmetatable({}, {__close = function(o, e) print("closed", e) end}) print("body") end print("after")
=== close in order with errors
print(pcall(function()
  local a <close> = setmetatable({}, {__close = function(_, e) print("a", e) end})
  local b <close> = setmetatable({}, {__close = function(_, e) print("b", e) error("from b", 0) end})
  error("first", 0)
end))
=== close on return keeps values
local function f() local x <close> = setmetatable({}, {__close = function() print("close") end}) return 1, 2, 3 end print(f())
=== close on break and goto
for i = 1, 2 do local x <close> = setmetatable({}, {__close = function() print("close", i) end}) if i == 1 then goto cont end break ::cont:: end
=== close in loops with generic for
local function iter() local n = 0 return function() n = n + 1 if n < 3 then return n end end, nil, nil, setmetatable({}, {__close = function() print("iter closed") end}) end
for i in iter() do print(i) end for i in iter() do print(i) break end
=== close nil and false are fine
do local a <close> = nil local b <close> = false print("ok") end
=== close bad value
print(pcall(function() local x <close> = {} end)) print(pcall(function() local y <close> = 42 end))
=== close with tail call
local function f() local x <close> = setmetatable({}, {__close = function() print("c") end}) return print("called") end f()
=== close and upvalue
local function f() local x <close> = setmetatable({v = 5}, {__close = function(o) print("closing", o.v) end}) return function() return x.v end end print(f()())
=== const
local x <const> = 5 print(x + 1) local function f() return x end print(f())
=== nested closes through pcall
print(pcall(function() local a <close> = setmetatable({}, {__close = function(_, e) print("outer", e) end}) pcall(function() local b <close> = setmetatable({}, {__close = function(_, e) print("inner", e) end}) error("e1", 0) end) error("e2", 0) end))
=== error in close replaces
print(pcall(function() local a <close> = setmetatable({}, {__close = function(_, e) error("close:" .. tostring(e), 0) end}) return 1 end))
=== close varargs returns
local function f(...) local x <close> = setmetatable({}, {__close = function() end}) return ... end print(f(1, nil, 3)) print(select("#", f()))
