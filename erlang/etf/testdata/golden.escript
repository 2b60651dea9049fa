#!/usr/bin/env escript
%%! -noinput
%% Writes golden.txt: for each term one line, what it is and the bytes that this node's term_to_binary gives, in hexadecimal.
%%   erlang/etf/testdata/golden.escript > erlang/etf/testdata/golden.txt
main(_) ->
    io:format("# made by golden.escript on OTP ~s; do not edit~n", [erlang:system_info(otp_release)]),
    lists:foreach(fun({Name, Term}) -> line(Name, term_to_binary(Term)) end, terms()),
    line("compressed", term_to_binary(lists:duplicate(1000, abc), [compressed])),
    line("atom, latin1", term_to_binary('caf\x{e9}', [{minor_version, 1}])),
    line("float, old", term_to_binary(1.5, [{minor_version, 0}])).

line(Name, Bin) -> io:format("~s\t~s~n", [Name, [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bin]]).

terms() ->
    Big = 1 bsl 64,
    [{"int 0", 0}, {"int 255", 255}, {"int 256", 256}, {"int -1", -1}, {"int -2147483648", -2147483648}, {"int 2147483648", 2147483648},
     {"int 9223372036854775807", 9223372036854775807}, {"int -9223372036854775808", -9223372036854775808},
     {"int 18446744073709551616", Big}, {"int -18446744073709551616", -Big}, {"big 3000", 1 bsl 3000},
     {"float 1.5", 1.5}, {"float -0.1", -0.1},
     {"atom ok", ok}, {"atom empty", ''}, {"atom utf8", 'h\x{e9}llo'}, {"atom snowman", '\x{2603}'},
     {"atom 255 long", list_to_atom(lists:duplicate(255, 16#2603))},
     {"binary", <<"hello">>}, {"binary empty", <<>>}, {"bits", <<1, 2, 5:3>>},
     {"nil", []}, {"string", "abc"}, {"list", [1, ok, 300]}, {"improper", [a, b | c]}, {"long list", lists:seq(1, 300)},
     {"tuple empty", {}}, {"tuple", {a, 1}}, {"tuple 300", list_to_tuple(lists:seq(1, 300))},
     {"map empty", #{}}, {"map", #{a => 1, <<"b">> => [c]}}, {"map odd keys", #{{1, 2} => [], [3] => #{}}},
     {"pid", self()}, {"ref", make_ref()}, {"alias", alias()}, {"port", hd(erlang:ports())},
     {"fun", fun(X) -> X + Big end}, {"export", fun lists:map/2}].
