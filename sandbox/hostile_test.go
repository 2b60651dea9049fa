package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The ways in which the programs of TestMoreHostilePrograms may end.
const (
	hOK      = "ok"
	hTime    = "timeout"
	hMemory  = "memory"
	hRuntime = "runtime"
	hStack   = "stack"
	hSyntax  = "syntax"
	hOutput  = "output_limit"
	hCalls   = "callback_limit"
	hResult  = "result"
)

// moreHostile are programs of our own: what escaped from other sandboxes, or might from ours.
var moreHostile = []struct {
	name, text string
	accept     string // kinds, separated by spaces
}{
	// Time.
	{"while", `while true do end`, hTime},
	{"repeat", `repeat until false`, hTime},
	{"goto", `::a:: goto a`, hTime},
	{"goto with a close", `::a:: do local x <close> = nil goto a end`, hTime},
	{"for step zero float", `for i = 0.0, 1, 1e-320 do end`, hTime},
	{"for that does not advance", `for i = 2^53, 2^54 do end`, hTime},
	{"for to math.maxinteger", `for i = 1, math.maxinteger do end`, hTime},
	{"tail calls", `local function f() return f() end return f()`, hTime},
	{"tail calls of two", `local a, b function a() return b() end function b() return a() end a()`, hTime},
	{"tail call of pcall", `local function f() return pcall(f) end return f()`, "stack runtime timeout"},
	{"long straight code in a tail call", `local x local function f() ` + strings.Repeat("x = 1 ", 8000) + ` return f() end f()`, hTime},
	{"long straight code and an error", `local x local function f() ` + strings.Repeat("x = 1 ", 8000) + ` error("e") end while true do pcall(f) end`, hTime},
	{"calls without loops", `local function f(n) if n > 0 then f(n - 1) f(n - 1) end end f(150)`, hTime},
	{"errors in a loop", `while true do pcall(error, {}) end`, hTime},
	{"runtime errors in a loop", `while true do pcall(function() local t = nil; return t.x.y end) end`, hTime},
	{"error texts in a loop", `local s = ("x"):rep(100000) while true do pcall(error, s) end`, hTime},
	{"xpcall handlers in a loop", `while true do xpcall(error, function(e) return e end, 1) end`, hTime},
	{"xpcall handler that errs", `while true do xpcall(error, function(e) error(e) end, 1) end`, hTime},
	{"close in a loop", `local c = setmetatable({}, {__close = function() end}) while true do local x <close> = c end`, hTime},
	{"close that errs in a loop", `local c = setmetatable({}, {__close = function() error("x") end}) while true do pcall(function() local x <close> = c end) end`, hTime},
	{"coroutines made and dropped", `while true do coroutine.create(function() end) end`, hTime},
	{"coroutines begun and dropped", `while true do coroutine.resume(coroutine.create(function() coroutine.yield() end)) end`, hTime},
	{"wrap in wrap", `while true do coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)() end`, hTime},
	{"closed coroutines that spin", `local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() while true do end end}) coroutine.yield() end) coroutine.resume(co) coroutine.close(co)`, hTime},
	{"__index spins", `return setmetatable({}, {__index = function() while true do end end})[1]`, hTime},
	{"__newindex spins", `setmetatable({}, {__newindex = function() while true do end end}).x = 1`, hTime},
	{"__call spins", `setmetatable({}, {__call = function() while true do end end})()`, hTime},
	{"__eq spins", `local m = {__eq = function() while true do end end} return setmetatable({}, m) == setmetatable({}, m)`, hTime},
	{"__le spins", `local m = {__le = function() while true do end end} return setmetatable({}, m) <= setmetatable({}, m)`, hTime},
	{"__concat spins", `return setmetatable({}, {__concat = function() while true do end end}) .. "x"`, hTime},
	{"__len spins", `return #setmetatable({}, {__len = function() while true do end end})`, hTime},
	{"__unm spins", `return -setmetatable({}, {__unm = function() while true do end end})`, hTime},
	{"__pairs spins", `for k in pairs(setmetatable({}, {__pairs = function() while true do end end})) do end`, hTime},
	{"__tostring spins in format", `return string.format("%s", setmetatable({}, {__tostring = function() while true do end end}))`, hTime},
	{"__tostring spins in an error", `error(setmetatable({}, {__tostring = function() while true do end end}))`, hRuntime},
	{"__name is long", `return tostring(setmetatable({}, {__name = ("x"):rep(10000000)}))`, "ok runtime"},
	{"ipairs without end", `for i in ipairs(setmetatable({}, {__index = function(_, i) return i end})) do end`, hTime},
	{"next in a loop", `local t = {} for i = 1, 1000 do t[i] = i end while true do local k = next(t) while k do k = next(t, k) end end`, hTime},
	{"next over a hole", `local t = {} for i = 1, 1000000 do t[i] = i end for i = 1, 999999 do t[i] = nil end while true do next(t) end`, hTime},
	{"next over dead entries", `local t = {} for i = 1, 100000 do t["k" .. i] = i end for i = 1, 99999 do t["k" .. i] = nil end while true do next(t) end`, hTime},
	{"sort that spins", `table.sort({3, 2, 1}, function() while true do end end)`, hTime},
	{"sort of many with a comparator", `local t = {} for i = 1, 200000 do t[i] = -i end while true do table.sort(t, function(a, b) return a < b end) end`, hTime},
	{"sort that changes the list", `local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function(a, b) t[#t + 1] = 1 return a > b end) return #t`, "ok runtime memory"},
	{"sort that clears the list", `local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function(a, b) for k in pairs(t) do t[k] = nil end return a > b end) return #t`, "ok runtime timeout"},
	{"sort with a lying length", `table.sort(setmetatable({}, {__len = function() return 2^31 end}))`, "runtime timeout memory"},
	{"insert with a lying length", `table.insert(setmetatable({}, {__len = function() return 1e15 // 1 | 0 end}), 1, "x")`, "runtime timeout memory"},
	{"remove with a lying length", `table.remove(setmetatable({}, {__len = function() return 1 << 60 end}), 1)`, hTime},
	{"concat with a lying length", `table.concat(setmetatable({}, {__len = function() return 1 << 60 end, __index = function() return "" end}))`, hTime},
	{"unpack with a lying length", `table.unpack(setmetatable({}, {__len = function() return 1 << 60 end}))`, hRuntime},
	{"unpack with bounds that overflow", `return select("#", table.unpack({}, math.mininteger, math.maxinteger))`, hRuntime},
	{"unpack of a million in a loop", `local t = {} while true do local n = select("#", table.unpack(t, 1, 900000)) end`, "timeout runtime memory"},
	{"insert in front of many", `local t = {} while true do table.insert(t, 1, 1) end`, "timeout memory"},
	{"remove in front of many", `local t = {} for i = 1, 300000 do t[i] = i end while true do table.remove(t, 1) t[#t + 1] = 1 end`, hTime},
	{"move onto itself", `local t = {} for i = 1, 100000 do t[i] = i end while true do table.move(t, 1, 100000, 2) end`, "timeout memory"},
	{"select with many", `local function f(...) local n = select("#", ...) for i = 1, n do select(i, ...) end end local t = {} for i = 1, 200000 do t[i] = i end f(table.unpack(t))`, hTime},
	{"colliding integer keys", `local t = {} for i = 1, 1e7 do t[i << 32] = i end return 1`, "timeout memory"},
	{"float keys", `local t = {} for i = 1, 1e7 do t[i + 0.5] = i end return 1`, "timeout memory"},
	{"a table that grows and shrinks", `local t = {} while true do for i = 1, 1000 do t[i] = i end for i = 1000, 1, -1 do t[i] = nil end end`, hTime},
	{"a hash that grows and shrinks", `local t = {} while true do for i = 1, 1000 do t["k" .. i] = i end for i = 1, 1000 do t["k" .. i] = nil end end`, hTime},
	{"long keys", `local k, t = ("x"):rep(10000000), {} while true do t[k .. "y"] = 1 local v = t[k .. "y"] end`, "timeout memory"},
	{"long keys looked up", `local a, b, t = ("x"):rep(10000000), ("x"):rep(10000000), {} t[a] = 1 while true do local v = t[b] end`, hTime},
	{"long strings equal", `local a, b = ("x"):rep(20000000), ("x"):rep(20000000) while true do if a ~= b then break end end`, hTime},
	{"rawequal of long strings", `local a, b = ("x"):rep(20000000), ("x"):rep(20000000) while true do rawequal(a, b) end`, hTime},
	{"tonumber of long strings", `local s = ("1"):rep(10000000) while true do tonumber(s) end`, hTime},
	{"tonumber of long strings with a base", `local s = ("1"):rep(10000000) while true do tonumber(s, 2) end`, hTime},
	{"tonumber of spaces", `local s = (" "):rep(10000000) .. "1" while true do tonumber(s) end`, hTime},
	{"arithmetic on long strings", `local s = ("1"):rep(10000000) while true do local x = s + 1 end`, "runtime timeout"},
	{"negation of long strings", `local s = ("1"):rep(10000000) while true do local x = -s end`, "runtime timeout"},
	{"for with a long string", `local s = ("1"):rep(10000000) while true do for i = 1, s do break end end`, "runtime timeout"},
	{"math on long strings", `local s = ("1"):rep(10000000) while true do math.floor(s) end`, "runtime timeout"},
	{"format of long strings as numbers", `local s = ("1"):rep(10000000) while true do pcall(string.format, "%d", s) end`, hTime},
	{"utf8.len", `local s = ("\u{20AC}"):rep(3000000) while true do utf8.len(s) end`, hTime},
	{"utf8.codepoint", `local s = ("x"):rep(900000) while true do pcall(utf8.codepoint, s, 1, -1) end`, "timeout memory"},
	{"utf8.offset", `local s = ("\u{20AC}"):rep(3000000) while true do utf8.offset(s, -1, #s + 1) utf8.offset(s, 2999999) end`, hTime},
	{"utf8.codes", `local s = ("x"):rep(10000000) while true do for p, c in utf8.codes(s) do end end`, hTime},
	{"utf8 continuation bytes", `local s = "\xC3" .. ("\x80"):rep(10000000) while true do utf8.offset(s, 1) utf8.offset(s, 0, #s) end`, hTime},
	{"pack of long strings", `local s = ("x"):rep(10000000) while true do local p = string.pack("z", s) end`, hTime},
	{"unpack of long strings", `local s = ("x"):rep(10000000) .. "\0" while true do local p = string.unpack("z", s) end`, hTime},
	{"packsize of a long format", `local f = ("i4"):rep(1000000) while true do string.packsize(f) end`, hTime},
	{"packsize with a large size", `return string.packsize(("c2147483647"):rep(3))`, hRuntime},
	{"pack with many sizes", `return #string.pack("c100000000", "x")`, hMemory},
	{"unpack of many", `local s = ("x"):rep(1000000) while true do local t = {string.unpack(("b"):rep(200000), s)} end`, "timeout runtime memory"},
	{"byte spread", `local s = ("x"):rep(900000) while true do local n = select("#", s:byte(1, -1)) end`, "timeout memory"},
	{"byte spread too long", `return select("#", ("x"):rep(10000000):byte(1, -1))`, hRuntime},
	{"char of many", `local t = {} for i = 1, 200000 do t[i] = 65 end while true do string.char(table.unpack(t)) end`, hTime},
	{"upper and lower", `local s = ("aB"):rep(10000000) while true do s:upper() s:lower() end`, "timeout memory"},
	{"reverse", `local s = ("ab"):rep(10000000) while true do s:reverse() end`, "timeout memory"},
	{"sub in a loop", `local s = ("ab"):rep(10000000) while true do local x = s:sub(2) end`, "timeout memory"},
	{"find plain", `local s = ("ab"):rep(5000000) while true do s:find("ba" .. ("b"):rep(100), 1, true) end`, hTime},
	{"find plain that nearly matches", `local s, p = ("a"):rep(10000000), ("a"):rep(5000) .. "b" while true do s:find(p, 1, true) end`, hTime},
	{"find with anchors only", `local s = ("x"):rep(10000000) while true do s:find("$") end`, hTime},
	{"find backtracking", `return ("a"):rep(40):find(("a?"):rep(40) .. ("a"):rep(40))`, "timeout ok runtime"},
	{"find lazy", `return ("x"):rep(100000):find(".-.-.-b")`, "timeout"},
	{"find greedy", `return ("x"):rep(100000):find(".*.*.*b")`, "timeout"},
	{"balance", `return ("("):rep(1000000):find("%b()")`, "timeout ok"},
	{"frontier", `return ("ab"):rep(1000000):find("%f[^%z\1-\255]x")`, "timeout ok"},
	{"sets", `local s = ("x"):rep(100000) return s:find("[" .. ("abcdefgh"):rep(10000) .. "]")`, "timeout ok"},
	{"negated sets", `local s = ("x"):rep(1000000) return s:find("[^x]")`, "timeout ok"},
	{"sets without end", `return ("x"):find("[" .. ("a"):rep(10000000))`, "runtime timeout"},
	{"back references", `return (("a"):rep(20000)):find("(.*)%1%1b")`, "timeout ok"},
	{"back references that copy", `return (("ab"):rep(20000)):gsub("(.-)%1", "%1")`, "timeout ok memory output_limit"},
	{"gmatch quadratic", `for w in ("x"):rep(1000000):gmatch(".-y") do end`, hTime},
	{"gmatch made in a loop", `while true do ("x"):gmatch("x") end`, hTime},
	{"gsub of nothing", `local s = ("x"):rep(1000000) while true do s:gsub("", "") end`, "timeout memory"},
	{"gsub with a spinning function", `("x"):gsub("x", function() while true do end end)`, hTime},
	{"gsub with a spinning table", `("x"):gsub("x", setmetatable({}, {__index = function() while true do end end}))`, hTime},
	{"random in a loop", `while true do math.random(0) end`, hTime},
	{"random of a bad interval", `for i = 1, 1000000 do math.random(1, (1 << 62) + 1) end`, "ok timeout"},
	{"max of many", `local t = {} for i = 1, 200000 do t[i] = i end while true do math.max(table.unpack(t)) end`, hTime},
	{"date with a long format", `local f = ("%c"):rep(100000) while true do os.date(f) end`, "timeout memory"},
	{"date with large numbers", `return os.date("%c", 1 << 62)`, hRuntime},
	{"time with large fields", `return os.time({year = 1 << 31, month = 1 << 31, day = 1 << 31})`, "ok runtime"},
	{"print of nothing", `while true do print() end`, hOutput},
	{"print of a long string", `print(("x"):rep(1000000))`, hOutput},
	{"print through pcall", `while true do pcall(print, ("x"):rep(1000)) end`, hOutput},
	{"print through tostring", `while true do print(setmetatable({}, {__tostring = function() return ("y"):rep(1000) end})) end`, hOutput},

	// Memory.
	{"doubling", `local s = "x" while true do s = s .. s end`, hMemory},
	{"doubling in a table", `local t = {"x"} while true do t[1] = t[1] .. t[1] end`, hMemory},
	{"doubling by rep", `local s = "x" while true do s = s:rep(2) end`, hMemory},
	{"doubling by gsub", `local s = "x" while true do s = s:gsub("x", "xx") end`, "memory timeout"},
	{"doubling by format", `local s = "x" while true do s = string.format("%s%s", s, s) end`, hMemory},
	{"doubling by concat", `local s = "x" while true do s = table.concat({s, s}) end`, hMemory},
	{"doubling caught", `local s = "x" while true do pcall(function() s = s .. s end) end`, hMemory},
	{"doubling closed", `local s <close> = setmetatable({}, {__close = function() while true do end end}) local x = "x" while true do x = x .. x end`, hMemory},
	{"rep of a separator", `return #("x"):rep(1000000, ("y"):rep(1000))`, hMemory},
	{"rep with sizes that overflow", `return #(("x"):rep(1 << 31)):rep(1 << 32)`, hMemory},
	{"rep at the edge of integers", `return ("xx"):rep(math.maxinteger)`, hMemory},
	{"rep with a separator at the edge", `return ("x"):rep(math.maxinteger, "yyyyyyyy")`, hMemory},
	{"wide concat", `local s = ("x"):rep(1000000) local t = {} for i = 1, 100 do t[i] = s end return #table.concat(t, s)`, hMemory},
	{"appending", `local s = "" while true do s = s .. ("x"):rep(1000) end`, hMemory},
	{"appending and holding", `local s, t = ("x"):rep(1000), {} while true do s = s .. "y" t[#t + 1] = s end`, "memory timeout"},
	{"appending to one prefix", `local p, t = ("x"):rep(100000) .. "y", {} while true do t[#t + 1] = p .. #t end`, hMemory},
	{"prefixes of a buffer", `local t = {} while true do local s = ("x"):rep(1000) for i = 1, 20 do s = s .. "y" end t[#t + 1] = s:sub(1, 999) .. "z" end`, "memory timeout"},
	{"holding small parts", `local t = {} while true do local s = ("x"):rep(1000000) t[#t + 1] = s:sub(1, 2) end`, "timeout memory"},
	{"holding matches", `local t = {} while true do local s = ("xy"):rep(100000) t[#t + 1] = s:match("(xy)") end`, "timeout memory"},
	{"array", `local t = {} for i = 1, 1e9 do t[i] = true end`, hMemory},
	{"hash", `local t = {} for i = 1, 1e9 do t["k" .. i] = true end`, hMemory},
	{"nested tables", `local t = {} while true do t = {t} end`, hMemory},
	{"nested tables, two ways", `local t = {} while true do t = {t, t, x = t} end`, hMemory},
	{"empty tables", `local t = {} while true do t[#t + 1] = {} end`, hMemory},
	{"large constructors", `local t = {} while true do t[#t + 1] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, a = 1, b = 2, c = 3, d = 4} end`, hMemory},
	{"keys that are tables", `local t = {} while true do t[{}] = 1 end`, hMemory},
	{"keys that are closures", `local t = {} while true do local x t[function() return x end] = 1 end`, hMemory},
	{"closures", `local f = function() end while true do local g = f f = function() return g end end`, hMemory},
	{"cells", `local t = {} while true do local a, b, c, d = 1, 2, 3, 4 t[#t + 1] = function() return a, b, c, d end end`, hMemory},
	{"coroutines held", `local t = {} while true do t[#t + 1] = coroutine.create(print) end`, hMemory},
	{"wraps held", `local t = {} while true do t[#t + 1] = coroutine.wrap(print) end`, hMemory},
	{"gmatches held", `local t = {} while true do t[#t + 1] = ("x"):gmatch("x") end`, hMemory},
	{"coroutines with long stacks", `local t = {} while true do local co = coroutine.create(function(...) coroutine.yield() end) coroutine.resume(co, table.unpack({}, 1, 10000)) t[#t + 1] = co end`, hMemory},
	{"coroutine chain", `local t = {} local function f() t[#t + 1] = coroutine.running() coroutine.yield() end while true do coroutine.wrap(f)() end`, hMemory},
	{"variable arguments", `local function f(...) return f(1, 2, 3, 4, ...) end f()`, "memory runtime timeout"},
	{"variable arguments doubled", `local function f(...) local t = {...} for i = 1, #t do t[#t + 1] = t[i] end return f(table.unpack(t)) end f(1)`, "memory runtime"},
	{"pack of many", `local t = {} while true do t[#t + 1] = table.pack(table.unpack({}, 1, 10000)) end`, hMemory},
	{"errors held", `local t = {} while true do local ok, e = pcall(error, ("x"):rep(1000) .. #t) t[#t + 1] = e end`, hMemory},
	{"close lists", `local c = setmetatable({}, {__close = function() end}) local function f(n) local a <close>, b = c, n if n > 0 then f(n - 1) end end while true do f(150) end`, hTime},
	{"many results", `local t = {} for i = 1, 900000 do t[i] = i end local function f(...) return ... end local n = select("#", f(f(f(table.unpack(t)))))  return n`, "ok memory runtime"},
	{"garbage only", `while true do local t = {1, 2, 3} end`, hTime},
	{"garbage strings only", `local i = 0 while true do i = i + 1 local s = "x" .. i end`, hTime},
	{"large garbage", `while true do local s = ("x"):rep(30000000) end`, hTime},
	{"garbage in cycles", `while true do local a, b = {}, {} a.b, b.a = b, a end`, hTime},
	{"garbage coroutines", `while true do local co = coroutine.wrap(function() coroutine.yield() end) co() end`, hTime},
	{"at the edge", `local keep = ("x"):rep(50000000) while true do local s = ("y"):rep(5000000) end`, "timeout memory"},
	{"many small at the edge", `local t = {} for i = 1, 300000 do t[i] = {i} end while true do local s = {} end`, "timeout memory"},
	{"stack that was long", `local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end f(190) while true do local t = {} end`, hTime},
	{"result of a callback that is big", `local t = {} while true do t[#t + 1] = runtime_big() end`, hMemory},
	{"tostring of many tables", `while true do tostring({}) end`, hTime},
	{"global names", `while true do _G["g" .. math.random(0)] = 1 end`, hMemory},

	// Depth.
	{"recursion", `local function f() return 1 + f() end return f()`, hStack},
	{"recursion through pcall", `local function f() pcall(f) return 1 end return f()`, hStack},
	{"recursion through xpcall", `local function f() xpcall(f, f) return 1 end return f()`, hStack},
	{"recursion through __index", `local t t = setmetatable({}, {__index = function(_, k) return t[k + 1] + 1 end}) return t[1]`, hStack},
	{"recursion through __call", `local t t = setmetatable({}, {__call = function() return t() + 1 end}) return t()`, hStack},
	{"recursion through __eq", `local m = {} m.__eq = function(a, b) return setmetatable({}, m) == a end return setmetatable({}, m) == setmetatable({}, m)`, "stack timeout memory"},
	{"recursion through __close", `local m = {} m.__close = function() local x <close> = setmetatable({}, m) end do local x <close> = setmetatable({}, m) end`, hStack},
	{"recursion through gsub", `local function f() return (("x"):gsub("x", f)) end return f()`, hStack},
	{"recursion through tostring", `local m = {} m.__tostring = function(t) return tostring(setmetatable({}, m)) end return tostring(setmetatable({}, m))`, hStack},
	{"recursion through pairs", `local m = {} m.__pairs = function(t) return pairs(setmetatable({}, m)) end return pairs(setmetatable({}, m))`, hStack},
	{"recursion through coroutines", `local function f() local co = coroutine.create(f) return coroutine.resume(co) end return f()`, hStack},
	{"recursion through closing coroutines", `local function f() local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = f}) coroutine.yield() end) coroutine.resume(co) coroutine.close(co) end f()`, hStack},
	{"recursion through the handler", `local function f() xpcall(error, f) end f()`, hStack},
	{"recursion that is caught", `local function f() return 1 + f() end while true do pcall(f) end`, hStack},
	{"recursion in closing", `local function f(n) local x <close> = setmetatable({}, {__close = function() f(n + 1) end}) end f(1)`, hStack},
	{"sort in sort", `local function f(a, b) table.sort({3, 2, 1}, f) return a < b end table.sort({3, 2, 1}, f)`, hStack},
	{"parentheses", `return ` + strings.Repeat("(", 30000) + "1" + strings.Repeat(")", 30000), hSyntax},
	{"tables", `return ` + strings.Repeat("{", 30000) + strings.Repeat("}", 30000), hSyntax},
	{"functions", `return ` + strings.Repeat("function() return ", 2000) + "1" + strings.Repeat(" end", 2000), hSyntax},
	{"unary operators", `return ` + strings.Repeat("not ", 16000) + "1", hSyntax},
	{"minus signs", `return ` + strings.Repeat("- ", 30000) + "1", hSyntax},
	{"powers", `return ` + strings.Repeat("2 ^ ", 16000) + "1", hSyntax},
	{"sums", `return 0` + strings.Repeat(" + 1", 15000), hOK},
	{"sums of a variable", `local x = 1 return x` + strings.Repeat("+x", 30000), hOK},
	{"sums in brackets", `local x = 1 return ` + strings.Repeat("(x+", 15000) + "x" + strings.Repeat(")", 15000), hSyntax},
	{"comparisons", `local x = 1 return x` + strings.Repeat(" == x", 12000), hOK},
	{"logic", `local x = 1 return x` + strings.Repeat(" and x", 10000), hOK},
	{"logic in conditions", `local x = 1 if x` + strings.Repeat(" and x or x", 5000) + ` then return 1 end`, hOK},
	{"call chains", `local function f() return f end f = function() return f end return type(f` + strings.Repeat("()", 30000) + `)`, "ok runtime"},
	{"method chains", `local t = {} function t:f() return self end t` + strings.Repeat(":f()", 15000), hOK},
	{"string calls", `local function f() end return f` + strings.Repeat(`""`, 30000), "ok runtime"},
	{"long assignments", strings.Repeat("a,", 15000) + "a = 1", "syntax"},
	{"long lists", `local t = {` + strings.Repeat("1,", 30000) + `} return #t`, hOK},
	{"long lists of tables", `local t = {` + strings.Repeat("{},", 20000) + `} return #t`, hOK},
	{"many constants", "local t = {" + func() string {
		var b strings.Builder
		for i := range 6000 {
			fmt.Fprintf(&b, "%d.5,", i)
		}
		return b.String()
	}() + "} return t[6000]", hOK},
	{"many functions", strings.Repeat("local function f() end do end ", 150) + "return 1", hOK},
	{"many upvalues", func() string {
		var b strings.Builder
		for f := range 2 {
			for i := range 190 {
				fmt.Fprintf(&b, "local v%d_%d = %d ", f, i, i)
			}
			b.WriteString("local function f() ")
		}
		b.WriteString("return function() return 0")
		for f := range 2 {
			for i := range 190 {
				fmt.Fprintf(&b, " + v%d_%d", f, i)
			}
		}
		return b.String() + " end end end return 1"
	}(), hSyntax},
	{"many arguments", `print(` + strings.Repeat("1,", 300) + `1)`, hSyntax},
	{"many parameters", `local function f(` + strings.Repeat("a,", 300) + `a) end`, hSyntax},
	{"many labels", func() string {
		var b strings.Builder
		for i := range 3000 {
			fmt.Fprintf(&b, "::l%d:: ", i)
		}
		return b.String()
	}(), hOK},
	{"many gotos", func() string {
		var b strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&b, "goto l%d ", i)
		}
		for i := range 2000 {
			fmt.Fprintf(&b, "::l%d:: ", i)
		}
		return b.String()
	}(), hOK},
	{"if in if", strings.Repeat("if true then ", 3000) + strings.Repeat(" end", 3000), hSyntax},
	{"while in while", strings.Repeat("while true do ", 3000) + strings.Repeat(" end", 3000), hSyntax},
	{"a long comment", "--" + strings.Repeat("x", 60000), hOK},
	{"a long name", strings.Repeat("x", 60000) + " = 1", hOK},
	{"a long name that is nil", "return " + strings.Repeat("x", 60000) + ".y", hRuntime},
	{"a long string", `return #"` + strings.Repeat("x", 60000) + `"`, hOK},
	{"a long numeral", "return " + strings.Repeat("9", 60000), hSyntax},
	{"a long hexadecimal numeral", "return 0x" + strings.Repeat("f", 60000), hSyntax},
	{"a long exponent", "return 1e" + strings.Repeat("9", 60000), hSyntax},
	{"escapes only", `return #"` + strings.Repeat(`\z `, 20000) + `"`, hOK},
	{"many lines and an error", strings.Repeat("\n", 60000) + "return nil + 1", hRuntime},
	{"many errors of the text", strings.Repeat("\x00", 60000), hSyntax},
	{"bytes that are no text", "\xff\xfe = 1", hSyntax},
	{"level brackets", strings.Repeat("[=", 30000), hSyntax},

	// Escapes.
	{"library tables are fresh", `string.upper = nil table.insert = nil math = nil _G.print = nil getmetatable("").__index = {} return 1`, hOK},
	{"the metatable of strings", `getmetatable("").__add = function() while true do end end return "a" + "b"`, "runtime timeout"},
	{"the metatable of strings, __index", `getmetatable("").__index = function() while true do end end return ("x").y`, hTime},
	{"no loaders", `assert(load == nil and loadstring == nil and loadfile == nil and dofile == nil and require == nil and package == nil) return 1`, hOK},
	{"no io, debug, os", `assert(io == nil and debug == nil and os.execute == nil and os.exit == nil and os.getenv == nil and os.remove == nil and os.rename == nil and os.tmpname == nil and os.setlocale == nil) return 1`, hOK},
	{"no bytecode", `assert(string.dump == nil) return 1`, hOK},
	{"no collector", `return collectgarbage("collect")`, hRuntime},
	{"collector counts", `return collectgarbage("count") > 0`, hOK},
	{"collector in a loop", `while true do collectgarbage("count") end`, hTime},
	{"no addresses", `local s = tostring({}) .. tostring(print) .. string.format("%p", {}) assert(not s:find("0xc0")) return s`, hOK},
	{"error values with metatables", `error(setmetatable({}, {__index = function() while true do end end, __metatable = "x"}))`, hRuntime},
	{"a limit inside a guard inside a coroutine", `coroutine.wrap(function() while true do pcall(function() while true do end end) end end)()`, hTime},
	{"a limit inside a handler", `xpcall(error, function() while true do end end)`, hTime},
	{"a limit inside a close in a coroutine", `coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() while true do end end}) error("x") end)()`, hTime},
	{"_ENV", `local _ENV = {} while true do x = 1 end`, hTime},
	{"_ENV that spins", `local _ENV = setmetatable({}, {__index = function() while true do end end}) return x`, hTime},
	{"globals that spin", `setmetatable(_G, {__index = function() while true do end end}) return x`, hTime},

	// Results.
	{"billion laughs", `local t = "x" for i = 1, 60 do t = {t, t} end return t`, hOutput},
	{"wide result", `local t = {} for i = 1, 1000000 do t[i] = 1 end return t`, hOutput},
	{"long string result", `return ("x"):rep(1000000)`, hOutput},
	{"long key result", `return {[("x"):rep(1000000)] = 1}`, hOutput},
	{"deep result", `local t = {} for i = 1, 100 do t = {t} end return t`, hResult},
	{"infinity", `return {1 / 0}`, hResult},
	{"coroutine", `return coroutine.create(print)`, hResult},
	{"cycle through a key", `local t = {} t.a = {b = {c = t}} return t`, hResult},
	{"table keys", `return {[{}] = 1}`, hResult},
	{"boolean keys", `return {[true] = 1}`, hResult},
	{"float keys in a result", `return {[1.5] = 1}`, hResult},
	{"gaps", `return {1, 2, nil, 4}`, hOK},
	{"many results of a run", `return table.unpack({}, 1, 900000)`, "output_limit memory"},
	{"integers at the edge", `return {math.maxinteger, math.mininteger}`, hOK},
	{"a result with a spinning __pairs", `return setmetatable({1}, {__pairs = function() while true do end end, __len = function() while true do end end})`, hOK},

	// Callbacks.
	{"callback flood in sort", `table.sort({1, 2, 3, 4, 5, 6, 7, 8, 9}, function(a, b) for i = 1, 1000 do runtime_top_goroutines(1) end return a < b end)`, hCalls},
	{"callback flood in gsub", `(("x"):rep(2000)):gsub("x", runtime_top_goroutines)`, "callback_limit runtime"},
	{"callback as a metamethod", `local t = setmetatable({}, {__index = runtime_top_goroutines}) return t.x`, hRuntime},
	{"callback as an iterator", `for r in runtime_top_goroutines do return r end`, "runtime ok"},
	{"callback that panics", `return runtime_panic()`, hRuntime},
	{"callback that panics in a loop", `while true do pcall(runtime_panic) end`, hCalls},
	{"callback that panics in a coroutine", `return coroutine.wrap(runtime_panic)()`, hRuntime},
	{"callback that gives too deep a value", `return runtime_deep()`, "output_limit result"},
	{"callback that gives much", `return #runtime_big()`, hOK},
	{"callback with functions", `return runtime_top_goroutines(print)`, hRuntime},
	{"callback with NaN", `return #runtime_top_goroutines(0 / 0)`, hRuntime},
	{"callback with much", `return runtime_top_goroutines(("x"):rep(1000000))`, "output_limit runtime"},
	{"callback with many", `return runtime_top_goroutines(table.unpack({}, 1, 100000))`, "output_limit runtime"},
	{"callback with a cycle", `local t = {} t.t = t return pcall(runtime_top_goroutines, t)`, hOK},
	{"callback yields", `return coroutine.wrap(function() coroutine.yield(runtime_top_goroutines(1)) end)()`, hOK},
	{"callback that sleeps in a coroutine", `return coroutine.wrap(runtime_sleep)()`, hTime},
	{"callback that sleeps in pcall", `while true do pcall(runtime_sleep) end`, hTime},
	{"empty map and list", `return runtime_empty()`, hOK},
}

