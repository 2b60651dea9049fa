%% The part of the probe for processes: the worst of them, one of them in detail, and how many there are of which kind.
%%
%% A look at all processes keeps the worst and nothing else, whatever their number.
-module(beamlens_probe_processes).

-export([top/3, process/1, groups/1]).

-import(beamlens_probe, [known_rates/0, counted/1, look/6, look_all/4, everybody/0, discard/1, seen/1, stuck/1, insert/4, best/1, slow_info/3,
                         label/4, ancestors/4, frame/1, names/1, name/1, find/1, pid/1, mfa/1, atom_text/1, text/1, kb/1, heap_words/1,
                         binary_words/1, value/2, clamp/3, now_ms/0, now_us/0]).

-define(CHUNK, 1000).
-define(ALL, 1 bsl 40).
%% Processes whose reductions are read twice when somebody asks who is hot and ticks cannot tell yet: in all, and between two pauses.
-define(READ, 200000).
-define(AT_ONCE, 20000).
%% Milliseconds between two readings that are to tell a rate, when ticks cannot.
-define(PAUSE, 200).
%% Processes whose mailboxes are read twice.
-define(KEEP, 20).
%% Milliseconds for reading the more expensive items of all processes.
-define(SCAN_GC, 500).
%% How long all suspects together may take to tell what only they can tell (milliseconds).
-define(SUSPECTS, 2000).
-define(MAX_ROWS, 50).
-define(MAX_GROUPS, 2000).

%%% The worst processes

