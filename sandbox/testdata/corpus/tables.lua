=== constructor forms
local t = {1, 2; 3, x = 4, ["y z"] = 5, [10] = 6, f = function() return 7 end,} print(#t, t.x, t["y z"], t[10], t.f())
=== constructor with multiple results
local function f() return 1, 2, 3 end print(#{f()}, #{f(), f()}, #{(f())}, #{f(), nil}, #{x = f()})
=== nested constructors
local t = {{1, {2}}, {a = {b = {c = "deep"}}}} print(t[1][2][1], t[2].a.b.c)
=== constructor with nils
local t = {nil, 2, nil, 4} print(t[1], t[2], t[3], t[4], #t) print(#{nil}, #{nil, nil, 3}, #{1, nil})
=== length and append
local t = {} for i = 1, 10 do t[#t + 1] = i end print(#t) t[#t] = nil print(#t) t[5] = nil print(#t)
=== array grows from hash
local t = {} for i = 10, 1, -1 do t[i] = i end print(#t) local s = 0 for _, v in ipairs(t) do s = s + v end print(s)
=== integer keys with gaps
local t = {} t[1] = 1 t[2] = 2 t[4] = 4 t[3] = 3 print(#t, t[4]) t[6] = 6 t[5] = 5 print(#t)
=== negative and zero keys
local t = {[0] = "z", [-1] = "m"} t[1] = "a" print(#t, t[0], t[-1])
=== keys of all types
local k, f = {}, function() end local t = {[k] = 1, [f] = 2, [true] = 3, [1.5] = 4, ["s"] = 5} print(t[k], t[f], t[true], t[1.5], t.s, t[false], t[{}])
=== nil key errors
print(pcall(function() local t = {} t[nil] = 1 end)) print(({})[nil])
=== next order of an array
local t = {10, 20, 30} local k, v = next(t) print(k, v) k, v = next(t, k) print(k, v) k, v = next(t, k) print(k, v) print(next(t, k)) print(next({}))
=== next with wrong key
print(pcall(next, {}, "nope")) print(pcall(next, {1, 2}, 5))
=== pairs counts
local n, s = 0, 0 for k, v in pairs({1, 2, 3, a = 4, b = 5}) do n = n + 1 s = s + v end print(n, s)
=== clearing while traversing
local t = {} for i = 1, 100 do t[i] = i t["k" .. i] = i end local n = 0 for k in pairs(t) do t[k] = nil n = n + 1 end print(n, next(t))
=== assigning existing while traversing
local t = {a = 1, b = 2, c = 3} for k, v in pairs(t) do t[k] = v * 10 end print(t.a + t.b + t.c)
=== ipairs stops at nil
for i, v in ipairs({1, 2, nil, 4}) do print(i, v) end
=== ipairs with __index
local t = setmetatable({}, {__index = function(_, i) if i <= 3 then return i * i end end}) for i, v in ipairs(t) do print(i, v) end
=== pairs with __pairs
local t = setmetatable({}, {__pairs = function(t) return function(_, k) if not k then return 1, "x" end end, t, nil end}) for k, v in pairs(t) do print(k, v) end
=== insert
local t = {1, 2, 3} table.insert(t, 4) table.insert(t, 1, 0) table.insert(t, 3, "m") print(table.concat(t, ","))
=== insert errors
print(pcall(table.insert, {1, 2, 3}, 6, "x")) print(pcall(table.insert, {}, 0, "x")) print(pcall(table.insert, {}, 1, 2, 3)) print(pcall(table.insert, {}))  print(pcall(table.insert, nil, 1))
=== insert at the end plus one
local t = {1} table.insert(t, 2, "b") table.insert(t, #t + 1, "c") print(table.concat(t, ","))
=== remove
local t = {1, 2, 3, 4} print(table.remove(t), table.remove(t, 1), table.concat(t, ","), table.remove({}), table.remove({}, 0))
=== remove edge positions
local t = {1, 2, 3} print(table.remove(t, 4), #t, table.remove(t, 3), #t) print(pcall(table.remove, t, 7)) print(pcall(table.remove, t, -1))
=== remove from an empty list with size zero
local t = {[0] = "zero"} print(table.remove(t, 0), t[0], table.remove(t), #t)
=== concat
print(table.concat({1, 2, 3}), table.concat({1, 2, 3}, ", "), table.concat({"a", "b", "c"}, "-", 2), table.concat({"a", "b", "c"}, "-", 2, 3), table.concat({}), table.concat({1}, "x", 2), table.concat({1.5, 2}))
=== concat errors
print(pcall(table.concat, {1, {}, 3})) print(pcall(table.concat, {1, nil, 3}, ",", 1, 3)) print(pcall(table.concat, 5))
=== unpack
print(table.unpack({1, 2, 3})) print(table.unpack({1, 2, 3}, 2)) print(table.unpack({1, 2, 3}, 2, 3)) print(table.unpack({}, 1, 3)) print((table.unpack({1, 2})))
=== unpack errors
print(pcall(table.unpack, {}, 1, 1e8)) print(pcall(table.unpack)) print(select("#", table.unpack({}, 1, 0))) print(select("#", table.unpack({}, math.maxinteger, math.mininteger)))
=== pack
local t = table.pack(1, nil, 3, nil) print(t.n, t[1], t[2], t[3], t[4]) print(table.pack().n)
=== move
print(table.concat(table.move({1, 2, 3}, 1, 3, 2), ",")) print(table.concat(table.move({1, 2, 3}, 2, 3, 1), ",")) print(table.concat(table.move({1, 2, 3}, 1, 3, 1, {}), ",")) print(#table.move({1, 2}, 1, 0, 5))
=== move errors
print(pcall(table.move, {}, 1, math.maxinteger, 2)) print(pcall(table.move, {}, -1, math.maxinteger, 2)) print(pcall(table.move, 1, 1, 1, 1))
=== sort numbers and strings
local t = {5, 2, 8, 1, 9, 3} table.sort(t) print(table.concat(t, " ")) local s = {"pear", "apple", "fig"} table.sort(s) print(table.concat(s, " "))
=== sort with comparator
local t = {5, 2, 8, 1} table.sort(t, function(a, b) return a > b end) print(table.concat(t, " ")) local r = {{n = 2}, {n = 1}, {n = 3}} table.sort(r, function(a, b) return a.n < b.n end) print(r[1].n, r[2].n, r[3].n)
=== sort many
local t, x = {}, 1 for i = 1, 500 do x = (x * 1103515245 + 12345) % 2147483648 t[i] = x end table.sort(t) local ok = true for i = 2, #t do ok = ok and t[i - 1] <= t[i] end print(ok, #t)
=== sort errors
print(pcall(table.sort, {1, "a", 2})) print(pcall(table.sort, {{}, {}})) print(pcall(table.sort, {3, 2, 1}, 5))
=== sort comparator errors pass
print(pcall(table.sort, {3, 2, 1}, function() error("cmp", 0) end))
=== sort with __lt
local mt = {__lt = function(a, b) return a.v < b.v end} local t = {} for i, v in ipairs{3, 1, 2} do t[i] = setmetatable({v = v}, mt) end table.sort(t) print(t[1].v, t[2].v, t[3].v)
=== sort mixed ints floats
local t = {3, 1.5, 2, 0.5} table.sort(t) print(table.concat(t, " "))
=== table functions with metamethods
local log = {} local p = setmetatable({}, {__index = function(_, k) return k <= 3 and k * 10 or nil end, __len = function() return 3 end, __newindex = function(_, k, v) log[#log + 1] = k .. "=" .. tostring(v) end})
print(table.concat(p, ","), table.unpack(p)) table.insert(p, 99) print(table.remove(p)) print(table.concat(log, " "))
=== rawset rawget rawlen rawequal
local t = setmetatable({}, {__index = function() return "meta" end, __newindex = function() error("no") end, __len = function() return 42 end}) rawset(t, 1, "x") print(rawget(t, 1), rawget(t, 2), rawlen(t), #t, rawequal(t, t), rawequal(t, {}), rawlen("abc"))
=== raw errors
print(pcall(rawset, {}, nil, 1)) print(pcall(rawlen, 5)) print(pcall(rawget, 1, 2)) print(pcall(rawequal, 1))
=== table equality is identity
local a, b = {}, {} print(a == a, a == b, a ~= b)
=== length of strings and errors
print(pcall(function() return #5 end)) print(pcall(function() local x return #x end))
=== hash grows
local t = {} for i = 1, 1000 do t["k" .. i] = i end local s = 0 for _, v in pairs(t) do s = s + v end print(s, t.k500) for i = 1, 1000 do if i % 2 == 0 then t["k" .. i] = nil end end local n = 0 for _ in pairs(t) do n = n + 1 end print(n)
=== reuse after clearing
local t = {} for r = 1, 5 do for i = 1, 20 do t["x" .. i .. r] = i end for k in pairs(t) do t[k] = nil end end print(next(t)) t.a = 1 print(t.a)
=== float keys
local t = {} t[0.5] = "h" t[-0.0] = "z" print(t[0.5], t[0], t[0.0]) t[1e300] = 1 print(t[1e300])
=== multiple assignment and tables
local t = {1, 2} local i = 1 i, t[i] = i + 1, 20 print(i, t[1], t[2])
=== swap
local a, b, t = 1, 2, {x = 1, y = 2} a, b = b, a t.x, t.y = t.y, t.x print(a, b, t.x, t.y)
=== assignment count mismatch
local a, b, c = 1, 2 print(a, b, c) local d, e = 1, 2, 3 print(d, e) local f = (function() return 1, 2 end)() print(f)
=== evaluation keeps the old table
local t = {} local u = t t.x, t = 1, {} print(u.x, t.x)
=== list with trailing call
local function f(...) return ... end local t = {f(1, 2, 3), f(4, 5)} print(#t, t[1], t[2], t[3])
=== many elements
local t = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60} print(#t, t[51], t[60])
=== setlist with index keys
local t = {[1] = "a", "b", [2] = "c", "d"} print(t[1], t[2])
=== pop and push
local t = {} for i = 1, 5 do t[#t + 1] = i end while #t > 0 do io = table.remove(t) end print(#t) t[1] = 9 print(#t, t[1])