// TestMoreHostilePrograms runs them in this process with a short time limit, and looks after each whether the next run is unaffected.
// Those that take memory run in their own process, where it is measured, in TestMemoryIsBounded.
func TestMoreHostilePrograms(t *testing.T) {
	skipUnderRace(t)
	before := runtime.NumGoroutine()
	for _, p := range moreHostile {
		t.Run(p.name, func(t *testing.T) {
			limits := Limits{Time: 70 * time.Millisecond, CallbackTime: 150 * time.Millisecond}
			run := func() (string, time.Duration, error) {
				if accepts := strings.Fields(p.accept); !slices.Contains(accepts, hTime) {
					limits.Time, limits.CallbackTime = 5*time.Second, 5*time.Second // a busy machine is no reason to end otherwise
				}
				began := time.Now()
				_, err := Run(t.Context(), p.text, hostFunctions(), limits)
				var e *Error
				switch {
				case err == nil:
					return hOK, time.Since(began), nil
				case errors.As(err, &e):
					return string(e.Kind), time.Since(began), err
				}
				t.Fatal(err)
				return "", 0, nil
			}
			kind, took, err := run()
			if kind == hTime && took > limits.Time+limits.CallbackTime+250*time.Millisecond {
				kind, took, err = run() // the machine may have been busy
				if took > limits.Time+limits.CallbackTime+250*time.Millisecond {
					t.Errorf("took %s", took)
				}
			}
			if !slices.Contains(strings.Fields(p.accept), kind) {
				t.Errorf("ended as %s: %v; want %s", kind, err, p.accept)
			}
			if err != nil && (len(err.Error()) > 4096 || strings.Contains(err.Error(), errBroken.Error())) {
				t.Errorf("error of %d bytes: %s", len(err.Error()), shorten(err.Error(), 1000))
			}
			r, err := Run(t.Context(), cleanProgram, hostFunctions(), Limits{})
			if r.Value != "3/6/X" {
				t.Errorf("the next run gave %v, %v", r.Value, err)
			}
		})
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines are left", n-before)
	}
	if len(moreHostile) < 95 {
		t.Errorf("only %d programs", len(moreHostile))
	}
}

