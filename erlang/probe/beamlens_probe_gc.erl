%% The part of the probe for heaps, garbage collection, and the binaries that processes hold.
%%
%% What a process has is read with garbage_collection_info, which does not wake it: the size of its heaps, what of them survived the last
%% collection, and how much it refers to outside of them. When it was last collected nobody tells; so the processes that have most are
%% watched, and a reading that differs from the one before shows that a collection came between.
%%
%% Nothing here collects garbage.
-module(beamlens_probe_gc).

-export([snapshot/0, top/1, spiky/2, lazy/3, efficiency/1, hibernation/1, binaries/2, binary/2]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, look/6, look_all/4, everybody/0, discard/1, seen/1, insert/4, best/1, slow_info/3, within/2, label/4, names/1,
                         find/1, pid/1, mfa/1, kb/1, heap_words/1, binary_words/1, clamp/3, now_ms/0, now_us/0]).

%% Processes that a tick weighs, and how many of the heaviest are watched, of each kind.
-define(SLICE, 150).
-define(KEEP, 15).
-define(MAX_ROWS, 50).
%% Milliseconds for weighing all processes on demand.
-define(SCAN, 1000).
-define(SUSPECTS, 2000).
%% The references to binaries are asked of a process with a smaller heap than this only (words): their list is no larger than that.
-define(SMALL_HEAP, 1000000).
-define(CHUNK, 1000).
-define(ALL, 1 bsl 40).

%%% What the engine asks

