=== index nil local
local t
print(t.x)
=== index nil field
local t = {}
print(t.a.b)
=== index nil global
print(undefined_thing.x)
=== index nil upvalue
local u
local function f() return u.x end
f()
=== index number
local n = 5
return n.x.y
=== index by nil value in a chain
local a = {b = {}}
local x = a.b.c.d
=== index method on nil
local s
s:foo()
=== call nil global
undefined_function()
=== call nil field
local t = {}
t.foo()
=== call nil method
local t = {}
t:foo()
=== call number
local n = 5
n()
=== call string
("x")()
=== call result of call
local function f() end
f()()
=== call nested field
local t = {a = {}}
t.a.b.c()
=== assign to nil
local t
t.x = 1
=== assign to nil field
local t = {}
t.a.b = 1
=== assign to number
local n = 1
n.x = 2
=== arithmetic on nil local
local a
print(a + 1)
=== arithmetic on nil field
local t = {}
print(1 + t.count)
=== arithmetic on nil global
print(missing * 2)
=== arithmetic on table
print({} + 1)
=== arithmetic on string
print("abc" + 1)
=== arithmetic on boolean
local b = true
print(b - 1)
=== arithmetic two nils
local a, b
print(a + b)
=== arithmetic second operand
local a, b = 1, nil
print(a * b)
=== negate nil
local x
print(-x)
=== negate table field
local t = {a = {}}
print(-t.a)
=== bitwise on float
print(1.5 | 2)
=== bitwise on nil
local x
print(x & 1)
=== bitwise on string
print("x" | 1)
=== bnot float
print(~1.5)
=== concat nil
local x
print("a" .. x)
=== concat nil field
local t = {}
print("a" .. t.name .. "b")
=== concat table
print("a" .. {})
=== concat boolean
local ok = true
print("ok: " .. ok)
=== concat function
print(print .. "x")
=== concat in the middle
local a, b, c = "x", nil, "y"
print(a .. b .. c)
=== compare number with nil
local x
print(1 < x)
=== compare nil with number
local x
print(x > 1)
=== compare tables
print({} < {})
=== compare number with string
print(1 <= "x")
=== compare booleans
print(true < false)
=== compare function with number
print(print >= 1)
=== length of nil
local t = {}
print(#t.items)
=== length of number
print(#5)
=== for initial
for i = nil, 2 do end
=== for limit
local t = {}
for i = 1, t.n do end
=== for step
for i = 1, 2, "x" do end
=== error with a string
error("custom message")
=== error with level 2
local function check(x) if not x then error("bad x", 2) end end
local function use()
  check(nil)
end
use()
=== error with level 0
error("plain", 0)
=== error with a table
print(pcall(error, {code = 1}))
print(select(2, pcall(error, {code = 7})).code)
=== error with nil
print(pcall(error)) print(pcall(error, nil))
=== error with number adds no position
print(pcall(error, 42)) print(pcall(error, 4.5))
=== error positions in functions
local function a() error("in a") end
local function b() a() end
print(pcall(b))
=== error levels
local function f(l) error("x", l) end
local function g(l)
  f(l)
end
print(pcall(g, 1)) print(pcall(g, 2)) print(pcall(g, 3))
=== assert
print(pcall(assert, false)) print(pcall(assert, nil, "msg")) print(pcall(assert, false, {1}) == false) print(assert(1, 2, 3)) print(pcall(assert))
=== assert message is as it is
assert(1 == 2, "assertion text")
=== assert default message
assert(false)
=== assert with a function call
local function open() return nil, "cannot open" end
assert(open())
=== pcall returns values
print(pcall(function(...) return ... end, 1, 2, 3)) print(pcall(function() end)) print(pcall(print, "x"))
=== pcall nested
print(pcall(pcall, error, "x")) print(pcall(function() local ok, e = pcall(error, "inner", 0) error("outer " .. e, 0) end))
=== pcall of non functions
print(pcall(nil)) print(pcall(5)) print(pcall({}))
=== pcall without arguments
print(pcall(pcall))
=== xpcall with a handler
print(xpcall(function() error("x", 0) end, function(e) return "handled " .. e end)) print(xpcall(function(a, b) return a + b end, print, 1, 2))
=== xpcall handler gets runtime errors
print(xpcall(function() local t = nil; return t.x end, function(e) return e end))
=== xpcall handler with several values
print(xpcall(error, function(...) return select("#", ...), ... end, "v"))
=== xpcall handler error
print(xpcall(error, function(e) error(e) end, "x"))
=== xpcall bad arguments
print(pcall(xpcall)) print(pcall(xpcall, print))
=== errors through coroutines
local co = coroutine.create(function() error("in co") end) print(coroutine.resume(co)) print(coroutine.status(co))
=== rethrow keeps the message
local ok, e = pcall(error, "first", 0) local ok2, e2 = pcall(error, e, 0) print(e2)
=== bad argument names
print(pcall(function() string.rep() end))
print(pcall(function() ("x"):rep({}) end))
print(pcall(function() table.concat({}, {}) end))
print(pcall(function() math.floor({}) end))
print(pcall(function() setmetatable(1, {}) end))
print(pcall(function() local insert = table.insert insert(nil, 1) end))
print(pcall(function() ipairs(nil) end))
print(pcall(function() tostring() end))
print(pcall(function() string.char(-1) end))
print(pcall(function() ("x"):rep(1e10, {}) end))
print(pcall(function() math.floor("x") end))
print(pcall(function() string.sub() end))
print(pcall(function() string.sub("x", {}) end))
print(pcall(function() string.sub("x", 1.5) end))
print(pcall(function() coroutine.resume(5) end))
print(pcall(function() coroutine.create(5) end))
print(pcall(function() rawset({}, 1) end))
print(pcall(function() next(5) end))
print(pcall(function() select() end))
print(pcall(function() utf8.char("x") end))
print(pcall(function() os.time(5) end))
=== multi line call has the line of the function
local t = {}
t.x(
  1,
  2
)
=== multi line expression
local a = 1
local b = a +
  nil
=== multi line concat
local s = "a" ..
  "b" ..
  nil
=== multi line table
local t = {
  1,
  2 + nil,
  3,
}
=== multi line arguments
print(
  1,
  nil + 1
)
=== error in a nested function
local function outer()
  local function inner()
    local x = nil
    return x.field
  end
  return inner()
end
outer()
=== error in a method
local obj = {}
function obj:go()
  self.missing.x = 1
end
obj:go()
=== error in a loop
for i = 1, 3 do
  if i == 2 then
    local x = i .. nil
  end
end
=== error in a condition
local x
if x > 5 then
  print("big")
end
=== error in while condition
local n
while n < 3 do
  n = n + 1
end
=== error in return
local function f()
  return nil + 1
end
f()
=== error in for in
for k, v in pairs(nil) do
end
=== error in table access by variable
local t, k = {}, "key"
print(t[k].x)
=== error in table access by index
local t = {}
print(t[1].x)
=== error in upvalue arithmetic
local count
local function inc()
  count = count + 1
end
inc()
=== string method error
local s = "x"
s:nope()
=== integer overflow in conversion
print(pcall(string.rep, "x", 1e300)) print(pcall(string.char, 2^53)) print(pcall(("x").rep, "x", 1.5))
=== number has no integer representation
local x = 1.5
print(x | 1)
=== deep error value
local ok, e = pcall(function() error(setmetatable({}, {__tostring = function() return "tostring'd" end})) end) print(tostring(e))
=== error in sort comparator
table.sort({1, 2, 3}, function(a, b) return a.x < b.x end)
=== error in gsub callback
("abc"):gsub("b", function(c) return c.x.y end)
=== error in tostring
print(setmetatable({}, {__tostring = function() error("ts") end}))
=== syntax: unexpected symbol
local x = = 1
=== syntax: missing end
if true then
  print(1)
=== syntax: missing then
if true
  print(1)
end
=== syntax: missing do
while true
  break
end
=== syntax: unfinished string
print("abc
)
=== syntax: unfinished long string
print([[abc
=== syntax: unfinished comment
--[[ abc
=== syntax: stray end
print(1)
end
=== syntax: expression statement
1 + 2
=== syntax: name statement
foo
=== syntax: missing paren
print((1 + 2)
=== syntax: bad assignment
f() = 1
=== syntax: bad assignment list
a, f() = 1, 2
=== syntax: bad for
for i do end
=== syntax: for without comma
for i = 1 do end
=== syntax: missing brace
local t = {1, 2
print(t)
=== syntax: bad escape
print("\q")
=== syntax: bad hex escape
print("\xZZ")
=== syntax: bad unicode
print("\u{110000000000}")
=== syntax: big decimal escape
print("\999")
=== syntax: malformed number
print(0x)
=== syntax: malformed number 2
print(1..2)
=== syntax: malformed number 3
print(3x)
=== syntax: vararg outside
function f() return ... end
=== syntax: return in the middle
return 1
print(2)
=== syntax: keyword as name
local end = 1
=== syntax: keyword as field
t.end = 1
=== syntax: not equal
if a != b then end
=== syntax: plus equal
x += 1
=== syntax: missing until
repeat
  x = 1
=== syntax: function without name
function () end
=== syntax: bad method
a.b:c = 1
=== syntax: double local
local local x
=== syntax: until without repeat
until true
=== syntax: bad parameter
function f(a, 1) end
=== syntax: vararg not last
function f(..., a) end
=== syntax: at sign
x = @
=== syntax: single quote mismatch
print('abc")
=== syntax: eof in function
local function f(
=== syntax: multiple close
local a <close>, b <close> = nil, nil
=== parenthesized assignment
(a) = 1
=== ambiguous call on a new line
local f = print
(f)("x")