// TestMemoryIsBounded runs those that may end by the memory limit in processes of their own and measures them.
func TestMemoryIsBounded(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	if memory("VmHWM") == 0 {
		t.Skip("the memory of a process is not known here")
	}
	for _, p := range moreHostile {
		if accepts := strings.Fields(p.accept); slices.Contains(accepts, hMemory) || strings.Contains(p.name, "garbage") {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				hostileProgram{Name: p.name, text: p.text, Accept: append(accepts, hTime)}.check(t, 700, 64<<20)
			})
		}
	}
}

// TestCancelling ends runs in the middle of whatever they do, within 50 ms.
func TestCancelling(t *testing.T) {
	skipUnderRace(t)
	for _, p := range moreHostile {
		if !strings.Contains(p.accept, hTime) || strings.Contains(p.name, "sleeps") {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			late := time.Duration(0)
			for range 3 { // the machine may be busy
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				began := time.Now()
				_, err := Run(ctx, p.text, hostFunctions(), Limits{Time: time.Minute, CallbackTime: time.Minute})
				took := time.Since(began)
				cancel()
				var e *Error
				if errors.As(err, &e) || err == nil { // it ended by itself
					return
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("got %v, want the context's error", err)
				}
				if late = took - 30*time.Millisecond; late < 50*time.Millisecond {
					return
				}
			}
			t.Errorf("ended %s after it was cancelled", late)
		})
	}
}
