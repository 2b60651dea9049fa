%% The probe: what BeamLens runs inside the VM that it watches.
%%
%% It reads and never writes. It calls no process of the user's, makes no atoms from data, and bounds what it does in time,
%% memory and output. process_info/2 items are of two kinds: some are read under a lock, the rest are asked of the process
%% itself, which wakes it and waits for it. Scans of all processes use the first kind only; the second is for a few suspects,
%% each with a time limit.
%%
%% attach/1 starts one resident process of low priority, which keeps what a single look cannot tell: growth and rates. It works
%% only when a snapshot is asked for. It watches the nodes of the engines that have attached; when the last of them is
%% gone it removes itself and this module from the VM.
%%
%% All results are maps, lists, numbers, binaries, true, false and null.
-module(beamlens_probe).

-export([attach/1, detach/1, snapshot/0, top/3, process/1, groups/1, tables/2, system/0]).
-export([loop/1]).

%% A tick looks at no more processes than this, for no longer than its budget (in microseconds, at most so much).
-define(SLICE, 20000).
-define(BUDGET, 20000).
%% Ticks are no closer than this, whoever asks (milliseconds).
-define(TICK, 500).
-define(KEEP, 20).
%% Readings of a watched mailbox that are kept, to tell its growth.
-define(READINGS, 5).
%% How long one suspect may take to tell what only it can tell, and all of them together (milliseconds).
-define(SUSPECT, 250).
-define(SUSPECTS, 2000).
-define(MAX_ROWS, 50).

%%% The resident process

attach(Owner) when is_atom(Owner) ->
    ok = ask({attach, Owner}),
    hello().

detach(Owner) when is_atom(Owner) ->
    case whereis(?MODULE) of
        undefined -> ok;
        _ -> ask({detach, Owner})
    end.

ask(Request) ->
    Pid = resident(),
    Ref = erlang:monitor(process, Pid),
    Pid ! {Request, self(), Ref},
    receive
        {Ref, Answer} -> erlang:demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, _, _, Why} -> error({resident, Why})
    after 2000 ->
        erlang:demonitor(Ref, [flush]),
        error({resident, timeout})
    end.

resident() ->
    case whereis(?MODULE) of
        undefined ->
            {Self, Ref} = {self(), make_ref()},
            Heap = #{size => 40000000, kill => true, error_logger => false},
            spawn_opt(fun() -> start(Self, Ref) end,
                      [{priority, low}, {message_queue_data, off_heap}, {max_heap_size, Heap}, {fullsweep_after, 10}]),
            receive {Ref, _} -> ok after 2000 -> error({resident, timeout}) end,
            resident();
        Pid -> Pid
    end.