top(SortBy, Limit0, Offset0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    Offset = clamp(Offset0, 0, 1000),
    Rates = measured(SortBy, known_rates()),
    #{total := Total, pids := Pids, stuck := Stuck, complete := Complete} = rank(SortBy, Limit + Offset, Rates),
    %% By memory, all suspects tell what they have, and that is what counts.
    Wanted = case SortBy of <<"memory">> -> Pids; _ -> sub(Pids, Offset, Limit) end,
    Names = names(Wanted ++ Stuck),
    Deadline = now_ms() + ?SUSPECTS,
    Rows0 = [R || P <- Wanted, R <- [row(P, Rates, Names, Deadline)], R =/= undefined],
    Rows = case SortBy of
        <<"memory">> -> sub(lists:sort(fun(A, B) -> held(A) >= held(B) end, Rows0), Offset, Limit);
        _ -> Rows0
    end,
    #{total_processes => Total, showing => length(Rows), offset => Offset, limit => Limit, sort_by => SortBy, complete => Complete, processes => Rows,
      unanswering => [#{pid => pid(P), name => maps:get(P, Names, null)} || P <- lists:sublist(Stuck, 10)]}.

held(#{memory_kb := null}) -> 0;
held(#{memory_kb := M, binary_kb := B}) -> M + B.

rank(<<"message_queue">>, N, _) -> rank_by(message_queue_len, N);
rank(<<"reductions">>, N, _) -> rank_by(reductions, N);
rank(<<"memory">>, N, _) -> rank_memory(max(N, 25));
rank(<<"reductions_rate">>, _, #{hot := Hot}) -> ranked(Hot);
rank(<<"message_queue_growth">>, _, #{growth := Growth}) -> ranked(Growth);
rank(Other, _, _) -> error({unknown_sort, Other}).

rank_by(Item, N) ->
    Step = fun(P, Top) ->
        case process_info(P, Item) of
            {_, V} -> insert(V, P, N, Top);
            undefined -> Top
        end
    end,
    {Top, Rest, L} = look_all(Step, {0, []}, ?CHUNK, #{}),
    found(best(Top), Rest, L).

found(Pids, Rest, L) -> #{total => seen(L), pids => Pids, stuck => stuck(L), complete => Rest =:= none andalso stuck(L) =:= []}.

ranked(Rates) ->
    #{total => erlang:system_info(process_count), pids => [P || {P, _} <- lists:reverse(lists:keysort(2, maps:to_list(Rates)))], stuck => [], complete => true}.

%% How much a process holds, only it can tell. What is free to read are the heaps, the binaries outside of them and the length of the
%% mailbox; the first is not cheap, and if the time for it is over, the young heap alone has to do.
rank_memory(N) ->
    {Tops, Rest, L} = look(fun(P, T) -> weigh(P, T, N) end, everybody(), {{0, []}, {0, []}}, ?CHUNK, ?ALL,
                           #{until => now_us() + ?SCAN_GC * 1000}),
    {{Heaps, Queues}, Rest1, L1} = case Rest of
        none -> {Tops, none, #{seen => 0, stuck => []}};
        _ -> look(fun(P, T) -> weigh_lightly(P, T, N) end, Rest, Tops, ?CHUNK, ?ALL, #{})
    end,
    Big = best(Heaps),
    #{total => seen(L) + seen(L1), pids => Big ++ (best(Queues) -- Big), stuck => stuck(L) ++ stuck(L1), complete => Rest1 =:= none}.

weigh(P, {Heaps, Queues}, N) ->
    case process_info(P, [message_queue_len, garbage_collection_info]) of
        [{_, Q}, {_, Gc}] -> {insert(heap_words(Gc) + binary_words(Gc), P, N, Heaps), crowded(Q, P, Queues)};
        undefined -> {Heaps, Queues}
    end.

weigh_lightly(P, {Heaps, Queues}, N) ->
    case process_info(P, [message_queue_len, heap_size]) of
        [{_, Q}, {_, Heap}] -> {insert(Heap, P, N, Heaps), crowded(Q, P, Queues)};
        undefined -> {Heaps, Queues}
    end.

crowded(Q, P, Queues) when Q > 100 -> insert(Q, P, 5, Queues);
crowded(_, _, Queues) -> Queues.

%% Without the resident process, or before its second tick, a rate takes two looks. Between them no more than so many readings are held.
measured(<<"reductions_rate">>, Rates = #{hot := Hot}) when map_size(Hot) =:= 0 ->
    {_, Top} = burning(everybody(), ?READ, {0, []}),
    Rates#{hot := maps:from_list([{P, PerSecond} || {PerSecond, P} <- Top])};
measured(<<"message_queue_growth">>, Rates = #{growth := Growth}) when map_size(Growth) =:= 0 ->
    #{pids := Pids} = rank_by(message_queue_len, ?KEEP),
    {Before, _, _} = look(fun waiting/2, {Pids, none}, #{}, ?CHUNK, ?CHUNK, #{}),
    receive after ?PAUSE -> ok end,
    {After, _, _} = look(fun waiting/2, {Pids, none}, #{}, ?CHUNK, ?CHUNK, #{}),
    Rates#{growth := maps:map(fun(P, Q) -> (Q - maps:get(P, Before, 0)) * 1000 div ?PAUSE end, After)};
measured(_, Rates) -> Rates.

burning(none, _, Top) -> Top;
burning(Rest, Left, Top) when Left =< 0 ->
    discard(Rest),
    Top;
burning(Source, Left, Top) ->
    Start = now_ms(),
    {Reds, Rest, L} = look(fun reading/2, Source, [], ?AT_ONCE div 4, ?AT_ONCE, #{}),
    receive after ?PAUSE -> ok end,
    {Top1, _, _} = look(fun({P, R0}, T) -> burnt(P, R0, Start, T) end, {Reds, none}, Top, ?CHUNK, ?ALL, #{}),
    %% A look that was given up has seen less, or nothing; it must come to an end all the same.
    burning(Rest, Left - max(?CHUNK, seen(L)), Top1).

reading(P, Reds) ->
    case process_info(P, reductions) of
        {_, R} -> [{P, R} | Reds];
        undefined -> Reds
    end.

burnt(P, R0, Start, Top) ->
    case process_info(P, reductions) of
        {_, R} when R - R0 > 1000 -> insert((R - R0) * 1000 div max(1, now_ms() - Start), P, ?KEEP, Top);
        _ -> Top
    end.

waiting(P, Lengths) ->
    case process_info(P, message_queue_len) of
        {_, Q} when Q > 0 -> Lengths#{P => Q};
        _ -> Lengths
    end.

row(P, #{hot := Hot, growth := Growth}, Names, Deadline) ->
    Row = #{pid => pid(P), name => maps:get(P, Names, null), message_queue_growth_per_s => maps:get(P, Growth, null),
            reductions_per_s => maps:get(P, Hot, null)},
    case slow_info(P, [message_queue_len, reductions, status, initial_call, garbage_collection_info, memory, current_function], Deadline) of
        [{_, Q}, {_, R}, {_, Status}, {_, Call}, {_, Gc}, {_, M}, {_, Current}] ->
            Row#{label => label(P, Call, Gc, Deadline), initial_call => mfa(Call), memory_kb => M div 1024, binary_kb => kb(binary_words(Gc)),
                 message_queue => Q, reductions => R, current_function => mfa(Current), status => atom_text(Status), answers => true};
        undefined -> undefined;
        timeout ->
            Row#{label => null, initial_call => null, memory_kb => null, binary_kb => null, message_queue => null, reductions => null,
                 current_function => null, status => null, answers => false}
    end.

%%% One process: a pid as text, or a registered name

process(Name) when is_binary(Name) ->
    case find(Name) of
        undefined -> #{error => <<"there is no process ", (text(Name))/binary>>};
        P -> detail(P)
    end.

detail(P) ->
    Deadline = now_ms() + ?SUSPECTS,
    #{hot := Hot, growth := Growth} = known_rates(),
    Known = #{pid => pid(P), name => name(P), message_queue_growth_per_s => maps:get(P, Growth, null), reductions_per_s => maps:get(P, Hot, null)},
    case slow_info(P, [message_queue_len, reductions, status, priority, trap_exit, initial_call, parent, garbage_collection_info, message_queue_data], Deadline) of
        undefined -> #{error => <<"the process is gone">>, pid => pid(P)};
        timeout -> Known#{answers => false};
        [{_, Q}, {_, R}, {_, Status}, {_, Priority}, {_, Trap}, {_, Call}, {_, Parent}, {_, Gc}, {_, Kept}] ->
            Free = Known#{message_queue => Q, message_queue_data => atom_text(Kept), reductions => R, status => atom_text(Status), priority => atom_text(Priority),
                trap_exit => Trap, initial_call => mfa(Call), parent => parent(Parent),
                heap_kb => kb(value(heap_block_size, Gc)), total_heap_kb => kb(heap_words(Gc)), binary_kb => kb(binary_words(Gc)),
                label => label(P, Call, Gc, Deadline), ancestors => ancestors(P, Call, Gc, Deadline), gc => gc(P, Gc, Deadline)},
            maps:merge(Free, told(P, Deadline))
    end.

parent(P) when is_pid(P) -> #{pid => pid(P), name => name(P)};
parent(_) -> null.

%% What only the process can tell. One that does not answer in time runs something that cannot be interrupted.
told(P, Deadline) ->
    case slow_info(P, [current_function, current_stacktrace, memory, links, monitors, monitored_by], Deadline) of
        [{_, Current}, {_, Stack}, {_, Memory}, {_, Links}, {_, Monitors}, {_, By}] ->
            Linked = lists:sublist([L || L <- Links, is_pid(L)], 10),
            #{memory_kb => Memory div 1024, current_function => mfa(Current), stacktrace => [frame(F) || F <- lists:sublist(Stack, 12)],
              links => length(Links), linked => [pid(L) || L <- Linked], monitors => length(Monitors), monitored_by => length(By), answers => true};
        _ ->
            #{memory_kb => null, current_function => null, stacktrace => [], links => null, linked => [], monitors => null, monitored_by => null, answers => false}
    end.

gc(P, Gc, Deadline) ->
    Settings = case slow_info(P, [garbage_collection], Deadline) of [{_, S}] -> S; _ -> [] end,
    #{minor_gcs => value(minor_gcs, Settings), fullsweep_after => value(fullsweep_after, Settings), bin_vheap_kb => kb(binary_words(Gc))}.

%%% Processes counted by what they were started as and who started them: who leaks processes shows here

groups(Limit0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    {{_, Groups}, Rest, L} = look_all(fun group/2, {0, #{}}, ?CHUNK, #{}),
    Sorted = lists:sort(fun({_, [A | _]}, {_, [B | _]}) -> A >= B end, maps:to_list(Groups)),
    Now = now_ms(),
    {Since, Before} = case counted(maps:from_list([{K, N} || {K, [N | _]} <- lists:sublist(Sorted, ?MAX_ROWS)])) of
        {Time, Counts} -> {max(1, Now - Time), Counts};
        undefined -> {null, #{}}
    end,
    Shown = lists:sublist(Sorted, Limit),
    Names = names([Parent || {{_, Parent}, _} <- Shown, is_pid(Parent)]),
    Deadline = now_ms() + ?SUSPECTS,
    #{total_processes => seen(L), showing => length(Shown), complete => Rest =:= none, since_ms => Since,
      groups => [group_row(G, Names, Since, Before, Deadline) || G <- Shown]}.

%% {how many, Key => [Count | up to three processes]}. A node on which everybody has another parent must not fill the memory with groups of
%% one, so there is a limit; who comes after it is counted if somebody of the group came before it.
group(P, Acc = {Size, Groups}) ->
    case process_info(P, [initial_call, parent]) of
        [{_, Call}, {_, Parent}] ->
            Key = {Call, Parent},
            case Groups of
                #{Key := [N, A, B, C]} -> {Size, Groups#{Key := [N + 1, A, B, C]}};
                #{Key := [N | Sample]} -> {Size, Groups#{Key := [N + 1, P | Sample]}};
                _ when Size >= ?MAX_GROUPS -> Acc;
                _ -> {Size + 1, Groups#{Key => [1, P]}}
            end;
        undefined -> Acc
    end.

group_row({Key = {Call, Parent}, [N | Sample]}, Names, Since, Before, Deadline) ->
    {Label, Current} = sampled(Sample, Call, Deadline),
    Growth = case Before of
        #{Key := N0} -> round((N - N0) * 1000 / Since);
        _ -> null
    end,
    Alive = is_pid(Parent) andalso node(Parent) =:= node() andalso slow_info(Parent, [initial_call, garbage_collection_info], Deadline),
    #{count => N, growth_per_s => Growth, initial_call => Label, current_function => Current, sample => [pid(P) || P <- Sample],
      parent_pid => pid(Parent), parent_name => maps:get(Parent, Names, null), parent_alive => Alive =/= false andalso Alive =/= undefined,
      parent_label => case Alive of [{_, C}, {_, Gc}] -> label(Parent, C, Gc, Deadline); _ -> null end}.

%% What the first of the sample that answers is and does.
sampled([], Call, _) -> {mfa(Call), null};
sampled([P | Sample], Call, Deadline) ->
    case slow_info(P, [garbage_collection_info, current_function], Deadline) of
        [{_, Gc}, {_, Current}] ->
            case label(P, Call, Gc, Deadline) of
                null -> sampled(Sample, Call, Deadline);
                Label -> {Label, mfa(Current)}
            end;
        _ -> sampled(Sample, Call, Deadline)
    end.

sub(List, Offset, Limit) ->
    case Offset >= length(List) of
        true -> [];
        false -> lists:sublist(List, Offset + 1, Limit)
    end.
