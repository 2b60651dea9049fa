%% The part of the probe for atoms: what the newest of them look like, which tells who makes them.
%%
%% Atoms are numbered in the order in which they were made, and never go. The newest are read by their number, in the internal form of the external
%% term format (erts/emulator/beam/external.h, ATOM_INTERNAL_REF3), which the virtual machine decodes but never sends. No atom is made.
-module(beamlens_probe_atoms).

-export([newest/1]).

-import(beamlens_probe, [text/1, clamp/3]).

%% How many of the newest are looked at, and how many of the newer half of the table: what leaks fills it, and code that is loaded at the end hides it
%% among the newest only. How many shapes of them are told apart.
-define(NEWEST, 1000).
-define(SPREAD, 1000).
-define(SHAPES, 200).
-define(MAX_ROWS, 50).

newest(Limit0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    Count = erlang:system_info(atom_count),
    From = max(0, Count - ?NEWEST),
    Step = max(1, (From - Count div 2) div ?SPREAD),
    Texts = [T || I <- lists:seq(Count div 2, From - 1, Step) ++ lists:seq(From, Count - 1), T <- [at(I)], T =/= none],
    Shapes = lists:foldl(fun(T, Acc) ->
        S = shape(T),
        case Acc of
            #{S := {N, _}} -> Acc#{S := {N + 1, T}};
            _ when map_size(Acc) < ?SHAPES -> Acc#{S => {1, T}};
            _ -> Acc
        end
    end, #{}, Texts),
    Sorted = lists:sublist(lists:reverse(lists:sort([{N, S, T} || {S, {N, T}} <- maps:to_list(Shapes)])), Limit),
    #{atom_count => Count, atom_limit => erlang:system_info(atom_limit), looked_at => length(Texts),
      shapes => [#{shape => text(S), count => N, newest => text(T)} || {N, S, T} <- Sorted]}.

at(I) ->
    try binary_to_term(<<131, 75, I:24>>) of
        A when is_atom(A) -> atom_to_binary(A, utf8);
        _ -> none
    catch _:_ -> none
    end.

%% Runs of digits, and of hexadecimal digits with a digit among them that are longer than a word, become one sign: session_4711 is session_<n>.
shape(T) -> re:replace(T, "[0-9a-f-]*[0-9][0-9a-f-]{7,}|[0-9]+", "<n>", [global, {return, binary}]).
