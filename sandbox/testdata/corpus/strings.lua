=== escapes
print("a\tb\\c\"d\'e\065\x41\u{48}\z
       f")
=== escape newline
print("a\
b")
=== decimal escapes
print(#"\0\00\000\1234", "\97\098\0990")
=== unicode escapes
print("\u{0}" == "\0", "\u{7F}", #"\u{80}", #"\u{7FF}", #"\u{800}", #"\u{FFFF}", #"\u{10000}", #"\u{7FFFFFFF}")
=== long strings
print([[
first newline is dropped]], [==[a]]b]==], #[[

]])
=== long string with crlf
print(#[[a
b]])
=== comments
--[[ long
comment ]] print(1) --[==[ x ]==] print(2) -- end
---[[ not long
print(3)
--]]
=== len and lengths
print(#"abc", #"", ("x"):len(), string.len("a\0b"))
=== sub
local s = "hello" print(s:sub(2, 3), s:sub(-3), s:sub(2), s:sub(0), s:sub(10), s:sub(-100, 2), s:sub(3, 2), s:sub(2, -2), s:sub(-2, -3))
=== sub extremes
print(("hello"):sub(math.mininteger, math.maxinteger), ("hello"):sub(math.maxinteger), ("x"):sub(1.0, 1))
=== upper lower reverse
print(("Hello World"):upper(), ("Hello World"):lower(), ("abc"):reverse(), (""):reverse())
=== rep
print(("ab"):rep(3), ("ab"):rep(3, "-"), ("x"):rep(0), ("x"):rep(-1), (""):rep(100), ("a"):rep(1, "sep"))
=== byte
print(("abc"):byte(), ("abc"):byte(2), ("abc"):byte(1, 3), ("abc"):byte(-1), ("abc"):byte(10), ("abc"):byte(0))
=== char
print(string.char(72, 105), string.char(), #string.char(0, 255))
=== char range
print(pcall(string.char, 256)) print(pcall(string.char, -1))
=== find plain
print(("hello"):find("l"), ("hello"):find("l", 4), ("hello"):find("xyz"), ("a.b"):find(".", 1, true), ("hello"):find(""), ("hello"):find("", 10), ("hello"):find("", 6))
=== find with init
print(("hello"):find("l", -2), ("hello"):find("h", -100), ("abc"):find("b", 3), (""):find(""), (""):find("x"))
=== find captures
print(("key=val"):find("(%w+)=(%w+)"), ("abc"):find("()b()"))
=== match
print(("hello 123"):match("%d+"), ("hello"):match("(h)(e)"), ("x"):match("y"), ("  trim "):match("^%s*(.-)%s*$") .. "|", ("abc"):match("^b"))
=== match with init
print(("hello"):match("l+", 4), ("hello"):match("^l", 3), ("hello"):match(".", -1))
=== character classes
for _, c in ipairs{"a", "c", "d", "g", "l", "p", "s", "u", "w", "x"} do
  local n, m = 0, 0
  for i = 0, 127 do if string.char(i):find("%" .. c) then n = n + i end if string.char(i):find("%" .. c:upper()) then m = m + 1 end end
  print(c, n, m)
end
=== sets
print(("a-b]c^"):gsub("[%]^-]", "#"), ("hello"):gsub("[^l]", "."), ("x1y2"):gsub("[a-w0-1]", "_"), ("a]"):match("[]]"), ("^"):match("[%^]"))
=== set ranges
print(("abcXYZ019"):gsub("[a-bY-Z1-9]", "*"), ("-"):match("[a-]"), ("a"):match("[%a-z]"), ("-"):match("[%a-z]"))
=== repetition
print(("aaa"):match("a*"), ("aaa"):match("a-"), ("aaa"):match("a+"), ("aaa"):match("a?"), ("baaa"):match("^a*"), ("<a><b>"):match("<.->"), ("<a><b>"):match("<.*>"))
=== balance
print(("f(a(b)c)d"):match("%b()"), ("((x)"):match("%b()"), ("[[x]]"):match("%b[]"), ("xx"):match("%bxx"))
=== frontier
print(("THE (quick) fox"):find("%f[%a]%a+%f[%A]"), ("hello world"):gsub("%f[%w]%w+", string.upper), ("a"):find("%f[%z]"))
=== back references
print(("abcabc"):match("(abc)%1"), ([["x" 'y']]):match([[(["'])(.-)%1]]), ("aa bb cd"):gsub("(%w)%1", "<%0>"))
=== anchors
print(("hello"):gsub("^h", "J"), ("hello"):gsub("o$", "0"), ("a^b$c"):gsub("%^", "x"), ("a$"):match("a$"), ("a$b"):match("a$b"))
=== position captures
print(("hello"):match("()ll()"), ("abc"):gsub("()", "%1"))
=== gsub with string
print(("hello world"):gsub("o", "0"), ("hello"):gsub("l", "%0%0"), ("abc"):gsub("%w", "%%%0"), ("hello"):gsub("", "-"))
=== gsub with table
print(("$name is $age"):gsub("%$(%w+)", {name = "Bob", age = 42}), ("a b"):gsub("%w", {a = false, b = true and "B"}))
=== gsub with function
print(("hello"):gsub("l", function(c) return c:upper() end), ("abc"):gsub("%w", function(c) if c == "b" then return nil end return c .. c end))
=== gsub limit
print(("aaa"):gsub("a", "b", 2), ("aaa"):gsub("a", "b", 0), ("aaa"):gsub("a", "b", -1))
=== gsub empty matches
print(("abc"):gsub("x*", "-"), ("abc"):gsub("b*", "-"), (""):gsub("", "x"), ("a b c"):gsub("%s*", "_"))
=== gsub anchored
print(("aaa"):gsub("^a", "b"), ("hello hello"):gsub("^hello", "x"))
=== gsub errors
print(pcall(string.gsub, "a", "a", "%2"))
print(pcall(string.gsub, "a", "a", "%"))
print(pcall(string.gsub, "a", "a", "%x"))
print(pcall(string.gsub, "a", "(a", "b"))
print(pcall(string.gsub, "a", "a"))
print(pcall(string.gsub, "a", "a", true))
=== gsub replacement value errors
print(pcall(string.gsub, "abc", "b", function() return {} end))
print(pcall(string.gsub, "abc", "b", {b = true}))
=== pattern errors
print(pcall(string.find, "a", "[a"))
print(pcall(string.find, "a", "%"))
print(pcall(string.find, "a", "(a"))
print(pcall(string.find, "a", "a)"))
print(pcall(string.find, "a", "%b"))
print(pcall(string.find, "a", "%f"))
print(pcall(string.find, "a", "%1"))
print(pcall(string.match, "aa", "(a)%2"))
print(pcall(string.find, "a", "[%a"))
print(pcall(string.find, "a", "[%"))
=== too many captures
print(pcall(string.find, "a", ("()"):rep(33)))
print(select("#", ("a"):find(("()"):rep(32))))
=== gmatch
for w in ("one two three"):gmatch("%a+") do print(w) end
for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do print(k, v) end
=== gmatch with init and empty matches
for w in ("abc"):gmatch("x*") do print("[" .. w .. "]") end
for p in ("abc"):gmatch("()", 2) do print(p) end
=== gmatch anchors are no anchors
for w in ("aab"):gmatch("^a") do print(w) end print("end")
=== gmatch utf8
for c in ("héllo"):gmatch(utf8.charpattern) do io = c print(c) end
=== format integers
print(string.format("%d|%5d|%-5d|%05d|%+d|% d|%.3d", 42, 42, 42, 42, 42, 42, 7))
=== format hex and octal
print(string.format("%x|%X|%#x|%o|%#o|%8x|%08X", 255, 255, 255, 8, 8, 255, 255), string.format("%x", -1))
=== format floats
print(string.format("%f|%.2f|%10.3f|%-10.1f|%+.1f|%e|%.3E|%g|%g|%g", 1.5, 1.005, math.pi, 2.5, 3, 12345.678, 0.00012, 1e20, 0.1, 100000))
=== format g
print(string.format("%g %g %g %g %.3g %.10g %#g %G", 1e-5, 123456, 1234567, 1e15, 1234.5, 0.1, 1.0, 1e-10))
=== format a
print(string.format("%a %A %.2a %a %a %a", 1.0, 255.5, 1/3, 0.0, -2.5, 1e-300))
=== format inf nan
print(string.format("%f %5.1f %g %d", math.huge, -math.huge, math.huge, 3.0), string.format("%.1f", 0/0):gsub("-", ""))
=== format strings
print(string.format("%s|%10s|%-10s|%.2s|%5.1s|", "abc", "abc", "abc", "abc", "abc"), string.format("%s %s %s", nil, true, 12.0))
=== format c and percent
print(string.format("%c%c%c|%5c|%%", 76, 117, 97, 65))
=== format q
print(string.format("%q", 'a "quoted" \\ \n \0 \r \t end'), string.format("%q %q %q", 1, 1.5, math.mininteger), string.format("%q", "\0001"))
=== format q special
print(string.format("%q %q %q %q %q", math.huge, -math.huge, true, nil, 0.1))
=== format i
print(string.format("%i %5i", 3, 4))
=== format tostring metamethod
print(string.format("%s %5s", setmetatable({}, {__tostring = function() return "obj" end}), setmetatable({}, {__tostring = function() return "x" end})))
=== format errors
print(pcall(string.format, "%d", "x"))
print(pcall(string.format, "%y", 1))
print(pcall(string.format, "%", 1))
print(pcall(string.format, "%d"))
print(pcall(string.format, "%q", {}))
print(pcall(string.format, "%10q", "x"))
print(pcall(string.format, "%123d", 1))
print(pcall(string.format, "%.123d", 1))
print(pcall(string.format, "%s"))
print(pcall(string.format, "%5%", 1))
print(pcall(string.format, "%-+#0 -+#0 -+#0 -+#0 5d", 1))
=== format numeric strings
print(string.format("%d %s %x", "10", 10, "0x10"), string.format("%5.1f", "3.14"))
=== concat operators
print("a" .. "b" .. "c", "x" .. 1 .. 2.0, ("a"):rep(3) .. "b")
=== string indexing
print(("x").len, ("abc").foo, #"abc", ("x").rep == string.rep)
=== string methods on numbers
print((5):type == nil)
=== compare strings and numbers
print(pcall(function() return 1 < "2" end)) print("1" == 1, 1 == "1")
=== tostring and names
print(tostring(nil), tostring(true), tostring("x"), type(tostring(print)), tostring(12))
=== string coercion of concat floats
print(1.5 .. "", 10 .. "", 1e100 .. "")
=== pack and unpack integers
print(string.unpack("<i4", string.pack("<i4", -2)), string.unpack(">I2", "\1\2"), string.pack(">I3", 0x010203):byte(1, -1))
=== pack strings
print(string.unpack("z", "hello\0rest"), string.unpack("s1", "\3abc"), string.pack("s2", "ab"):byte(1, -1))
=== pack floats
print(string.unpack("<d", string.pack("<d", 1.5)), string.unpack("<f", string.pack("<f", 0.5)), string.unpack("<n", string.pack("<n", -1)))
=== pack alignment
print(string.pack("!4 i1 i4", 1, 2):byte(1, -1)) print(string.packsize("!8 i1 i8"), string.packsize("i1 i8"), string.packsize("<!4 i2 Xi4 i4"))
=== pack fixed strings and padding
print(string.pack("c5", "ab"):byte(1, -1)) print(#string.pack("x x x"), string.unpack("c2", "abc"))
=== pack big sizes
print(string.unpack("<i16", string.pack("<i16", -5)), string.unpack(">I9", string.pack(">I9", 7)))
=== pack errors
print(pcall(string.pack, "i1", 200))
print(pcall(string.pack, "I1", -1))
print(pcall(string.pack, "i17", 1))
print(pcall(string.pack, "y", 1))
print(pcall(string.unpack, "i4", "abc"))
print(pcall(string.unpack, "z", "abc"))
print(pcall(string.pack, "c2", "abc"))
print(pcall(string.pack, "z", "a\0b"))
print(pcall(string.packsize, "s"))
print(pcall(string.pack, "c", "x"))
print(pcall(string.unpack, "<i9", ("\255"):rep(8) .. "\1"))
print(pcall(string.pack, "!3 i4", 1))
=== unpack positions
print(string.unpack("i1", "\1\2\3", 2), string.unpack("i1", "\1\2\3", -1), pcall(string.unpack, "i1", "abc", 10))
=== utf8 char and codepoint
print(utf8.char(72, 228, 8364, 128512), utf8.codepoint("hä€", 1, -1)) print(utf8.char(), #utf8.char(0x7fffffff))
=== utf8 len
print(utf8.len("häß"), utf8.len("\xff"), utf8.len("abc", 4), utf8.len("abc", 2, 3), utf8.len("ab\x80"), utf8.len(""))
=== utf8 len bounds
print(pcall(utf8.len, "abc", 5)) print(pcall(utf8.len, "abc", 1, 4)) print(utf8.len("abc", -2))
=== utf8 offset
print(utf8.offset("aäb", 1), utf8.offset("aäb", 2), utf8.offset("aäb", 3), utf8.offset("aäb", 4), utf8.offset("aäb", 5), utf8.offset("aäb", -1), utf8.offset("aäb", -2), utf8.offset("aäb", 0, 3))
=== utf8 offset errors
print(pcall(utf8.offset, "ä", 1, 2)) print(pcall(utf8.offset, "abc", 1, 10))
=== utf8 codes
for p, c in utf8.codes("aä€") do print(p, c) end
=== utf8 codes invalid
print(pcall(function() for p, c in utf8.codes("a\xffb") do print(p, c) end end))
=== utf8 surrogates and overlong
print(utf8.len("\u{D800}"), utf8.len("\u{D800}", 1, -1, true), utf8.len("\xC0\x80"), utf8.len("\xF4\x90\x80\x80"), utf8.codepoint("\u{7FFFFFFF}", 1, 1, true))
=== utf8 codepoint errors
print(pcall(utf8.codepoint, "\xff")) print(pcall(utf8.codepoint, "abc", 4)) print(pcall(utf8.char, -1))
=== utf8 charpattern
print(#utf8.charpattern, utf8.charpattern == "[\0-\x7F\xC2-\xFD][\x80-\xBF]*")
=== bad self
print(pcall(function() return ("x").rep() end)) print(pcall(function() string.rep() end)) print(pcall(function() return ("x"):rep("y") end)) print(pcall(function() return ("x"):bad() end))
=== embedded zeros
local s = "a\0b\0c" print(#s, s:byte(2), s:find("\0", 1, true), s:find("%z"), s:gsub("\0", "0"))
=== long concat in a loop
local s = "" for i = 1, 1000 do s = s .. i .. "," end print(#s, s:sub(-10))
=== building keeps old strings
local a = ("x"):rep(200) local b = a .. "1" local c = b .. "2" local d = b .. "3" local e = c .. "4" print(c:sub(-2), d:sub(-2), e:sub(-3), b:sub(-1), #a, #e)
=== string comparison of equal prefixes
local a, b = ("x"):rep(1000), ("x"):rep(1000) .. "y" print(a < b, b < a, a == b, a .. "y" == b, a <= b)
=== method call on string literal
print(("%d items"):format(3), #("x"):rep(5))
=== tostring of integer floats in strings
print("v" .. 3.0, "v" .. 3, 3.0 .. "" == "3.0")