snapshot() ->
    %% This asks every scheduler.
    {Gcs, Words} = case within(1000, fun() -> erlang:statistics(garbage_collection) end) of
        {G, W, _} -> {G, W};
        timeout -> {null, null}
    end,
    {Report, Heaviest} = ask_part(?MODULE, report),
    Names = names([P || {_, P, _} <- Heaviest]),
    Report#{gcs => Gcs, words_reclaimed => Words, wordsize => erlang:system_info(wordsize), fullsweep_after => element(2, erlang:system_info(fullsweep_after)),
            heaviest => maps:from_list([{What, #{pid => pid(P), name => maps:get(P, Names, null), kb => kb(N)}} || {What, P, N} <- Heaviest])}.

%% The processes with the largest heaps.
top(Limit) ->
    {L, #{heap := Heaps}} = weigh_all(clamp(Limit, 1, ?MAX_ROWS)),
    told(L, best(Heaps), fun(R) -> {true, R} end).

%% Those that have at least so much room in their heaps that they do not use, or whose heap moved by so much while it was watched.
spiky(Mb, Limit) ->
    {L, #{unused := Unused, heap := Heaps}} = weigh_all(?MAX_ROWS),
    told(L, lists:usort(best(Unused) ++ best(Heaps)), fun(R = #{unused_kb := U, moved_kb := M}) ->
        case {U >= Mb * 1024, is_integer(M) andalso M >= Mb * 1024} of
            {_, true} -> {true, R#{why => <<"the heap moved while it was watched">>, rank => max(U, M)}};
            {true, _} -> {true, R#{why => <<"the heap has room that is not used: it was larger">>, rank => U}};
            _ -> false
        end
    end, Limit).

%% Those that hold at least so much that a collection may free, garbage on the heap and binaries, and had none for so many minutes.
lazy(Mb, Minutes, Limit) ->
    {L, #{held := Held}} = weigh_all(?MAX_ROWS),
    told(L, best(Held), fun(R = #{uncollected_kb := U, binary_kb := B, no_gc_for_s := S}) ->
        case U + B >= Mb * 1024 andalso is_integer(S) andalso S >= Minutes * 60 of
            true -> {true, R#{rank => U + B}};
            false -> false
        end
    end, Limit).

%% Those that do nothing and have much: hibernation would give it back.
hibernation(Limit) ->
    {L, #{heap := Heaps, held := Held}} = weigh_all(?MAX_ROWS),
    told(L, lists:usort(best(Heaps) ++ best(Held)), fun(R = #{unused_kb := U, uncollected_kb := G, binary_kb := B, idle_for_s := Idle}) ->
        case U + G + B >= 1024 andalso is_integer(Idle) andalso Idle >= 10 of
            true -> {true, R#{rank => U + G + B}};
            false -> false
        end
    end, Limit).

efficiency(Name) ->
    case find(Name) of
        undefined -> #{error => <<"process_not_found">>};
        P ->
            case told(#{seen => 1}, [P], fun(R) -> {true, R} end) of
                #{processes := [R]} -> R;
                _ -> #{error => <<"process_not_found">>}
            end
    end.

%% The processes that refer to most binaries. With leak those only that have far more of them than heap, so that collections are rare.
binaries(Which, Limit) ->
    {L, #{binary := Binaries}} = weigh_all(?MAX_ROWS),
    told(L, best(Binaries), fun(R = #{binary_kb := B, total_heap_size_kb := H}) ->
        case Which of
            <<"leak">> when B < 1024; B < 2 * H -> false;
            _ -> {true, R#{rank => B}}
        end
    end, Limit).

%% What one process refers to, largest first. Its list is as long as its references, and a process that may have very many is not asked.
binary(Name, Limit) ->
    case find(Name) of
        undefined -> #{error => <<"process_not_found">>};
        P ->
            Deadline = now_ms() + ?SUSPECTS,
            case slow_info(P, [garbage_collection_info], Deadline) of
                [{_, Gc}] ->
                    case heap_words(Gc) < ?SMALL_HEAP andalso slow_info(P, [binary], Deadline) of
                        [{_, Refs}] -> references(P, Refs, clamp(Limit, 1, ?MAX_ROWS));
                        _ -> #{pid => pid(P), name => maps:get(P, names([P]), null), total_kb => kb(binary_words(Gc)), references => null, distinct => null, shared_kb => null, binaries => []}
                    end;
                _ -> #{error => <<"process_not_found">>}
            end
    end.

references(P, Refs, Limit) ->
    Distinct = maps:from_list([{Id, {Size, Count}} || {Id, Size, Count} <- Refs]),
    {Top, Total, Shared} = maps:fold(fun(Id, {Size, Count}, {T, Sum, Sh}) ->
        {insert(Size, {Id, Size, Count}, Limit, T), Sum + Size, case Count > 1 of true -> Sh + Size; false -> Sh end}
    end, {{0, []}, 0, 0}, Distinct),
    #{pid => pid(P), name => maps:get(P, names([P]), null), references => length(Refs), distinct => map_size(Distinct), total_kb => Total div 1024, shared_kb => Shared div 1024,
      binaries => [#{id => integer_to_binary(Id, 16), size => Size, refcount => Count} || {Id, Size, Count} <- best(Top)]}.

%%% Weighing

weigh_all(Keep) ->
    Empty = {0, []},
    {Tops, Rest, L} = look_all(fun(P, Acc) -> weigh(P, Acc, Keep) end, #{heap => Empty, binary => Empty, unused => Empty, held => Empty}, ?CHUNK,
                           #{until => now_us() + ?SCAN * 1000}),
    {#{seen => seen(L), complete => Rest =:= none}, Tops}.

weigh(P, Acc = #{heap := H, binary := B, unused := U, held := D}, Keep) ->
    case process_info(P, garbage_collection_info) of
        {_, Gc} ->
            Binary = binary_words(Gc),
            Acc#{heap := insert(heap_words(Gc), P, Keep, H), binary := insert(Binary, P, Keep, B), unused := insert(unused(Gc), P, Keep, U),
                 held := insert(uncollected(Gc) + Binary, P, Keep, D)};
        undefined -> Acc
    end.

v(Key, Gc) ->
    case lists:keyfind(Key, 1, Gc) of
        {_, N} when is_integer(N) -> N;
        _ -> 0
    end.

%% What the heaps have room for, and is not used.
unused(Gc) -> max(0, v(heap_block_size, Gc) + v(old_heap_block_size, Gc) - v(heap_size, Gc) - v(old_heap_size, Gc)).

%% What was made since the last collection, garbage or not: what is on the young heap and had not survived one, and what came in messages.
uncollected(Gc) -> max(0, v(heap_size, Gc) - v(recent_size, Gc)) + v(mbuf_size, Gc).

survived(Gc) -> v(recent_size, Gc) + v(old_heap_size, Gc).

%%% Rows

told(L, Pids, Choose) -> told(L, Pids, Choose, ?MAX_ROWS).

%% The processes that Choose takes, by rank if it gives one. All are watched from now on.
told(L, Pids, Choose, Limit) ->
    Known = ask_part(?MODULE, {watch, Pids}),
    Names = names(Pids),
    Deadline = now_ms() + ?SUSPECTS,
    Chosen = [C || P <- Pids, R <- [row(P, maps:get(P, Known, none), Names)], R =/= gone, {true, C} <- [Choose(R)]],
    Sorted = case Chosen of
        [#{rank := _} | _] -> lists:sort(fun(#{rank := A}, #{rank := B}) -> A >= B end, Chosen);
        _ -> Chosen
    end,
    L#{processes => [(maps:without([rank, p], R))#{label => started_as(P, Deadline), current_function => current(P, Deadline)}
                     || R = #{p := P} <- lists:sublist(Sorted, clamp(Limit, 1, ?MAX_ROWS))]}.

row(P, Watched, Names) ->
    case within(200, fun() -> process_info(P, [garbage_collection_info, garbage_collection, message_queue_len, reductions]) end) of
        [{_, Gc}, {_, Settings}, {_, Queue}, _] ->
            Now = now_ms(),
            {Since, Idle, Moved} = case Watched of
                none -> {null, null, null};
                #{collected := C, worked := W, low := Low, high := High} -> {(Now - C) div 1000, (Now - W) div 1000, kb(High - Low)}
            end,
            Allocated = v(heap_block_size, Gc) + v(old_heap_block_size, Gc),
            #{p => P, pid => pid(P), name => maps:get(P, Names, null), heap_size_kb => kb(v(heap_block_size, Gc)), old_heap_size_kb => kb(v(old_heap_block_size, Gc)),
              total_heap_size_kb => kb(heap_words(Gc)), unused_kb => kb(unused(Gc)), uncollected_kb => kb(uncollected(Gc)), survived_kb => kb(survived(Gc)),
              binary_kb => kb(binary_words(Gc)), minor_gcs => v(minor_gcs, Settings), fullsweep_after => v(fullsweep_after, Settings), message_queue_len => Queue,
              efficiency_pct => case Allocated of 0 -> 0; _ -> 100 - min(100, survived(Gc) * 100 div Allocated) end,
              no_gc_for_s => Since, idle_for_s => Idle, moved_kb => Moved};
        _ -> gone
    end.

started_as(P, Deadline) ->
    case slow_info(P, [initial_call, garbage_collection_info], Deadline) of
        [{_, Call}, {_, Gc}] -> label(P, Call, Gc, Deadline);
        _ -> null
    end.

current(P, Deadline) ->
    case slow_info(P, [current_function], Deadline) of
        [{_, Call}] -> mfa(Call);
        _ -> null
    end.

%%% The part of the resident process

%% watched: Pid => what was read of it: mark changes with each collection; collected and worked are when it last was seen to have been
%% collected and to have done something, or when it was first seen; low and high are of its heap, over the last windows.
start() -> #{round => none, watched => #{}}.

stop(#{round := Round}) -> discard(Round).

-define(WINDOW, 60000).
%% Reductions that a process spends on being looked at.
-define(TOUCHED, 500).

tick(Until, S = #{round := Round, watched := Watched0}) ->
    Now = now_ms(),
    Watched = read_all(maps:keys(Watched0), Watched0, Now, Until),
    Empty = {0, []},
    {#{heap := Heaps, held := Held}, Rest, _} = look(fun(P, Acc) -> weigh(P, Acc, ?KEEP) end, case Round of none -> everybody(); _ -> Round end,
        #{heap => Empty, binary => Empty, unused => Empty, held => Empty}, ?SLICE, ?SLICE, #{until => Until, stalls => 2}),
    S#{round := Rest, watched := heaviest(read_all(best(Heaps) ++ best(Held), Watched, Now, Until))}.

%% Reads processes again, and keeps what is known of the others that are alive.
read_all(Pids, Watched, Now, Until) ->
    {Read, Left, _} = look(fun(P, Acc) ->
        case process_info(P, [garbage_collection_info, garbage_collection, reductions]) of
            [{_, Gc}, {_, Settings}, {_, R}] -> Acc#{P => reading(Gc, Settings, R, maps:get(P, Watched, none), Now)};
            undefined -> maps:remove(P, Acc)
        end
    end, {Pids, none}, Watched, ?CHUNK, ?CHUNK, #{until => Until, stalls => 2}),
    case Left of none -> Read; _ -> maps:filter(fun(P, _) -> is_process_alive(P) end, Read) end.

reading(Gc, Settings, R, Before, Now) ->
    Mark = {v(minor_gcs, Settings), v(recent_size, Gc), v(old_heap_size, Gc), v(heap_block_size, Gc)},
    Heap = heap_words(Gc),
    Made = uncollected(Gc),
    New = #{mark => Mark, made => Made, reductions => R, collected => Now, worked => Now, heap => Heap, low => Heap, high => Heap, since => Now, held => Made + binary_words(Gc), binary => binary_words(Gc)},
    case Before of
        none -> New;
        #{mark := M, made := Made0, reductions := R0, collected := C, worked := W, low := Low, high := High, since := Since} ->
            Window = case Now - Since > ?WINDOW of true -> New; false -> New#{low := min(Low, Heap), high := max(High, Heap), since := Since} end,
            Window#{collected := case M of Mark when Made >= Made0 -> C; _ -> Now end, worked := case R - R0 > ?TOUCHED of true -> Now; false -> W end}
    end.

heaviest(Watched) when map_size(Watched) =< 2 * ?KEEP -> Watched;
heaviest(Watched) ->
    {Heaps, Held} = maps:fold(fun(P, #{heap := H, held := D}, {Hs, Ds}) -> {insert(H, P, ?KEEP, Hs), insert(D, P, ?KEEP, Ds)} end, {{0, []}, {0, []}}, Watched),
    maps:with(best(Heaps) ++ best(Held), Watched).

handle(report, S0) ->
    S = #{watched := Watched} = case S0 of #{watched := W} when map_size(W) =:= 0 -> tick(now_us() + 10000, S0); _ -> S0 end,
    Now = now_ms(),
    Lazy = maps:filter(fun(_, #{collected := C}) -> Now - C >= 30000 end, Watched),
    Most = fun(Key, Of) -> lists:sublist(lists:reverse(lists:sort([{N, P} || {P, #{Key := N}} <- maps:to_list(Of)])), 1) end,
    {{#{watched => map_size(Watched), lazy_binary_words => lists:sum([N || #{binary := N} <- maps:values(Lazy)])},
      [{heap, P, N} || {N, P} <- Most(heap, Watched)] ++ [{binary, P, N} || {N, P} <- Most(binary, Watched)] ++ [{lazy, P, N} || {N, P} <- Most(binary, Lazy)]}, S};
handle({watch, Pids}, S = #{watched := Watched}) ->
    New = [P || P <- Pids, not is_map_key(P, Watched)],
    Read = read_all(New, Watched, now_ms(), now_us() + 10000),
    {maps:with(Pids, Read), S#{watched := Read}}.