start(From, Ref) ->
    %% The engine's pid was inherited as group leader; this process outlives the call that started it.
    group_leader(whereis(init), self()),
    case catch register(?MODULE, self()) of
        true ->
            From ! {Ref, started},
            loop(#{owners => [], ticked => undefined, scan => null, budget => ?BUDGET, round => [], sum => 0, seen => 0,
                   total => 0, processes => 0, began => now_ms(), finished => null, watched => #{}, reds => [], hot => [], ticks => 0});
        _ ->
            From ! {Ref, taken}
    end.

loop(S = #{owners := Owners}) ->
    receive
        {{attach, Owner}, From, Ref} ->
            lists:member(Owner, Owners) orelse erlang:monitor_node(Owner, true),
            From ! {Ref, ok},
            ?MODULE:loop(S#{owners := [Owner | lists:delete(Owner, Owners)]});
        {{detach, Owner}, From, Ref} ->
            lists:member(Owner, Owners) andalso erlang:monitor_node(Owner, false),
            Gone = erlang:monitor(process, From),
            From ! {Ref, ok},
            %% The caller runs this module: it must be out of it before the module goes.
            receive {'DOWN', Gone, _, _, _} -> ok after 1000 -> ok end,
            leave(S, Owner);
        {nodedown, Owner} ->
            leave(S, Owner);
        {scan, From, Ref} ->
            Next = tick(S),
            From ! {Ref, maps:get(scan, Next)},
            ?MODULE:loop(Next);
        {rates, From, Ref} ->
            #{hot := Hot, watched := Watched} = S,
            Growth = maps:from_list([{P, G} || {P, Rs} <- maps:to_list(Watched), G <- [growth(Rs)], G =/= null]),
            From ! {Ref, #{hot => maps:from_list([{P, R} || {R, P} <- Hot]), growth => Growth}},
            ?MODULE:loop(S);
        _ ->
            ?MODULE:loop(S)
    end.

leave(S = #{owners := Owners}, Owner) ->
    case lists:delete(Owner, Owners) of
        [] -> unload();
        Rest -> ?MODULE:loop(S#{owners := Rest})
    end.

%% Removes the module. That is done by a process that does not run it: purging kills those that do.
unload() ->
    {ok, Tokens, _} = erl_scan:string("code:purge(beamlens_probe), code:delete(beamlens_probe), code:purge(beamlens_probe)."),
    {ok, Exprs} = erl_parse:parse_exprs(Tokens),
    unregister(?MODULE),
    spawn(erl_eval, exprs, [Exprs, []]),
    ok.

%%% The tick: a slice of all processes

tick(S = #{ticked := Last}) ->
    Now = now_ms(),
    case Last =/= undefined andalso Now - Last < ?TICK of
        true -> S;
        false -> tick(S, Now, Last)
    end.

tick(S0, Now, Last) ->
    Start = now_us(),
    Hot = hot(S0, Now, Last),
    Watched0 = reread(maps:get(watched, S0), Now),
    {Round, S1} = case maps:get(round, S0) of
        [] -> {processes(), S0#{sum := 0, seen := 0, began := Now}};
        Rest -> {Rest, S0}
    end,
    Stop = Start + maps:get(budget, S0),
    {Left, Seen, Sum, Top, Reds} = slice(Round, ?SLICE, Stop, 0, 0, {0, []}, []),
    S2 = S1#{round := Left, seen := maps:get(seen, S1) + Seen, sum := maps:get(sum, S1) + Sum, reds := Reds, hot := Hot, ticked := Now,
             ticks := maps:get(ticks, S1) + 1},
    S3 = case Left of
        [] -> S2#{total := maps:get(sum, S2), processes := maps:get(seen, S2), finished := Now};
        _ -> S2#{total := max(maps:get(total, S2), maps:get(sum, S2))}
    end,
    Watched = watch(Watched0, Top, Now),
    Took = now_us() - Start,
    S4 = S3#{watched := Watched, budget := budget(maps:get(budget, S3), Took)},
    S4#{scan := report(S4, Took, Now)}.

%% More than 2 % of one scheduler halves the budget; it comes back slowly.
budget(Budget, Took) when Took > ?BUDGET -> max(2000, Budget div 2);
budget(Budget, _) -> min(?BUDGET, Budget + 500).

slice([], _, _, Seen, Sum, {_, Top}, Reds) ->
    {[], Seen, Sum, Top, Reds};
slice(Pids, 0, _, Seen, Sum, {_, Top}, Reds) ->
    {Pids, Seen, Sum, Top, Reds};
slice(Pids, N, Stop, Seen, Sum, Top, Reds) when N rem 500 =:= 0, N < ?SLICE ->
    case now_us() > Stop of
        true -> {Pids, Seen, Sum, element(2, Top), Reds};
        false -> slice1(Pids, N, Stop, Seen, Sum, Top, Reds)
    end;
slice(Pids, N, Stop, Seen, Sum, Top, Reds) ->
    slice1(Pids, N, Stop, Seen, Sum, Top, Reds).

slice1([P | Pids], N, Stop, Seen, Sum, Top, Reds) ->
    case process_info(P, [message_queue_len, reductions]) of
        [{_, 0}, {_, R}] -> slice(Pids, N - 1, Stop, Seen + 1, Sum, Top, [{P, R} | Reds]);
        [{_, Q}, {_, R}] -> slice(Pids, N - 1, Stop, Seen + 1, Sum + Q, insert(Q, P, ?KEEP, Top), [{P, R} | Reds]);
        undefined -> slice(Pids, N - 1, Stop, Seen, Sum, Top, Reds)
    end.

%% The largest Keep of what was inserted: {how many, [{Value, Pid}] with the smallest first}.
insert(V, P, Keep, {N, L}) when N < Keep -> {N + 1, ordered(V, P, L)};
insert(V, _, _, Top = {_, [{Least, _} | _]}) when V =< Least -> Top;
insert(V, P, _, {N, [_ | L]}) -> {N, ordered(V, P, L)}.

ordered(V, P, [X = {Less, _} | L]) when Less < V -> [X | ordered(V, P, L)];
ordered(V, P, L) -> [{V, P} | L].

%% Reductions per second since the last tick, of the processes that it saw.
hot(#{reds := []}, _, _) -> [];
hot(_, _, undefined) -> [];
hot(#{reds := Reds}, Now, Last) ->
    Dt = max(1, Now - Last),
    {_, Top} = lists:foldl(fun({P, R0}, Acc) ->
        case process_info(P, reductions) of
            {_, R} when R - R0 > 1000 -> insert((R - R0) * 1000 div Dt, P, ?KEEP, Acc);
            _ -> Acc
        end
    end, {0, []}, Reds),
    lists:reverse(Top).

%% Watched mailboxes: Pid => [{Time, Length}], newest first.
reread(Watched, Now) ->
    maps:fold(fun(P, Readings, Acc) ->
        case process_info(P, message_queue_len) of
            {_, Q} when Q > 0 -> Acc#{P => lists:sublist([{Now, Q} | Readings], ?READINGS)};
            _ -> Acc
        end
    end, #{}, Watched).

watch(Watched, Top, Now) ->
    All = lists:foldl(fun({Q, P}, Acc) ->
        case Acc of
            #{P := _} -> Acc;
            _ -> Acc#{P => [{Now, Q}]}
        end
    end, Watched, Top),
    case map_size(All) =< ?KEEP of
        true -> All;
        false -> maps:from_list(lists:sublist(by_length(All), ?KEEP))
    end.

by_length(Watched) ->
    lists:sort(fun({_, [{_, A} | _]}, {_, [{_, B} | _]}) -> A >= B end, maps:to_list(Watched)).

growth([_]) -> null;
growth(Readings = [{T1, Q1} | _]) ->
    {T0, Q0} = lists:last(Readings),
    case T1 - T0 of
        Dt when Dt > 0 -> round((Q1 - Q0) * 1000 / Dt);
        _ -> null
    end.

report(S = #{watched := Watched, began := Began, finished := Finished}, Took, Now) ->
    Queues = [#{pid => pid(P), name => name(P), message_queue => Q, growth_per_s => growth(Rs)}
              || {P, Rs = [{_, Q} | _]} <- lists:sublist(by_length(Watched), 5)],
    {Max, Pid, Name, Growth} = case Queues of
        [#{message_queue := M, pid := P0, name := N0, growth_per_s := G0} | _] -> {M, P0, N0, G0};
        [] -> {0, null, null, 0}
    end,
    {memory, Memory} = process_info(self(), memory),
    {reductions, Reductions} = process_info(self(), reductions),
    #{complete => Finished =:= Now, age_ms => Now - case Finished of null -> Began; _ -> Finished end,
      processes => maps:get(processes, S), message_queue_total => max(maps:get(total, S), Max), message_queue_max => Max,
      message_queue_max_pid => Pid, message_queue_max_name => Name, message_queue_max_growth_per_s => Growth, top_queues => Queues,
      tick_us => Took, budget_us => maps:get(budget, S), ticks => maps:get(ticks, S), probe_memory => Memory, probe_reductions => Reductions}.

%%% What the engine asks

hello() ->
    #{version => hex(?MODULE:module_info(md5)), otp_release => list_to_binary(erlang:system_info(otp_release)),
      erts => list_to_binary(erlang:system_info(version)), elixir_version => elixir(), node => atom_to_binary(node(), utf8),
      uptime_ms => uptime(), schedulers_online => erlang:system_info(schedulers_online), wordsize => erlang:system_info(wordsize),
      os => os(), system_monitor => monitor_owner()}.

monitor_owner() ->
    case erlang:system_monitor() of
        undefined -> null;
        {Pid, _} -> #{pid => pid(Pid), name => name(Pid)}
    end.

snapshot() ->
    Scan = scan(),
    {Reductions, _} = erlang:statistics(reductions),
    {Switches, _} = erlang:statistics(context_switches),
    {{input, In}, {output, Out}} = erlang:statistics(io),
    {Gcs, Words, _} = erlang:statistics(garbage_collection),
    #{count := Terms, memory := TermBytes} = persistent_term:info(),
    #{uptime_ms => uptime(),
      process_count => erlang:system_info(process_count), process_limit => erlang:system_info(process_limit),
      port_count => erlang:system_info(port_count), port_limit => erlang:system_info(port_limit),
      atom_count => erlang:system_info(atom_count), atom_limit => erlang:system_info(atom_limit),
      ets_count => length(ets:all()), ets_limit => erlang:system_info(ets_limit),
      run_queue => erlang:statistics(total_run_queue_lengths),
      schedulers => erlang:system_info(schedulers), schedulers_online => erlang:system_info(schedulers_online),
      dirty_cpu_schedulers_online => erlang:system_info(dirty_cpu_schedulers_online),
      dirty_io_schedulers => erlang:system_info(dirty_io_schedulers),
      reductions => Reductions, context_switches => Switches, io_in => In, io_out => Out, gcs => Gcs, gc_words_reclaimed => Words,
      memory => maps:from_list(erlang:memory()), persistent_term => #{count => Terms, memory => TermBytes}, scan => Scan}.

%% A saturated node may starve the resident process: then a snapshot has everything else.
scan() ->
    Pid = resident(),
    Ref = erlang:monitor(process, Pid),
    Pid ! {scan, self(), Ref},
    receive
        {Ref, Scan} -> erlang:demonitor(Ref, [flush]), Scan;
        {'DOWN', Ref, _, _, _} -> null
    after 1000 ->
        erlang:demonitor(Ref, [flush]),
        null
    end.

%% The processes that are worst by one measure.
top(SortBy, Limit0, Offset0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    Offset = clamp(Offset0, 0, 1000),
    {Total, Ranked} = rank(SortBy, Limit + Offset),
    Deadline = now_ms() + ?SUSPECTS,
    Rates = rates(),
    Rows = [row(P, Rates, Deadline) || P <- sub(Ranked, Offset, Limit)],
    Shown = [R || R <- Rows, R =/= undefined],
    #{total_processes => Total, showing => length(Shown), offset => Offset, limit => Limit, sort_by => SortBy, processes => Shown}.

rank(<<"message_queue">>, N) -> scan_all(message_queue_len, N);
rank(<<"reductions">>, N) -> scan_all(reductions, N);
rank(<<"reductions_rate">>, N) -> {erlang:system_info(process_count), ranked(maps:get(hot, rates()), N)};
rank(<<"message_queue_growth">>, N) -> {erlang:system_info(process_count), ranked(maps:get(growth, rates()), N)};
rank(<<"memory">>, N) -> by_memory(N);
rank(Other, _) -> error({unknown_sort, Other}).

%% A full scan that reads one item under a lock and keeps the largest.
scan_all(Item, N) ->
    Pids = processes(),
    {length(Pids), pids(scan_all(Pids, Item, N, {0, []}))}.

scan_all([], _, _, Top) -> Top;
scan_all([P | Pids], Item, N, Top) ->
    case process_info(P, Item) of
        {_, V} -> scan_all(Pids, Item, N, insert(V, P, N, Top));
        undefined -> scan_all(Pids, Item, N, Top)
    end.

pids({_, Top}) -> [P || {_, P} <- lists:reverse(Top)].

%% Memory is told by the process alone. The young heap and the mailbox are free to read: their largest are asked.
by_memory(N) ->
    Pids = processes(),
    Many = max(N, 30),
    Heaps = pids(scan_all(Pids, heap_size, Many, {0, []})),
    Queues = pids(scan_all(Pids, message_queue_len, 10, {0, []})),
    Deadline = now_ms() + ?SUSPECTS,
    Sized = lists:foldl(fun(P, Top) ->
        case slow_info(P, [memory], Deadline) of
            [{memory, M}] -> insert(M, P, N, Top);
            _ -> Top
        end
    end, {0, []}, Heaps ++ (Queues -- Heaps)),
    {length(Pids), pids(Sized)}.

ranked(Rates, N) ->
    [P || {_, P} <- lists:sublist(lists:reverse(lists:sort([{V, P} || {P, V} <- maps:to_list(Rates)])), N)].

%% What only the resident process knows: #{hot => #{Pid => reductions/s}, growth => #{Pid => messages/s}}.
rates() ->
    Pid = resident(),
    Ref = erlang:monitor(process, Pid),
    Pid ! {rates, self(), Ref},
    receive
        {Ref, Rates} -> erlang:demonitor(Ref, [flush]), Rates;
        {'DOWN', Ref, _, _, _} -> #{hot => #{}, growth => #{}}
    after 1000 ->
        erlang:demonitor(Ref, [flush]),
        #{hot => #{}, growth => #{}}
    end.

row(P, #{hot := Hot, growth := Growth}, Deadline) ->
    case process_info(P, [message_queue_len, reductions, status]) of
        undefined -> undefined;
        [{_, Q}, {_, R}, {_, Status}] ->
            {Memory, Current} = case slow_info(P, [memory, current_function], Deadline) of
                [{_, M}, {_, C}] -> {M div 1024, mfa(C)};
                _ -> {null, null}
            end,
            #{pid => pid(P), name => name(P), label => label(P, Deadline), memory_kb => Memory, message_queue => Q, reductions => R,
              message_queue_growth_per_s => maps:get(P, Growth, null), reductions_per_s => maps:get(P, Hot, null),
              current_function => Current, status => atom_to_binary(Status, utf8)}
    end.

%% All about one process: a pid as text, or a registered name.
process(Name) when is_binary(Name) ->
    case find(Name) of
        undefined -> #{error => <<"there is no process ", Name/binary>>};
        P -> detail(P)
    end.

find(Name = <<"<", _/binary>>) ->
    try list_to_pid(binary_to_list(Name)) of
        P when node(P) =:= node() -> P;
        _ -> undefined
    catch _:_ -> undefined
    end;
find(Name) ->
    case registered(Name) of
        undefined -> registered(<<"Elixir.", Name/binary>>);
        P -> P
    end.

registered(Name) ->
    try whereis(binary_to_existing_atom(Name, utf8)) of
        P when is_pid(P) -> P;
        _ -> undefined
    catch _:_ -> undefined
    end.

detail(P) ->
    case process_info(P, [message_queue_len, reductions, status, priority, trap_exit, heap_size, initial_call]) of
        undefined -> #{error => <<"the process is gone">>, pid => pid(P)};
        [{_, Q}, {_, R}, {_, Status}, {_, Priority}, {_, Trap}, {_, Heap}, {_, Initial}] ->
            Deadline = now_ms() + ?SUSPECTS,
            #{hot := Hot, growth := Growth} = rates(),
            Free = #{message_queue_growth_per_s => maps:get(P, Growth, null), reductions_per_s => maps:get(P, Hot, null), pid => pid(P), name => name(P), label => label(P, Deadline), message_queue => Q, reductions => R,
                     status => atom_to_binary(Status, utf8), priority => atom_to_binary(Priority, utf8), trap_exit => Trap,
                     heap_kb => kb(Heap), initial_call => mfa(Initial), parent => parent(P)},
            maps:merge(Free, told(P, Deadline))
    end.

%% What only the process can tell. One that does not answer in time runs something that cannot be interrupted.
told(P, Deadline) ->
    Items = [memory, total_heap_size, current_function, current_stacktrace, links, monitors, monitored_by, message_queue_data, garbage_collection_info],
    case slow_info(P, Items, Deadline) of
        [{_, Memory}, {_, Total}, {_, Current}, {_, Stack}, {_, Links}, {_, Monitors}, {_, By}, {_, Kept}, {_, Gc}] ->
            #{memory_kb => Memory div 1024, total_heap_kb => kb(Total), current_function => mfa(Current), stacktrace => stack(Stack),
              links => length(Links), linked => [pid(L) || L <- lists:sublist(Links, 10), is_pid(L)], monitors => length(Monitors),
              monitored_by => length(By), message_queue_data => atom_to_binary(Kept, utf8),
              binary_kb => kb(value(bin_vheap_size, Gc) + value(bin_old_vheap_size, Gc)), answers => true};
        _ ->
            #{memory_kb => null, current_function => null, stacktrace => [], answers => false}
    end.

value(Key, List) ->
    case lists:keyfind(Key, 1, List) of
        {_, V} when is_integer(V) -> V;
        _ -> 0
    end.

stack(Frames) -> [frame(F) || F <- lists:sublist(Frames, 12)].

frame({M, F, A, Where}) ->
    Call = mfa({M, F, case is_list(A) of true -> length(A); false -> A end}),
    case {lists:keyfind(file, 1, Where), lists:keyfind(line, 1, Where)} of
        {{_, File}, {_, Line}} -> iolist_to_binary([Call, " (", text(File), ":", integer_to_list(Line), ")"]);
        _ -> Call
    end.

%% Processes counted by what they were started as and who started them: who leaks processes shows here.
groups(Limit) ->
    Pids = processes(),
    Groups = group(Pids, #{}, 0),
    Sorted = lists:sort(fun({_, {A, _}}, {_, {B, _}}) -> A >= B end, maps:to_list(Groups)),
    Deadline = now_ms() + ?SUSPECTS,
    #{total_processes => length(Pids),
      groups => [group_row(Key, N, Sample, Deadline) || {Key, {N, Sample}} <- lists:sublist(Sorted, clamp(Limit, 1, ?MAX_ROWS))]}.

group([], Groups, _) -> Groups;
group([P | Pids], Groups, Size) ->
    case process_info(P, [initial_call, parent]) of
        [{_, Call}, {_, Parent}] ->
            Key = {Call, Parent},
            case Groups of
                #{Key := {N, [A, B]}} -> group(Pids, Groups#{Key := {N + 1, [P, A, B]}}, Size);
                #{Key := {N, Sample}} when length(Sample) < 3 -> group(Pids, Groups#{Key := {N + 1, [P | Sample]}}, Size);
                #{Key := {N, Sample}} -> group(Pids, Groups#{Key := {N + 1, Sample}}, Size);
                %% A node on which everybody has another parent must not fill the memory with groups of one.
                _ when Size >= 5000 -> group(Pids, Groups, Size);
                _ -> group(Pids, Groups#{Key => {1, [P]}}, Size + 1)
            end;
        undefined -> group(Pids, Groups, Size)
    end.

group_row({Call, Parent}, N, Sample, Deadline) ->
    Current = case [C || P <- Sample, [{_, C}] <- [slow_info(P, [current_function], Deadline)]] of
        [C | _] -> mfa(C);
        [] -> null
    end,
    Label = case [L || P <- Sample, L <- [label(P, Deadline)], L =/= null] of
        [L | _] -> L;
        [] -> mfa(Call)
    end,
    #{count => N, initial_call => Label, parent_pid => case is_pid(Parent) of true -> pid(Parent); false -> null end,
      parent_name => case is_pid(Parent) of true -> name(Parent); false -> null end,
      parent_label => case is_pid(Parent) of true -> label(Parent, Deadline); false -> null end,
      parent_alive => is_pid(Parent) andalso node(Parent) =:= node() andalso is_process_alive(Parent),
      current_function => Current, sample => [pid(P) || P <- Sample]}.

%% ETS tables, the largest first. Size and memory of a table with decentralized counters need all schedulers: of those, a few.
tables(SortBy, Limit) ->
    All = ets:all(),
    Item = case SortBy of <<"size">> -> size; _ -> memory end,
    {_, Top, _} = lists:foldl(fun(T, {N, Acc, Costly}) ->
        case ets:info(T, decentralized_counters) of
            true when Costly =:= 0 -> {N, Acc, 0};
            Decentralized ->
                Left = case Decentralized of true -> Costly - 1; _ -> Costly end,
                case ets:info(T, Item) of
                    undefined -> {N, Acc, Left};
                    V -> {N + 1, insert(V, T, clamp(Limit, 1, ?MAX_ROWS), Acc), Left}
                end
        end
    end, {0, {0, []}, 200}, All),
    #{table_count => length(All), sort_by => SortBy, tables => [table(T) || T <- pids(Top), ets:info(T, name) =/= undefined]}.

table(T) ->
    Owner = ets:info(T, owner),
    Info = fun(Item) -> case ets:info(T, Item) of undefined -> null; V -> V end end,
    #{name => atom_text(ets:info(T, name)), id => text(io_lib:format("~0p", [T])), type => Info(type), protection => Info(protection), size => Info(size),
      memory_kb => case ets:info(T, memory) of undefined -> 0; W -> kb(W) end, compressed => Info(compressed),
      read_concurrency => Info(read_concurrency), write_concurrency => Info(write_concurrency),
      owner => pid(Owner), owner_name => name(Owner)}.

system() ->
    #{node => atom_to_binary(node(), utf8), otp_release => list_to_binary(erlang:system_info(otp_release)), elixir_version => elixir(),
      uptime_seconds => uptime() div 1000, schedulers_online => erlang:system_info(schedulers_online), os => os(),
      erts => list_to_binary(erlang:system_info(version))}.

%%% Small things

uptime() ->
    erlang:convert_time_unit(erlang:monotonic_time() - erlang:system_info(start_time), native, millisecond).

os() ->
    {Family, Name} = os:type(),
    iolist_to_binary([atom_to_list(Family), "/", atom_to_list(Name)]).

%% Reads a table of the application controller; calls nobody.
elixir() ->
    case application:get_key(elixir, vsn) of
        {ok, Vsn} -> text(Vsn);
        _ -> null
    end.

%% Asks a process for what only it can tell, in a process of our own that is given up after a while.
slow_info(P, Items, Deadline) ->
    case min(?SUSPECT, Deadline - now_ms()) of
        Time when Time =< 0 -> timeout;
        Time ->
            Self = self(),
            Tag = make_ref(),
            Heap = #{size => 4000000, kill => true, error_logger => false},
            {Helper, Ref} = spawn_opt(fun() -> Self ! {Tag, process_info(P, Items)} end, [monitor, {max_heap_size, Heap}]),
            receive
                {Tag, Info} -> erlang:demonitor(Ref, [flush]), Info;
                {'DOWN', Ref, _, _, _} -> timeout
            after Time ->
                erlang:demonitor(Ref, [flush]),
                exit(Helper, kill),
                receive {Tag, Late} -> Late after 0 -> timeout end
            end
    end.

%% What an unnamed process is: what it was started as. Processes of proc_lib keep that in their dictionary, which is read of small
%% processes only, and nothing else of it is kept.
label(P, Deadline) ->
    case process_info(P, [initial_call, heap_size]) of
        [{_, {proc_lib, init_p, _}}, {_, Heap}] when Heap < 1000000 ->
            case initial(P, Deadline) of
                {_, _, _} = Call -> mfa(Call);
                _ -> null
            end;
        [{_, Call}, _] -> mfa(Call);
        undefined -> null
    end.

initial(P, Deadline) ->
    %% {dictionary, Key} came with OTP 26.2.
    case get(beamlens_dictionary_key) of
        false -> whole_dictionary(P, Deadline);
        _ ->
            try process_info(self(), {dictionary, '$initial_call'}) of
                _ ->
                    case slow_info(P, [{dictionary, '$initial_call'}], Deadline) of
                        [{_, Call}] -> Call;
                        _ -> undefined
                    end
            catch error:badarg ->
                put(beamlens_dictionary_key, false),
                whole_dictionary(P, Deadline)
            end
    end.

whole_dictionary(P, Deadline) ->
    case slow_info(P, [dictionary], Deadline) of
        [{_, Dictionary}] -> proplists:get_value('$initial_call', Dictionary);
        _ -> undefined
    end.

parent(P) ->
    case process_info(P, parent) of
        {_, Parent} when is_pid(Parent) -> #{pid => pid(Parent), name => name(Parent)};
        _ -> null
    end.

name(P) when is_pid(P), node(P) =:= node() ->
    case process_info(P, registered_name) of
        {_, Name} -> atom_text(Name);
        _ -> null
    end;
name(_) -> null.

pid(P) when is_pid(P) -> list_to_binary(pid_to_list(P));
pid(_) -> null.

mfa({M, F, A}) ->
    case atom_to_list(M) of
        "Elixir." ++ Module -> text([Module, ".", atom_to_list(F), "/", integer_to_list(A)]);
        Module -> text([Module, ":", atom_to_list(F), "/", integer_to_list(A)])
    end;
mfa(_) -> null.

atom_text(A) ->
    case atom_to_list(A) of
        "Elixir." ++ Name -> text(Name);
        Name -> text(Name)
    end.

%% Text as UTF-8, at most so long.
text(T) ->
    case unicode:characters_to_binary(T) of
        B when is_binary(B), byte_size(B) =< 300 -> B;
        B when is_binary(B) -> unicode:characters_to_binary(string:slice(B, 0, 200));
        _ -> <<"?">>
    end.

hex(B) -> << <<(digit(N))>> || <<N:4>> <= B >>.

digit(N) when N < 10 -> $0 + N;
digit(N) -> $a + N - 10.

kb(Words) -> Words * erlang:system_info(wordsize) div 1024.

clamp(N, Low, High) when is_integer(N) -> max(Low, min(High, N));
clamp(N, Low, High) when is_float(N) -> clamp(round(N), Low, High).

sub(List, Offset, Limit) ->
    case Offset >= length(List) of
        true -> [];
        false -> lists:sublist(List, Offset + 1, Limit)
    end.

now_ms() -> erlang:monotonic_time(millisecond).
now_us() -> erlang:monotonic_time(microsecond).
