=== if elseif else
for i = 1, 4 do if i == 1 then print("one") elseif i == 2 then print("two") elseif i == 3 then print("three") else print("many") end end
=== while and break
local i = 0 while true do i = i + 1 if i > 5 then break end if i % 2 == 0 then goto cont end print(i) ::cont:: end
=== repeat scope
local n = 0 repeat local done = n >= 3 n = n + 1 until done print(n)
=== nested breaks
for i = 1, 3 do for j = 1, 3 do if j == 2 then break end print(i, j) end end
=== goto forward and backward
do local i = 1 ::top:: if i <= 3 then print(i) i = i + 1 goto top end end
=== goto continue in all loops
for i = 1, 3 do if i == 2 then goto continue end print(i) ::continue:: end
local i = 0 while i < 3 do i = i + 1 if i == 2 then goto continue end print(i) ::continue:: end
i = 0 repeat i = i + 1 if i == 2 then goto continue end print(i) ::continue:: until i >= 3
=== goto out of nested loops
for i = 1, 3 do for j = 1, 3 do if i * j == 4 then goto done end end end ::done:: print("done")
=== goto errors
goto nowhere
=== goto into a local
do goto x local a ::x:: print(a) end
=== duplicate labels
do ::a:: end ::a:: ::a::
=== label at the end of a block
do goto e local x = 1 ::e:: end print("ok")
=== break outside
break
=== closures in loops
local fs = {} for i = 1, 3 do fs[i] = function() i = i + 1 return i end end print(fs[1](), fs[1](), fs[2](), fs[3]())
=== closures share variables
local function counter() local n = 0 return function() n = n + 1 return n end, function() return n end end local inc, get = counter() inc() inc() print(get())
=== closures in while with locals
local fs, i = {}, 1 while i <= 3 do local j = i fs[i] = function() j = j + 10 return j end i = i + 1 end print(fs[1](), fs[2](), fs[1]())
=== closures and goto loops
local fs = {} do local i = 1 ::top:: local x = i fs[i] = function() return x end i = i + 1 if i <= 3 then goto top end end print(fs[1](), fs[2](), fs[3]())
=== recursive local function
local function fact(n) if n <= 1 then return 1 end return n * fact(n - 1) end print(fact(20), fact(21))
=== mutual recursion
local even, odd function even(n) if n == 0 then return true end return odd(n - 1) end function odd(n) if n == 0 then return false end return even(n - 1) end print(even(10), odd(7), even(5001))
=== tail calls do not grow
local function loop(n) if n == 0 then return "done" end return loop(n - 1) end print(loop(100000))
=== varargs
local function f(...) local a, b = ... return select("#", ...), a, b, ... end print(f()) print(f(1)) print(f(1, nil, 3))
=== varargs in tables and calls
local function f(...) return {...}, {n = select("#", ...), ...} end local a, b = f(1, nil, 3) print(#a, b.n, b[3])
=== select
print(select(2, "a", "b", "c")) print(select(-1, "a", "b", "c")) print(select("#")) print(select(5, 1, 2)) print(pcall(select, 0)) print(pcall(select, -5, 1))
=== varargs in the middle are cut
local function f(...) return ..., "end" end print(f(1, 2, 3)) print((f(1, 2)))
=== main chunk varargs
print(select("#", ...))
=== multiple returns adjust
local function r() return 1, 2, 3 end local a, b, c, d = r() print(a, b, c, d) local x, y = r(), 10 print(x, y) print(r(), r()) print((r()))
=== method definitions
local o = {n = 0} function o:add(k) self.n = self.n + k return self end function o.plain(x) return x end print(o:add(1):add(2).n, o.plain(5), o["add"](o, 3).n)
=== nested function names
local a = {b = {c = {}}} function a.b.c.f(x) return x * 2 end function a.b.c:g() return self == a.b.c end print(a.b.c.f(4), a.b.c:g())
=== calls without parentheses
local function f(x) return type(x) == "table" and #x or x end print(f"str", f[[long]], f{1, 2, 3}) print(("x"):rep(3))
=== shadowing
local x = 1 do local x = 2 print(x) end print(x) local x = x + 10 print(x)
=== local function sees itself, local x = function does not
local f = function() return f end print(f()) local function g() return g end print(g() == g)
=== globals
x = 5 print(x, _G.x, _G["x"]) _G.y = 6 print(y, rawget(_G, "z")) x = nil print(x)
=== _ENV as upvalue
local print = print local _ENV = {y = 5} print(y, x) x = 10 print(_ENV.x)
=== _ENV in functions
local function f() local _ENV <const> = {a = 1} return a end print(f(), a) local p = print do local _ENV = setmetatable({}, {__index = _G}) z = 3 p(z, _G.z) end
=== _ENV as parameter
local function with(_ENV) return x + y end print(with({x = 1, y = 2}))
=== setting _ENV
local p, keep = print, _ENV _ENV = {v = 7} p(v, print) _ENV = keep print(v)
=== metatable on _G
setmetatable(_G, {__index = function(_, k) return "missing " .. k end, __newindex = function(t, k, v) rawset(t, k, v .. "!") end}) print(foo) bar = "x" print(bar) setmetatable(_G, nil) print(foo)
=== semicolons
;;; local a = 1; ; print(a);
=== long if conditions
local a, b, c = 1, nil, false if a and not b and not c then print("yes") end if not (a and b) then print("also") end if (a or b) and (c or a) then print("third") end if b or c then print("no") else print("else") end
=== and or as values
local function v(x) return x end local a, b = v(1), v(nil) print(a and b or 3, b and a or 4, (a or b) and 5, not (a and b), a == 1 and "one" or "other", b == nil or "x")
=== comparisons as values
local a, b = 1, 2 local t = {a < b, a > b, a == b, a ~= b, a <= b, a >= b} print(t[1], t[2], t[3], t[4], t[5], t[6])
=== not and comparison in loops
local n = 5 while not (n == 0) do n = n - 1 end print(n) repeat n = n + 1 until n > 2 and n ~= 3 print(n)
=== complex boolean values
local x = nil local y = x == nil and (1 > 2 or "b") print(y) local z = (x or {}).field print(z) print(nil == false, (1 and nil) == nil)
=== constants compare
local s = "abc" print(s == "abc", s ~= "abd", s == nil, nil == s, 1 == 1, s == 5, s == true)
=== deep nesting
local n = 0 for a = 1, 2 do for b = 1, 2 do for c = 1, 2 do for d = 1, 2 do while true do n = n + 1 break end end end end end print(n)
=== evaluation order of arguments
local log = {} local function f(x) log[#log + 1] = x return x end local t = {} t[f(1)], t[f(2)] = f(3), f(4) print(table.concat(log, " ")) print(f(5) + f(6) * f(7)) print(table.concat(log, " "))
=== upvalues of upvalues
local function a() local x = 1 return function() return function() x = x + 1 return x end end end local f = a()() print(f(), f())
=== upvalue shared after scope
local get, set do local v = 1 get = function() return v end set = function(x) v = x end end set(5) print(get())
=== parameters are locals
local function f(a, b) a = a or "d" b = b or a return a, b end print(f()) print(f(1)) print(f(1, 2)) print(f(1, 2, 3))
=== captured parameters
local function f(a, ...) local t = {...} return function() a = a + #t return a end end local g = f(1, 2, 3) print(g(), g())
=== captured loop variables
local fs = {} for k, v in pairs({10}) do fs[1] = function() return k, v end end print(fs[1]()) for i = 1, 2 do local x = i * 2 fs[i] = function() x = x + i return x end end print(fs[1](), fs[1](), fs[2]())
=== local attribs
local a <const>, b <close>, c = 1, nil, 3 print(a, b, c)
=== assign to const
local x <const> = 1
x = 2
=== assign to close
local x <close> = nil
x = 2
=== const captured assign
local x <const> = 1 local function f() x = 2 end
=== unknown attribute
local x <foo> = 1
=== integer division and loops
local n, steps = 27, 0 while n ~= 1 do if n % 2 == 0 then n = n // 2 else n = 3 * n + 1 end steps = steps + 1 end print(steps)
=== sieve
local N, sieve, count = 1000, {}, 0 for i = 2, N do if not sieve[i] then count = count + 1 for j = i * i, N, i do sieve[j] = true end end end print(count)
=== quicksort by hand
local function qs(t, lo, hi) if lo < hi then local p, i = t[hi], lo - 1 for j = lo, hi - 1 do if t[j] <= p then i = i + 1 t[i], t[j] = t[j], t[i] end end t[i + 1], t[hi] = t[hi], t[i + 1] qs(t, lo, i) qs(t, i + 2, hi) end end local t = {5, 3, 9, 1, 7} qs(t, 1, #t) print(table.concat(t, " "))
=== string keys with keywords
local t = {["end"] = 1, ["for"] = 2} print(t["end"], t["for"])
=== numeric for modifies nothing outside
local i = 100 for i = 1, 2 do end print(i)
=== generic for with custom iterator
local function range(n) return function(s, c) if c < s then return c + 1 end end, n, 0 end for i in range(3) do print(i) end
=== generic for with four values
for a, b, c, d in function(s, c) if not c then return 1, 2, 3 end end do print(a, b, c, d) end
=== generic for over callable table
local t = setmetatable({}, {__call = function(_, s, c) c = (c or 0) + 1 if c <= 2 then return c end end}) for i in t do print(i) end
=== for over a non function
for x in {} do end
=== for over nil
for x in nil do end
=== many locals and temporaries
local a, b, c, d, e, f = 1, 2, 3, 4, 5, 6 print(a + b * c - d / e ^ f, (a + b) * (c + d) * (e + f), a .. b .. c .. d .. e .. f, ({a, b, c})[3])
