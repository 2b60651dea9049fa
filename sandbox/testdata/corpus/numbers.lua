=== integer and float literals
print(1, 1.0, 0x10, 0xA.8p1, 1e2, .5, 3., 0x.1p4, 1E-2)
=== integer overflow in a literal becomes float
print(9223372036854775807, 9223372036854775808, 0xffffffffffffffff, 0x1ffffffffffffffff)
=== wraparound
print(math.maxinteger + 1 == math.mininteger, math.mininteger - 1, math.maxinteger * 2)
=== division kinds
print(7 / 2, 7 // 2, -7 // 2, 7 // -2, 7.0 // 2, -7 // 2.0, 1 / 0, -1 / 0)
=== modulo signs
print(7 % 3, -7 % 3, 7 % -3, -7 % -3, 5.5 % 2, -5.5 % 2, 5.5 % -2, 5 % math.huge, -5 % math.huge)
=== mininteger by minus one
print(math.mininteger // -1, math.mininteger % -1)
=== modulo by zero float
print(5 % 0.0 ~= 5 % 0.0, 5 // 0.0, -5 // 0.0, 0/0 ~= 0/0)
=== integer modulo by zero
print(pcall(function() return 5 % 0 end))
=== integer division by zero
print(pcall(function() return 5 // 0 end))
=== power is float
print(2^10, 2^0.5, (-2)^2, -2^2, 2^-1, 2^3^2)
=== comparison int float
print(1 == 1.0, 1 < 1.5, 2^53 == 2^53 + 1, math.maxinteger < math.huge, math.maxinteger + 0.0 == math.maxinteger)
=== comparison near 2^63
print(math.maxinteger < 2^63, math.maxinteger <= 2^63, math.mininteger <= -2^63, math.mininteger < -2^63, 2^63 > math.maxinteger)
=== comparison with nan
local n = 0/0
print(n == n, n < n, n <= n, n > 1, 1 > n, n ~= n, 1 < n, 1 <= n)
=== exact compare beyond 2^53
print(2^53 < 9007199254740993, 9007199254740993 < 2^53, 9007199254740993 == 2^53, 9007199254740993 > 2^53)
=== float to string
print(1e15, 1e16, 123456789012345.0, 0.1, 1/3, 100.0, 1e100, -0.0, 2^63, 1e-5, 123.456e10)
=== special floats
print(math.huge, -math.huge, 0.0, -0.0, 1e308 * 10)
=== string arithmetic
print("10" + 5, "3" * "4", "0x10" + 0, "1e1" + 0, " 5 " + 1, "7" // 2, "7" % 4, -"2", "2"^2)
=== string arithmetic keeps the kind
print("10" + 0, "10.0" + 0, math.type("10" + 0), math.type("1e1" + 0))
=== bit operators
print(5 & 3, 5 | 3, 5 ~ 3, ~0, 1 << 4, 256 >> 4, -1 >> 60, 1 << 63, 1 << 64, 1 << -1, 2 >> -1)
=== bit operators on floats
print(5.0 & 3, 2^53 | 0, pcall(function() return 1.5 & 1 end), pcall(function() local s = "7" return s & 1 end), pcall(function() local s = "7" return ~s end))
=== shifts beyond the word
print(1 << 100, 1 >> 100, -1 << 64, -1 >> 64, 1 << math.mininteger, 1 >> math.mininteger, 1 >> math.maxinteger)
=== unary minus
print(-5, - -5, -(5), -math.mininteger == math.mininteger, -0.0, - 0)
=== precedence
print(1 + 2 * 3, (1 + 2) * 3, 2 * 3 % 4, -3 ^ 2, not 1 == 2, 1 .. 2 == "12", 1 << 2 + 1, 5 & 3 == 1, 7 // 2 * 2)
=== concat precedence
print("a" .. 1 + 2 .. "b", 2 .. 3, -2 .. "x", 1.5 .. "|" .. 2^53)
=== logic operators
print(nil and 1, false or nil, 1 and 2, nil or 3, false and error("no"), 1 or error("no"), not nil, not 0)
=== comparison chain of strings
print("a" < "b", "a" < "B", "" < "a", "a" < "aa", "Z" < "a", "10" < "9", "a\0b" < "a\0c", "a" <= "a")
=== math.type
print(math.type(1), math.type(1.0), math.type("1"), math.type(nil))
=== tointeger
print(math.tointeger(3.0), math.tointeger(3.5), math.tointeger("8"), math.tointeger(2^63), math.tointeger({}))
=== floor and ceil
print(math.floor(3.7), math.floor(-3.7), math.ceil(3.2), math.ceil(-3.2), math.floor(5), math.floor(1e100), math.ceil(-0.5))
=== abs max min
print(math.abs(-5), math.abs(-5.5), math.abs(math.mininteger), math.max(1, 2.5, 2), math.min(3, 1, 2), math.max(2, 2.0), math.min(1.0, 1))
=== fmod
print(math.fmod(7, 3), math.fmod(-7, 3), math.fmod(7, -3), math.fmod(5.5, 2), math.fmod(math.mininteger, -1), pcall(math.fmod, 1, 0.0))
=== modf
print(math.modf(3.7), math.modf(-3.7), math.modf(5), math.modf(math.huge), math.modf(-math.huge))
=== sqrt exp log
print(math.sqrt(16), math.exp(0), math.log(1), math.log(8, 2), math.log(1000, 10), string.format("%.6f", math.log(10, 3)))
=== trigonometry
print(string.format("%.6f %.6f %.6f %.6f", math.sin(1), math.cos(1), math.tan(1), math.atan(1)), string.format("%.6f %.6f %.6f", math.asin(1), math.acos(0.5), math.atan(1, -1)))
=== deg rad pi
print(math.deg(math.pi), math.rad(180) == math.pi, string.format("%.10f", math.pi))
=== ult
print(math.ult(1, 2), math.ult(-1, 2), math.ult(2, -1), math.ult(0, 0))
=== random with a seed
math.randomseed(42)
print(math.random(100), math.random(100), math.random(1, 6), math.random(0) ~= nil, math.random() < 1)
=== random sequence is xoshiro
math.randomseed(123, 456)
for i = 1, 5 do print(math.random(1000000), math.random(-10, 10), string.format("%.10f", math.random())) end
=== random errors
print(pcall(math.random, 0, -1))
print(pcall(math.random, 1, 2, 3))
print(pcall(math.random, 2, 1))
=== tonumber
print(tonumber("10"), tonumber("  0x1F  "), tonumber("1e1"), tonumber("abc"), tonumber(""), tonumber(" "), tonumber("1 2"), tonumber("0x"), tonumber("1e"), tonumber("."))
=== tonumber more
print(tonumber("inf"), tonumber("nan"), tonumber("1_000"), tonumber("0b1"), tonumber("-0x10"), tonumber("- 1"), tonumber("+5"), tonumber("5."), tonumber(".5"), tonumber("0x.8"), tonumber("0x1p4"), tonumber("1e+5"))
=== tonumber with base
print(tonumber("ff", 16), tonumber("77", 8), tonumber("zz", 36), tonumber("12", 2), tonumber("-101", 2), tonumber(" 11 ", 2), tonumber("", 10), tonumber("8", 8))
=== tonumber wraps with a base
print(tonumber("ffffffffffffffff", 16), tonumber("7fffffffffffffff", 16), tonumber("1e1", 10))
=== tonumber of non strings
print(tonumber(nil), tonumber(true), tonumber({}), tonumber(5), tonumber(5.5))
=== tonumber errors
print(pcall(tonumber))
print(pcall(tonumber, 10, 10))
print(pcall(tonumber, "10", 99))
=== tostring of numbers
print(tostring(1), tostring(1.0), tostring(-0.0), tostring(1e300), tostring(math.mininteger))
=== integer keys of floats
local t = {} t[1.0] = "a" t[2] = "b" t[2^53] = "c"
print(t[1], t[2.0], t[2^53|0], #t, next({[3.0] = 1}))
=== float loop accumulates
local n = 0 for x = 0, 1, 0.1 do n = n + 1 end print(n)
=== numeric for with float start
for i = 1.0, 3 do io_ = i print(i) end
=== numeric for types
for i = 1, 2.5 do print(i) end for i = 3, 1, -1 do print(i) end for i = 1, 0 do print("never") end
=== for loop overflow
for i = math.maxinteger - 1, math.maxinteger do print(i) end
for i = math.mininteger, math.mininteger + 1 do print(i) end
for i = math.mininteger + 1, math.mininteger, -1 do print(i) end
=== for loop with huge limits
local n = 0 for i = 1, math.huge do n = n + 1 if n == 3 then break end end print(n)
for i = 1, -math.huge do print("never") end
for i = math.maxinteger, math.huge do print(i) end
=== for loop with nan
for i = 1, 0/0 do print("never") end for i = 0/0, 1 do print("never") end print("done")
=== for step zero
print(pcall(function() for i = 1, 10, 0 do end end))
print(pcall(function() for i = 1.0, 10, 0 do end end))
=== for with wrong types
print(pcall(function() for i = "a", 10 do end end))
print(pcall(function() for i = 1, {} do end end))
print(pcall(function() for i = 1, 10, true do end end))
print(pcall(function() for i = "1", 2 do end end))
=== for loop big steps
for i = 1, math.maxinteger, math.maxinteger // 2 do print(i) end
for i = -1, math.mininteger, math.mininteger do print(i) end
=== loop variable is a copy
for i = 1, 3 do local j = i i = 10 print(j, i) end
=== integer float equality as keys
local t = {[1] = "one"} print(t[1.0], rawequal(1, 1.0), 1 == 1.0)
=== nan as key reads nil
local t = {} print(t[0/0]) print(pcall(function() t[0/0] = 1 end))
=== long decimal numerals
print(0.1 + 0.2, 3.14159265358979, 12345678901234567890, 1e-320)
=== hex floats
print(0x1p-2, 0xA.Ap0, 0x.8, 0x1P+3, 0x10p1)
=== string to integer conversions
print(1 + "0x7fffffffffffffff", "9223372036854775808" + 0, "  12  " * 1)
=== concat of numbers
print(1 .. "", 1.0 .. "", -0.0 .. "", 2^63 .. "", (0/0) .. "" ~= "", 1e15 .. "")
