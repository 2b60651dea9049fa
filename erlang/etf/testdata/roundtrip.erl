%% Makes random terms and checks that they come back the same. It speaks frames of 4 bytes length on file descriptors 0 and 1:
%%   <<"g", Seed:32>>   -> the bytes of a random term
%%   <<"c", Bin>>       -> "ok" if Bin is that term, exactly
%%   <<"e", Bin>>       -> the term of Bin as this node encodes it
Port = open_port({fd, 0, 1}, [binary, {packet, 4}]),
Pick = fun(L) -> lists:nth(rand:uniform(length(L)), L) end,
Many = fun(G, D, Max) -> [G(G, D - 1) || _ <- lists:seq(1, rand:uniform(Max + 1) - 1)] end,
Leaf = fun(_, _) ->
    case rand:uniform(16) of
        1 -> rand:uniform(256) - 1;
        2 -> rand:uniform(1 bsl 32) - (1 bsl 31);
        3 -> (rand:uniform(1 bsl 62)) * Pick([1, -1, 2, -2, 3]);
        4 -> Pick([1, -1]) * (1 bsl rand:uniform(5000)) + rand:uniform(1000);
        5 -> (rand:uniform() - 0.5) * math:pow(10, rand:uniform(600) - 300);
        6 -> rand:bytes(rand:uniform(50) - 1);
        7 -> Bits = rand:uniform(100), <<B:Bits/bitstring, _/bitstring>> = rand:bytes(20), B;
        8 -> list_to_atom("roundtrip_" ++ integer_to_list(rand:uniform(300)));
        9 -> Pick([true, false, undefined, '', 'h\x{e9}llo', '\x{2603}', list_to_atom(lists:duplicate(255, 16#1F41E))]);
        10 -> [rand:uniform(256) - 1 || _ <- lists:seq(1, rand:uniform(40))];
        11 -> make_ref();
        12 -> Pick(processes());
        13 -> Pick(erlang:ports());
        14 -> X = rand:uniform(99), Pick([fun(Y) -> X + Y end, fun lists:map/2, fun erlang:node/0]);
        15 -> Pick([-1 bsl 63, (1 bsl 63) - 1, 1 bsl 63, (-1 bsl 63) - 1, 255, 256, -1, 1 bsl 31, -1 bsl 31, (1 bsl 31) - 1]);
        16 -> Pick([[], {}, #{}, <<>>, alias()])
    end
end,
Gen = fun(G, D) when D =< 0 -> Leaf(G, D);
    (G, D) ->
        case rand:uniform(6) of
            1 -> Many(G, D, 6);
            2 -> list_to_tuple(Many(G, D, 6));
            3 -> maps:from_list([{K, G(G, D - 1)} || K <- Many(G, D, if D =< 1 -> 40; true -> 3 end)]);
            4 -> Many(G, D, 5) ++ Leaf(G, D);
            5 -> lists:duplicate(Pick([1, 5, 300]), Leaf(G, D));
            6 -> Leaf(G, D)
        end
end,
Loop = fun(L, T) ->
    receive
        {Port, {data, <<"g", Seed:32>>}} ->
            rand:seed(exsss, Seed),
            New = Gen(Gen, 3),
            port_command(Port, term_to_binary(New, Pick([[], [], [compressed], [{minor_version, 2}], [{minor_version, 1}]]))),
            L(L, New);
        {Port, {data, <<"c", B/binary>>}} ->
            port_command(Port, case catch binary_to_term(B) of T -> "ok"; _ -> unicode:characters_to_binary(io_lib:format("~tw~n~tw", [T, catch binary_to_term(B)])) end),
            L(L, T);
        {Port, {data, <<"e", B/binary>>}} ->
            port_command(Port, case catch binary_to_term(B) of {'EXIT', _} -> <<>>; E -> term_to_binary(E) end),
            L(L, T);
        {'EXIT', Port, _} -> halt(0)
    end
end,
process_flag(trap_exit, true),
Loop(Loop, none).
