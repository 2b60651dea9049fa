=== type
print(type(nil), type(1), type("x"), type({}), type(print), type(function() end), type(true), type(coroutine.create(print))) print(pcall(type))
=== names that are there
for _, n in ipairs{"assert", "error", "ipairs", "next", "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "select", "setmetatable", "getmetatable", "tonumber", "tostring", "type", "xpcall"} do print(n, type(_G[n])) end print(_VERSION)
=== libraries that are there
for _, n in ipairs{"string", "table", "math", "utf8", "coroutine", "os"} do print(n, type(_G[n])) end
=== string functions
for _, n in ipairs{"byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack", "packsize", "rep", "reverse", "sub", "unpack", "upper"} do print(n, type(string[n])) end
=== table and math functions
for _, n in ipairs{"concat", "insert", "move", "pack", "remove", "sort", "unpack"} do print(n, type(table[n])) end for _, n in ipairs{"abs", "ceil", "floor", "fmod", "huge", "max", "maxinteger", "min", "mininteger", "modf", "pi", "random", "sqrt", "tointeger", "type", "ult"} do print(n, type(math[n])) end
=== os.time with a table
print(os.time({year = 2020, month = 1, day = 1, hour = 0}), os.time({year = 2024, month = 2, day = 29}), os.time({year = 2021, month = 14, day = -3, hour = 30}))
=== os.time normalizes
local t = {year = 2021, month = 13, day = 32} os.time(t) print(t.year, t.month, t.day, t.yday, t.wday)
=== os.time errors
print(pcall(os.time, {year = 2020})) print(pcall(os.time, {year = 2020, month = "x", day = 1})) print(pcall(os.time, {year = 2020, month = 1.5, day = 1}))
=== os.date
print(os.date("!%Y-%m-%d %H:%M:%S", 0), os.date("!%a %A %b %B %d %j %p %y %%", 86400 * 200), os.date("!%c", 1e9), os.date("!%x %X %D %F %T %R", 1234567890))
=== os.date table
local t = os.date("!*t", 86400) print(t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.yday, t.isdst)
=== os.date weeks
for _, d in ipairs{0, 1e9, 1577836800, 1609459200, 1704067200} do print(os.date("!%U %W %V %G %g %u %w %e %I %C", d // 1 | 0)) end
=== os.date errors
print(pcall(os.date, "%Q", 0)) print(pcall(os.date, "%", 0))
=== difftime and clock
print(os.difftime(10, 4), type(os.clock()), math.type(os.time()))
=== next and pairs return
local f, s, c = pairs({}) print(f == next, type(s), c) local f, s, c = ipairs({}) print(type(f), type(s), c)
=== print uses tabs and tostring
print(1, "a", nil, true, 1.5) print() print(nil) print("a\nb")
=== print calls __tostring and __name
print(setmetatable({}, {__tostring = function() return "custom" end}))
=== tostring of functions and tables has a type
print((tostring({}):gsub("0x%x+", "P")), (tostring(function() end):gsub("0x%x+", "P")), (tostring(coroutine.create(print)):gsub("0x%x+", "P")))
=== rawequal of strings and numbers
print(rawequal("a" .. "b", "ab"), rawequal(1, 1.0), rawequal(2^53, 2^53), rawequal(nil, false))
=== unpack with nils
print(table.unpack({1, nil, 3}, 1, 3)) print(select("#", table.unpack({n = 3}, 1, 3)))
=== math constants
print(math.maxinteger, math.mininteger, math.huge, -math.huge)
=== string library through metatable
local s = "hello" print(s:upper():lower():len(), s:find("l"), s:rep(2, "-"), #s:reverse())
=== gsub with pattern special characters
print(("1+1=2"):gsub("%+", "-"), ("a.b.c"):gsub("%.", "/"), ("50%"):gsub("%%", " percent"))
=== split
local parts = {} for p in ("a,b,,c"):gmatch("([^,]*)") do parts[#parts + 1] = "[" .. p .. "]" end print(table.concat(parts))
=== trim and pad
print("[" .. ("  x  "):gsub("^%s+", ""):gsub("%s+$", "") .. "]", ("%-8s|%8s"):format("ab", "cd"))
=== word count
local n = {} for w in ("the cat the dog the end"):gmatch("%w+") do n[w] = (n[w] or 0) + 1 end print(n.the, n.cat, n["end"])
=== memoize
local cache = setmetatable({}, {__mode = "v"}) local calls = 0 local function sq(n) if not cache[n] then calls = calls + 1 cache[n] = {n * n} end return cache[n][1] end print(sq(4), sq(4), sq(5))
=== json like printing
local function ser(v) if type(v) == "table" then local ks = {} for k in pairs(v) do ks[#ks + 1] = k end table.sort(ks, function(a, b) return tostring(a) < tostring(b) end) local out = {} for _, k in ipairs(ks) do out[#out + 1] = tostring(k) .. ":" .. ser(v[k]) end return "{" .. table.concat(out, ",") .. "}" end return tostring(v) end print(ser({1, 2, x = {y = true}, z = "s"}))
=== queue and stack
local Q = {first = 1, last = 0, items = {}} function Q:push(v) self.last = self.last + 1 self.items[self.last] = v end function Q:pop() local v = self.items[self.first] self.items[self.first] = nil self.first = self.first + 1 return v end for i = 1, 5 do Q:push(i) end print(Q:pop(), Q:pop(), Q.last - Q.first + 1)
=== binary search
local t = {} for i = 1, 100 do t[i] = i * 3 end local function find(x) local lo, hi = 1, #t while lo <= hi do local m = (lo + hi) // 2 if t[m] == x then return m elseif t[m] < x then lo = m + 1 else hi = m - 1 end end end print(find(150), find(151))
=== matrix
local function mul(a, b) local r = {} for i = 1, #a do r[i] = {} for j = 1, #b[1] do local s = 0 for k = 1, #b do s = s + a[i][k] * b[k][j] end r[i][j] = s end end return r end local m = mul({{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}) print(m[1][1], m[1][2], m[2][1], m[2][2])
=== fibonacci with memo and strings
local memo = {} local function fib(n) if n <= 2 then return 1 end if memo[n] then return memo[n] end local v = fib(n - 1) + fib(n - 2) memo[n] = v return v end print(fib(80))
=== gcd and primes
local function gcd(a, b) while b ~= 0 do a, b = b, a % b end return a end print(gcd(48, 18), gcd(17, 5), gcd(0, 5), gcd(2^40 | 0, 2^20 | 0))
=== string bytes checksum
local s, h = "The quick brown fox", 5381 for i = 1, #s do h = (h * 33 + s:byte(i)) & 0xffffffff end print(h, string.format("%08x", h))
=== base64
local b = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" local function enc(d) return ((d:gsub(".", function(x) local r, c = "", x:byte() for i = 8, 1, -1 do r = r .. (c % 2 ^ i - c % 2 ^ (i - 1) > 0 and "1" or "0") end return r end) .. "0000"):gsub("%d%d%d?%d?%d?%d?", function(x) if #x < 6 then return "" end local c = 0 for i = 1, 6 do c = c + (x:sub(i, i) == "1" and 2 ^ (6 - i) or 0) end return b:sub(c + 1 | 0, c + 1 | 0) end) .. ({"", "==", "="})[#d % 3 + 1]) end print(enc("hello"), enc("Lua"))
