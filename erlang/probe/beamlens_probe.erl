%% The probe: what BeamLens runs inside the VM that it watches.
%%
%% It reads and never writes. It calls no process of the user's, makes no atoms from data, and bounds what it does in time,
%% memory and output. process_info/2 items are of two kinds: some are read under a lock, the rest are asked of the process
%% itself, which wakes it and waits for it. Scans of all processes use the first kind only; the second is for a few suspects.
%%
%% Both kinds wait for a process that is inside a native function or another operation that does not yield. So no process
%% that must answer in time looks at others itself: a scanner does it, which is given up when it hangs (see look/6).
%%
%% attach/1 starts one resident process of low priority, which keeps what a single look cannot tell: growth and rates. It works
%% only while snapshots are asked for. It watches the nodes of the engines that have attached; when the last of them is
%% gone it removes itself and this module from the VM.
%%
%% All results are maps with atom keys, lists, numbers, binaries, true, false and null.
%%
%% Other fields of observation are modules of their own, beamlens_probe_*, which are loaded when the first question for them comes, and
%% go with this one. What they keep from tick to tick is a part of the resident process; see "Parts" below.
-module(beamlens_probe).

-export([vsn/0, attach/1, detach/1, snapshot/0, system/0]).
-export([loop/1]).
%% For the other modules of the probe.
-export([ask_part/2, scan/0, known_rates/0, counted/1, assist/2, dismiss/1, look/6, look_all/4, everybody/0, discard/1, seen/1, stuck/1, insert/4,
         best/1, slow_info/3, within/2, label/4, ancestors/4, kept/1, frame/1, names/1, name/1, find/1, pid/1, mfa/1, atom_text/1, text/1, plain/1,
         kb/1, heap_words/1, binary_words/1, value/2, clamp/3, now_ms/0, now_us/0]).

%% Raised when functions or results change. A node keeps a module that is newer than the engine's.
-define(VSN, 3).

%% A tick looks at no more processes than this, for no longer than its budget (in microseconds, at most so much).
-define(SLICE, 4000).
-define(BUDGET, 20000).
%% Milliseconds between ticks, and how long they go on after the last snapshot.
-define(TICK, 1000).
-define(INTEREST, 10000).
%% How long a part goes on after its last request. What it has seen is lost then, and a node in trouble may answer late: a blocked scheduler
%% holds up the link, too.
-define(PART_INTEREST, 30000).
%% How many of the worst are kept from tick to tick, and readings of each mailbox to tell its growth.
-define(KEEP, 20).
-define(READINGS, 5).
%% A process that could not be read is left alone for so long (milliseconds).
-define(SHUN, 10000).
%% Processes that a scanner gets at once.
-define(CHUNK, 1000).
-define(ALL, 1 bsl 40).
%% How long a scanner may hang at one process (milliseconds), and at how many before the scan is given up.
-define(STALL, 200).
-define(STALLS, 10).
%% Milliseconds for a scan of all processes.
-define(SCAN, 10000).
%% A list of more processes than this is not kept on a heap, and how many of them are stored together.
-define(LISTED, 5000).
-define(STORED, 250).
%% How long one suspect may take to tell what only it can tell (milliseconds).
-define(SUSPECT, 250).
%% A dictionary is read only of processes with a smaller heap than this (words).
-define(SMALL_HEAP, 100000).

%%% The resident process

%% An owner is the node of an engine, or the process here that keeps one (the Elixir package).
attach(Owner) when is_atom(Owner); is_pid(Owner) ->
    case ask({attach, Owner}, start_resident(), 2000) of
        ok -> hello();
        {failed, Why} -> error({resident, Why})
    end.

detach(Owner) when is_atom(Owner); is_pid(Owner) ->
    case whereis(?MODULE) of
        undefined -> ok;
        Pid -> ask({detach, Owner}, Pid, 1500)
    end.

%% A node under load may starve a process of low priority, so every question has a time limit.
ask(_, undefined, _) -> {failed, absent};
ask(Request, Pid, Time) ->
    Ref = erlang:monitor(process, Pid),
    Pid ! {Request, self(), Ref},
    receive
        {Ref, Answer} -> erlang:demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, _, _, Why} -> {failed, Why}
    after Time ->
        erlang:demonitor(Ref, [flush]),
        {failed, timeout}
    end.

start_resident() ->
    case whereis(?MODULE) of
        undefined ->
            {Self, Ref} = {self(), make_ref()},
            Heap = #{size => 40000000, kill => true, error_logger => false},
            _ = spawn_opt(fun() -> start(Self, Ref) end,
                          [{priority, low}, {message_queue_data, off_heap}, {max_heap_size, Heap}, {fullsweep_after, 10}]),
            receive Ref -> whereis(?MODULE) after 2000 -> undefined end;
        Pid -> Pid
    end.

start(From, Ref) ->
    %% The engine's pid was inherited as group leader; this process outlives the call that started it.
    group_leader(whereis(init), self()),
    Won = (catch register(?MODULE, self())),
    From ! Ref,
    Won =:= true andalso loop(fresh([])).

fresh(Owners) ->
    #{module => md5(), owners => Owners, parts => #{}, armed => false, asked => never, ticked => undefined, budget => ?BUDGET, ticks => 0, took => 0,
      round => none, began => undefined, seen => 0, sum => 0, last => undefined, watched => #{}, reds => [], hot => [],
      shunned => #{}, groups => undefined}.

vsn() -> ?VSN.

md5() -> ?MODULE:module_info(md5).

%% When another version has been loaded, the next turn runs it: it takes over the owners and begins anew.
loop(S = #{owners := Owners}) ->
    case maps:get(module, S, undefined) =:= md5() of
        true -> turn(S);
        false ->
            stop_parts(maps:get(parts, S, #{})),
            discard(maps:get(round, S, none)),
            turn(fresh(Owners))
    end.

turn(S = #{owners := Owners}) ->
    receive
        {{attach, Owner}, From, Ref} ->
            case lists:member(Owner, Owners) orelse observe(Owner) of
                true -> From ! {Ref, ok}, ?MODULE:loop(S#{owners := [Owner | lists:delete(Owner, Owners)]});
                _ -> From ! {Ref, {failed, not_distributed}}, ?MODULE:loop(S)
            end;
        {{detach, Owner}, From, Ref} ->
            is_atom(Owner) andalso lists:member(Owner, Owners) andalso (catch erlang:monitor_node(Owner, false)),
            Gone = erlang:monitor(process, From),
            From ! {Ref, ok},
            %% The caller runs this module: it must be out of it before the module goes.
            receive {'DOWN', Gone, _, _, _} -> ok after 1000 -> ok end,
            leave(S, Owner);
        {nodedown, Owner} ->
            leave(S, Owner);
        {'DOWN', _, process, Owner, _} ->
            leave(S, Owner);
        {scan, From, Ref} ->
            S1 = arm(first(S#{asked := now_ms()})),
            From ! {Ref, {report(S1), self_report(S1)}},
            ?MODULE:loop(S1);
        {rates, From, Ref} ->
            From ! {Ref, rates(S)},
            ?MODULE:loop(S);
        {{groups, Counts}, From, Ref} ->
            From ! {Ref, maps:get(groups, S)},
            ?MODULE:loop(S#{groups := {now_ms(), Counts}});
        {{part, Module, Request}, From, Ref} ->
            {Answer, S1} = part(Module, Request, S),
            From ! {Ref, Answer},
            ?MODULE:loop(arm(S1));
        {tick, Armed} when Armed =:= map_get(armed, S) ->
            S1 = tick_parts(S#{armed := false}),
            case {wanted(maps:get(asked, S)), map_size(maps:get(parts, S1))} of
                {true, _} -> ?MODULE:loop(arm(tick(S1)));
                {false, 0} -> erlang:hibernate(?MODULE, loop, [forget(S1)]);
                {false, _} -> ?MODULE:loop(arm(forget(S1)))
            end;
        _ ->
            ?MODULE:loop(S)
    end.

observe(Owner) when is_pid(Owner) -> is_reference(erlang:monitor(process, Owner));
observe(Owner) -> catch erlang:monitor_node(Owner, true).

%% The first question of a while is answered by a tick at once; after it they come by the clock.
first(S = #{ticked := undefined}) -> tick(S);
first(S) -> S.

wanted(never) -> false;
wanted(Asked) -> now_ms() - Asked =< ?INTEREST.

%% What was seen of all processes is of no use when nobody has asked for a while.
forget(S = #{owners := Owners, round := Round}) ->
    discard(Round),
    maps:merge(fresh(Owners), maps:with([parts, ticks, groups], S)).

arm(S = #{armed := Armed}) when Armed =/= false -> S;
arm(S) ->
    Ref = make_ref(),
    erlang:send_after(?TICK, self(), {tick, Ref}),
    S#{armed := Ref}.

leave(S = #{owners := Owners}, Owner) ->
    case Owners -- [Owner] of
        [] when Owners =/= [] ->
            stop_parts(maps:get(parts, S)),
            unload();
        Rest -> ?MODULE:loop(S#{owners := Rest})
    end.

%% Removes the modules that engines have loaded. Those that came from a file, which is there, are of a package and stay. That is
%% done by a process that does not run them: purging kills those that do. The user's processes run the handler of logs, so its module
%% goes when none is in it.
unload() ->
    {ok, Tokens, _} = erl_scan:string(
        "Ours = [M || {M, File} <- code:all_loaded(), lists:prefix(\"beamlens_probe\", atom_to_list(M)), not is_list(File) orelse not filelib:is_regular(File)],"
        %% The last is the one that the others call.
        "[begin code:purge(M), code:delete(M), code:purge(M) end || M <- lists:reverse(lists:sort(Ours)), M =/= beamlens_probe_log],"
        "lists:member(beamlens_probe_log, Ours) andalso (fun F(M, N) -> code:soft_purge(M), code:delete(M), code:soft_purge(M) andalso code:is_loaded(M) =:= false orelse N > 0 andalso begin timer:sleep(100), F(M, N - 1) end end)(beamlens_probe_log, 50)."),
    {ok, Exprs} = erl_parse:parse_exprs(Tokens),
    unregister(?MODULE),
    spawn(erl_eval, exprs, [Exprs, []]),
    ok.

%%% Parts: what the other modules of the probe keep from tick to tick
%%
%% Such a module has start() -> State, handle(Request, State) -> {Answer, State}, tick(Until, State) -> State with Until in microseconds, and
%% stop(State). It begins with the first request, and ends when none has come for a while. What fails in it ends it and nothing else; the
%% next request begins it anew. handle and tick must be short: everybody waits for them.

ask_part(Module, Request) ->
    case ask({part, Module, Request}, whereis(?MODULE), 2000) of
        {failed, Why} -> error({part, Module, Why});
        Answer -> Answer
    end.

part(Module, Request, S = #{parts := Parts}) ->
    Known = maps:get(Module, Parts, none),
    try
        P = #{state := State} = current(Module, Known),
        {Answer, State1} = Module:handle(Request, State),
        {Answer, S#{parts := Parts#{Module => P#{state := State1, asked := now_ms()}}}}
    catch Class:Why:Stack ->
        stop_part(Module, Known),
        {{failed, {Class, Why, lists:sublist(Stack, 2)}}, S#{parts := maps:remove(Module, Parts)}}
    end.

current(Module, none) -> #{state => Module:start(), md5 => Module:module_info(md5), asked => now_ms(), took => 0};
current(Module, P = #{md5 := Md5}) ->
    case Module:module_info(md5) of
        Md5 -> P;
        _ ->
            stop_part(Module, P),
            current(Module, none)
    end.

stop_part(_, none) -> ok;
stop_part(Module, #{state := State}) -> catch Module:stop(State).

stop_parts(Parts) -> maps:foreach(fun stop_part/2, Parts).

%% Parts may take half of a tick's budget each, and one that needs more goes on at the next tick.
tick_parts(S = #{parts := Parts, budget := Budget}) ->
    S#{parts := maps:filtermap(fun(Module, P = #{asked := Asked, state := State}) ->
        Start = now_us(),
        try Asked + ?PART_INTEREST >= now_ms() andalso Module:tick(Start + Budget div 2, State) of
            false ->
                stop_part(Module, P),
                false;
            State1 -> {true, P#{state := State1, took := now_us() - Start}}
        catch _:_ ->
            stop_part(Module, P),
            false
        end
    end, Parts)}.

%% What the resident process has seen of mailboxes, and how it does. null when it does not answer.
scan() ->
    case ask(scan, whereis(?MODULE), 1000) of
        {failed, _} -> null;
        {Report, _} -> Report
    end.

%% A process of a part, which start/0 begins and stop/1 ends. It is told by a monitor when the resident process is gone, and then tidies up
%% and ends as well; nothing links the two, so that no fault of one is a fault of the other. Run gets that monitor, and {stop, From, Ref}.
assist(Run, Options) ->
    Resident = self(),
    spawn_opt(fun() ->
        group_leader(whereis(init), self()),
        Run(erlang:monitor(process, Resident))
    end, Options).

%% Ends it, and returns when it is gone.
dismiss(Pid) ->
    Ref = erlang:monitor(process, Pid),
    Pid ! {stop, self(), Ref},
    receive {'DOWN', Ref, _, _, _} -> ok
    after 2000 ->
        exit(Pid, kill),
        receive {'DOWN', Ref, _, _, _} -> ok after 500 -> ok end
    end.

%%% The tick: rates since the last one, watched mailboxes, and a slice of all processes

tick(S0 = #{budget := Budget, ticked := Last}) ->
    {Start, Now} = {now_us(), now_ms()},
    Shunned = maps:filter(fun(_, Until) -> Until > Now end, maps:get(shunned, S0)),
    {Hot, HotReds, L1} = hot(maps:get(reds, S0), Now, Last, Shunned, Start + Budget div 2),
    {Watched, L2} = reread(maps:get(watched, S0), Now, Shunned),
    S1 = case maps:get(round, S0) of
        none -> S0#{round := everybody(), began := Now, seen := 0, sum := 0};
        _ -> S0
    end,
    {{Sum, {_, Top}, Reds}, Rest, L3} =
        look(fun slice/2, maps:get(round, S1), {0, {0, []}, []}, ?SLICE, ?SLICE, #{until => Start + Budget, skip => Shunned, stalls => 2}),
    S2 = S1#{round := Rest, seen := maps:get(seen, S1) + seen(L3), sum := maps:get(sum, S1) + Sum},
    S3 = case Rest of
        none -> S2#{last := #{sum => maps:get(sum, S2), seen => maps:get(seen, S2), began => maps:get(began, S2)}};
        _ -> S2
    end,
    Stuck = maps:from_list([{P, Now + ?SHUN} || P <- stuck(L1) ++ stuck(L2) ++ stuck(L3)]),
    Took = now_us() - Start - stalled(L1) - stalled(L2) - stalled(L3),
    S3#{ticked := Now, ticks := maps:get(ticks, S3) + 1, took := Took, budget := budget(Budget, Took), hot := Hot, reds := HotReds ++ Reds,
        watched := watch(Watched, Top, Now), shunned := maps:merge(Shunned, Stuck)}.

%% More than 1 % of one scheduler halves the budget; it comes back slowly.
budget(Budget, Took) when Took * 100 > ?TICK * 1000 -> max(1000, Budget div 2);
budget(Budget, _) -> min(?BUDGET, Budget + 500).

slice(P, {Sum, Top, Reds}) ->
    case process_info(P, [message_queue_len, reductions]) of
        [{_, 0}, {_, R}] -> {Sum, Top, [{P, R} | Reds]};
        [{_, Q}, {_, R}] -> {Sum + Q, insert(Q, P, ?KEEP, Top), [{P, R} | Reds]};
        undefined -> {Sum, Top, Reds}
    end.

%% Who has burnt most since the last tick: [{Pid, reductions per second}], and their readings for the next time.
hot(Reds, Now, Last, Shunned, Until) when Reds =/= [], Now > Last ->
    Known = case map_size(Shunned) of 0 -> Reds; _ -> [X || X = {P, _} <- Reds, not is_map_key(P, Shunned)] end,
    {{_, Top}, _, L} = look(fun burnt/2, {Known, none}, {0, []}, ?SLICE, ?ALL, #{until => Until, stalls => 2}),
    Unique = lists:sublist(maps:to_list(maps:from_list([{P, {D, R}} || {D, {P, R}} <- Top])), ?KEEP),
    {by_value([{P, D * 1000 div (Now - Last)} || {P, {D, _}} <- Unique]), [{P, R} || {P, {_, R}} <- Unique], L};
hot(_, _, _, _, _) -> {[], [], none}.

burnt({P, R0}, Top) ->
    case process_info(P, reductions) of
        {_, R} when R - R0 > 1000 -> insert(R - R0, {P, R}, 2 * ?KEEP, Top);
        _ -> Top
    end.

%% Watched mailboxes: Pid => [{Time, Length}], newest first. One that does not let itself be read keeps its last reading.
reread(Watched, _, _) when map_size(Watched) =:= 0 -> {Watched, none};
reread(Watched, Now, Shunned) ->
    {Lengths, _, L} = look(fun waiting/2, {maps:keys(Watched), none}, #{}, ?CHUNK, ?CHUNK, #{skip => Shunned, stalls => 2}),
    Kept = maps:with(stuck(L) ++ maps:keys(Shunned), Watched),
    {maps:fold(fun(P, Q, Acc) -> Acc#{P => lists:sublist([{Now, Q} | maps:get(P, Watched)], ?READINGS)} end, Kept, Lengths), L}.

waiting(P, Lengths) ->
    case process_info(P, message_queue_len) of
        {_, Q} when Q > 0 -> Lengths#{P => Q};
        _ -> Lengths
    end.

watch(Watched, Top, Now) ->
    All = maps:merge(maps:from_list([{P, [{Now, Q}]} || {Q, P} <- Top]), Watched),
    maps:from_list(lists:sublist(by_length(All), ?KEEP)).

by_length(Watched) ->
    lists:sort(fun({_, [{_, A} | _]}, {_, [{_, B} | _]}) -> A >= B end, maps:to_list(Watched)).

growth([_]) -> null;
growth(Readings = [{T1, Q1} | _]) ->
    {T0, Q0} = lists:last(Readings),
    case T1 - T0 of
        Dt when Dt > 0 -> round((Q1 - Q0) * 1000 / Dt);
        _ -> null
    end.

report(S = #{watched := Watched, shunned := Shunned}) ->
    Worst = lists:sublist(by_length(Watched), 5),
    Stuck = lists:sublist(maps:keys(Shunned), 5),
    Names = names([P || {P, _} <- Worst] ++ Stuck),
    Queues = [#{pid => pid(P), name => maps:get(P, Names, null), message_queue => Q, growth_per_s => growth(Rs)} || {P, Rs = [{_, Q} | _]} <- Worst],
    #{message_queue := Max, pid := Pid, name := Name, growth_per_s := Growth} = case Queues of
        [First | _] -> First;
        [] -> #{message_queue => 0, pid => null, name => null, growth_per_s => null}
    end,
    #{seen := Seen, sum := Sum, began := Began} = case maps:get(last, S) of undefined -> S; Last -> Last end,
    %% A round takes many ticks on a large node: what the watched mailboxes have now is newer.
    Total = lists:max([Sum, maps:get(sum, S), lists:sum([Q || [{_, Q} | _] <- maps:values(Watched)])]),
    #{complete => maps:get(last, S) =/= undefined, age_ms => now_ms() - Began, processes => Seen, message_queue_total => Total,
      message_queue_max => Max, message_queue_max_pid => Pid, message_queue_max_name => Name, message_queue_max_growth_per_s => Growth,
      tick_us => maps:get(took, S), top_queues => Queues, unanswering => [#{pid => pid(P), name => maps:get(P, Names, null)} || P <- Stuck]}.

self_report(#{took := Took, budget := Budget, ticks := Ticks, owners := Owners, parts := Parts}) ->
    [{_, Memory}, {_, Reductions}] = process_info(self(), [memory, reductions]),
    #{tick_us => Took, parts_us => maps:fold(fun(_, #{took := Us}, Sum) -> Sum + Us end, 0, Parts), parts => map_size(Parts), budget => Budget, memory => Memory, reductions => Reductions, ticks => Ticks, owners => length(Owners)}.

%% What has been seen over time: undefined if ticks have not been asked for.
rates(#{ticked := Ticked, hot := Hot, watched := Watched, ticks := _}) ->
    Fresh = Ticked =/= undefined andalso now_ms() - Ticked < 5 * ?TICK,
    Growth = maps:from_list([{P, G} || {P, Rs} <- maps:to_list(Watched), G <- [growth(Rs)], G =/= null]),
    #{hot => maps:from_list(Hot), growth => case Fresh of true -> Growth; false -> #{} end}.

%%% Looking at many processes

%% Folds Step over a source of processes, in a scanner: a process of its own, which gets a chunk at a time. A scanner that
%% hangs at a process is killed, and another one goes on without that process. Until (microseconds, monotonic) and Limit bound
%% the look. The result is what Step made, the rest of the source (none if all was seen), and the look.
look(Step, Source, Kept, Chunk, Limit, Options) ->
    Until = case Options of #{until := U} -> U; _ -> now_us() + ?SCAN * 1000 end,
    L = #{step => Step, until => Until, chunk => Chunk, left => Limit, skip => maps:get(skip, Options, #{}), stalls => maps:get(stalls, Options, ?STALLS), stall => maps:get(stall, Options, ?STALL), spawn => maps:get(spawn, Options, [{priority, low}]),
          index => counters:new(1, []), scanner => none, seen => 0, stuck => [], stalled => 0},
    look(next(Source, min(Chunk, Limit)), Kept, L).

%% At everybody. What could not be seen in time is not kept.
look_all(Step, Kept, Chunk, Options) ->
    Seen = {_, Rest, _} = look(Step, everybody(), Kept, Chunk, ?ALL, Options),
    discard(Rest),
    Seen.

look({[], Rest}, Kept, L) ->
    {Kept, Rest, stop_scanner(L)};
look({Pids, Rest}, Kept, L0) ->
    L1 = #{scanner := {Pid, Ref}} = scanner(L0),
    Pid ! {Ref, Pids, Kept},
    case await(Pids, L1, 0) of
        {done, Kept1, Done, L} ->
            Left = maps:get(left, L) - Done,
            L2 = L#{left := Left, seen := maps:get(seen, L) + Done},
            Unseen = case length(Pids) of Done -> Rest; _ -> unread(lists:nthtail(Done, Pids), Rest) end,
            case Unseen =:= none orelse Left =< 0 orelse now_us() >= maps:get(until, L) of
                true -> {Kept1, Unseen, stop_scanner(L2)};
                false -> look(next(Unseen, min(maps:get(chunk, L), Left)), Kept1, L2)
            end;
        {stuck, I, L = #{stuck := Stuck, stalls := Stalls}} ->
            {Before, [Bad | After]} = lists:split(I - 1, Pids),
            P = case Bad of {Q, _} -> Q; _ -> Bad end,
            L2 = (stop_scanner(L))#{stuck := [P | Stuck]},
            case length(Stuck) + 1 >= Stalls of
                true -> {Kept, unread(After, Rest), L2};
                false -> look({Before ++ After, Rest}, Kept, L2)
            end;
        {starved, L} ->
            {Kept, unread(Pids, Rest), stop_scanner(L)}
    end.

%% A scanner that is waiting has asked a process that does not answer; one that is runnable waits for its turn.
await(Pids, L = #{scanner := {Pid, Ref}, index := Index, stall := Stall, stalled := Stalled, until := Until}, Last) ->
    receive
        {Ref, Kept, Done} -> {done, Kept, Done, L}
    after Stall ->
        L1 = L#{stalled := Stalled + Stall * 1000},
        case counters:get(Index, 1) of
            Last when Last > 0 ->
                case process_info(Pid, status) of
                    {_, waiting} ->
                        receive {Ref, Kept, Done} -> {done, Kept, Done, L1}
                        after 0 -> {stuck, Last, L1}
                        end;
                    _ -> patience(Pids, L1, Last, Until)
                end;
            I -> patience(Pids, L1, I, Until)
        end
    end.

patience(Pids, L, I, Until) ->
    case now_us() > Until + 3000000 of
        true -> {starved, L};
        false -> await(Pids, L, I)
    end.

scanner(L = #{scanner := none, spawn := Spawn, step := Step, index := Index, until := Until, skip := Skip}) ->
    {Self, Ref} = {self(), make_ref()},
    counters:put(Index, 1, 0),
    Pid = spawn_opt(fun() -> scan(Self, Ref, Step, Index, Until, Skip) end, [link, {min_heap_size, 8000}, {fullsweep_after, 0} | Spawn]),
    L#{scanner := {Pid, Ref}};
scanner(L) -> L.

stop_scanner(L = #{scanner := none}) -> L;
stop_scanner(L = #{scanner := {Pid, _}}) ->
    unlink(Pid),
    exit(Pid, kill),
    L#{scanner := none}.

scan(To, Ref, Step, Index, Until, Skip) ->
    receive
        {Ref, Pids, Kept} ->
            {Kept1, Done} = steps(Pids, 1, Step, Index, Until, Skip, Kept),
            To ! {Ref, Kept1, Done},
            scan(To, Ref, Step, Index, Until, Skip)
    end.

steps([], I, _, _, _, _, Kept) -> {Kept, I - 1};
steps([P | Pids], I, Step, Index, Until, Skip, Kept) when I rem 500 =/= 0 ->
    counters:put(Index, 1, I),
    case is_map_key(P, Skip) of
        true -> steps(Pids, I + 1, Step, Index, Until, Skip, Kept);
        false -> steps(Pids, I + 1, Step, Index, Until, Skip, Step(P, Kept))
    end;
steps([P | Pids], I, Step, Index, Until, Skip, Kept) ->
    counters:put(Index, 1, I),
    Kept1 = case is_map_key(P, Skip) of true -> Kept; false -> Step(P, Kept) end,
    case now_us() > Until of
        true -> {Kept1, I};
        false -> steps(Pids, I + 1, Step, Index, Until, Skip, Kept1)
    end.

seen(#{seen := N}) -> N.

stuck(none) -> [];
stuck(#{stuck := Stuck}) -> Stuck.

stalled(none) -> 0;
stalled(#{stalled := Us}) -> Us.

%% A source is {Pids, More}. OTP 28 can iterate; before it a list of all is made at once. A long list is stored in a table of the caller:
%% on a heap it is copied with each collection, and a resident process that goes through it for a minute would hold it several times.
everybody() ->
    case {erlang:function_exported(erlang, processes_iterator, 0), erlang:system_info(process_count)} of
        {true, _} -> {[], erlang:processes_iterator()};
        {false, N} when N =< ?LISTED -> {processes(), none};
        {false, _} ->
            Tab = ets:new(beamlens_probe_round, [ordered_set, public]),
            {_, Ref} = spawn_opt(fun() -> store(processes(), 1, Tab) end, [monitor, {fullsweep_after, 0}]),
            receive {'DOWN', Ref, _, _, _} -> {[], {stored, Tab}} end
    end.

store([], _, _) -> ok;
store(Pids, N, Tab) ->
    {Some, Rest} = take(?STORED, Pids, []),
    ets:insert(Tab, {N, Some}),
    case Rest of {Left, none} -> store(Left, N + 1, Tab); none -> ok end.

%% What is left of a source that is not looked through to its end.
discard({_, {stored, Tab}}) -> catch ets:delete(Tab), ok;
discard(_) -> ok.

next({[], none}, _) -> {[], none};
next({Pids, none}, N) -> take(N, Pids, []);
next({[], {stored, Tab}}, N) -> stored(N, Tab, []);
next({[], Iterator}, N) -> iterate(N, Iterator, []);
next({Pids, More}, N) ->
    {Chunk, Rest} = take(N, Pids, []),
    {Chunk, case Rest of none -> {[], More}; {Left, none} -> {Left, More} end}.

stored(N, Tab, Chunk) ->
    case ets:first(Tab) of
        '$end_of_table' ->
            ets:delete(Tab),
            {Chunk, none};
        Key ->
            [{_, Pids}] = ets:take(Tab, Key),
            case length(Pids) =< N of
                true -> stored(N - length(Pids), Tab, Pids ++ Chunk);
                false ->
                    {Chunk1, {Left, none}} = take(N, Pids, Chunk),
                    {Chunk1, {Left, {stored, Tab}}}
            end
    end.

take(_, [], Chunk) -> {Chunk, none};
take(0, Pids, Chunk) -> {Chunk, {Pids, none}};
take(N, [P | Pids], Chunk) -> take(N - 1, Pids, [P | Chunk]).

iterate(0, Iterator, Chunk) -> {Chunk, {[], Iterator}};
iterate(N, Iterator, Chunk) ->
    case erlang:processes_next(Iterator) of
        none -> {Chunk, none};
        {P, Next} -> iterate(N - 1, Next, [P | Chunk])
    end.

unread([], Rest) -> Rest;
unread(Pids, none) -> {Pids, none};
unread(Pids, {Left, More}) -> {Pids ++ Left, More}.

%% The largest Keep of what was inserted: {how many, [{Value, Key}] with the smallest first}.
insert(V, P, Keep, {N, L}) when N < Keep -> {N + 1, ordered(V, P, L)};
insert(V, _, _, Top = {_, [{Least, _} | _]}) when V =< Least -> Top;
insert(V, P, _, {N, [_ | L]}) -> {N, ordered(V, P, L)}.

ordered(V, P, [X = {Less, _} | L]) when Less < V -> [X | ordered(V, P, L)];
ordered(V, P, L) -> [{V, P} | L].

best({_, Top}) -> [P || {_, P} <- lists:reverse(Top)].

by_value(Pairs) -> lists:reverse(lists:keysort(2, Pairs)).

%%% What the engine asks

hello() ->
    (identity())#{version => hex(md5()), vsn => vsn(), uptime_ms => uptime(), wordsize => erlang:system_info(wordsize),
        system_monitor => monitor_owner(), caps => caps()}.

identity() ->
    #{node => atom_to_binary(node(), utf8), otp_release => list_to_binary(erlang:system_info(otp_release)),
      erts => list_to_binary(erlang:system_info(version)), elixir_version => elixir(), os => os(),
      schedulers_online => erlang:system_info(schedulers_online)}.

caps() ->
    [<<"dictionary_key">> || dictionary_key()] ++ [<<"processes_iterator">> || erlang:function_exported(erlang, processes_iterator, 0)]
        ++ [<<"system_monitor">> || erlang:system_monitor() =:= undefined].

monitor_owner() ->
    case erlang:system_monitor() of
        undefined -> null;
        {Pid, Events} -> #{pid => pid(Pid), name => name(Pid), events => [atom_text(case E of {K, _} -> K; _ -> E end) || E <- Events]}
    end.

snapshot() ->
    {Reductions, _} = erlang:statistics(reductions),
    {Switches, _} = erlang:statistics(context_switches),
    %% These ask every scheduler, and one whose process does not yield does not answer. Null then, and the rest is told.
    {Memory, In, Out, Gcs, Words} = case within(?TICK, fun() -> {erlang:memory(), erlang:statistics(io), erlang:statistics(garbage_collection)} end) of
        {M, {{input, I}, {output, O}}, {G, W, _}} -> {maps:from_list(M), I, O, G, W};
        timeout -> {null, null, null, null, null}
    end,
    #{count := Terms, memory := TermBytes} = persistent_term:info(),
    %% A saturated node may starve the resident process: then a snapshot has everything else.
    {Scan, Probe} = case ask(scan, whereis(?MODULE), 1000) of
        {failed, _} -> {null, null};
        Answer -> Answer
    end,
    #{uptime_ms => uptime(),
      process_count => erlang:system_info(process_count), spawned => spawned(), process_limit => erlang:system_info(process_limit),
      port_count => erlang:system_info(port_count), port_limit => erlang:system_info(port_limit),
      atom_count => erlang:system_info(atom_count), atom_limit => erlang:system_info(atom_limit),
      ets_count => erlang:system_info(ets_count), ets_limit => erlang:system_info(ets_limit),
      run_queue => erlang:statistics(total_run_queue_lengths), run_queue_max => lists:max(erlang:statistics(run_queue_lengths)),
      schedulers => erlang:system_info(schedulers), schedulers_online => erlang:system_info(schedulers_online),
      dirty_cpu_schedulers_online => erlang:system_info(dirty_cpu_schedulers_online),
      dirty_io_schedulers => erlang:system_info(dirty_io_schedulers),
      reductions => Reductions, context_switches => Switches, io_in => In, io_out => Out, gcs => Gcs, gc_words_reclaimed => Words,
      memory => Memory, schedulers_answer => Memory =/= null, attached => is_pid(whereis(?MODULE)),
      persistent_term => #{count => Terms, memory => TermBytes}, scan => Scan, probe => Probe}.

system() ->
    (identity())#{uptime_seconds => uptime() div 1000, os_type => os(), emulator => #{
        flavor => atom_text(erlang:system_info(emu_flavor)), type => atom_text(erlang:system_info(emu_type)),
        schedulers => erlang:system_info(schedulers), dirty_cpu_schedulers => erlang:system_info(dirty_cpu_schedulers),
        dirty_io_schedulers => erlang:system_info(dirty_io_schedulers), logical_processors => number(erlang:system_info(logical_processors_available)),
        process_limit => erlang:system_info(process_limit), port_limit => erlang:system_info(port_limit),
        atom_limit => erlang:system_info(atom_limit), ets_limit => erlang:system_info(ets_limit),
        dist_buf_busy_limit => erlang:system_info(dist_buf_busy_limit), fullsweep_after => element(2, erlang:system_info(fullsweep_after))}}.

number(N) when is_integer(N) -> N;
number(_) -> null.

%%% For the other modules of the probe

%% What only the resident process knows: hot is reductions/s, growth is messages/s, by process.
known_rates() ->
    case ask(rates, whereis(?MODULE), 500) of
        Rates when is_map(Rates) -> Rates;
        _ -> #{hot => #{}, growth => #{}}
    end.

%% What was counted by group, in exchange for what was counted the last time: {when, counts}, or undefined.
counted(Counts) ->
    case ask({groups, Counts}, whereis(?MODULE), 500) of
        Before = {Time, _} when is_integer(Time) -> Before;
        _ -> undefined
    end.

%% How much a process has on its heaps, and refers to outside of them.
heap_words(Gc) -> value(heap_block_size, Gc) + value(old_heap_block_size, Gc) + value(mbuf_size, Gc).
binary_words(Gc) -> value(bin_vheap_size, Gc) + value(bin_old_vheap_size, Gc).

value(Key, List) ->
    case lists:keyfind(Key, 1, List) of
        {_, V} when is_integer(V) -> V;
        _ -> 0
    end.

%% A process by a pid as text, or a registered name.
%% The first byte is not matched with a binary pattern: what OTP 25 compiles of that, OTP 29 refuses to load.
find(Name) ->
    case Name =/= <<>> andalso binary:first(Name) of
        $< ->
            try list_to_pid(binary_to_list(Name)) of
                P when node(P) =:= node() -> P;
                _ -> undefined
            catch _:_ -> undefined
            end;
        _ ->
            case registered(Name) of
                undefined -> registered(<<"Elixir.", Name/binary>>);
                P -> P
            end
    end.

registered(Name) ->
    try whereis(binary_to_existing_atom(Name, utf8)) of
        P when is_pid(P) -> P;
        _ -> undefined
    catch _:_ -> undefined
    end.

frame({M, F, A, Where}) ->
    Call = mfa({M, F, case is_list(A) of true -> length(A); false -> A end}),
    case {lists:keyfind(file, 1, Where), lists:keyfind(line, 1, Where)} of
        {{_, File}, {_, Line}} -> iolist_to_binary([Call, " (", text(File), ":", integer_to_list(Line), ")"]);
        _ -> Call
    end.

plain(undefined) -> null;
plain(B) when is_boolean(B) -> B;
plain(A) when is_atom(A) -> atom_text(A);
plain(N) when is_number(N) -> N.

%%% Asking a suspect

%% Asks a process for what only it can tell, in a process of our own that is given up after a while.
slow_info(P, Items, Deadline) ->
    within(min(?SUSPECT, Deadline - now_ms()), fun() -> process_info(P, Items) end).

within(Time, _) when Time =< 0 -> timeout;
within(Time, Ask) ->
    {Self, Tag} = {self(), make_ref()},
    Heap = #{size => 4000000, kill => true, error_logger => false},
    {Asker, Ref} = spawn_opt(fun() -> Self ! {Tag, Ask()} end, [monitor, {max_heap_size, Heap}]),
    receive
        {Tag, Told} -> erlang:demonitor(Ref, [flush]), Told;
        {'DOWN', Ref, _, _, _} -> timeout
    after Time ->
        exit(Asker, kill),
        erlang:demonitor(Ref, [flush]),
        receive {Tag, Late} -> Late after 0 -> timeout end
    end.

%% What a process is: what it was started as. Processes of proc_lib keep that in their dictionary.
label(P, Call, Gc, Deadline) ->
    case kept(Call) andalso noted(P, '$initial_call', Gc, Deadline) of
        false -> mfa(Call);
        First = {_, _, _} -> mfa(First);
        _ -> null
    end.

ancestors(P, Call, Gc, Deadline) ->
    case kept(Call) andalso noted(P, '$ancestors', Gc, Deadline) of
        L when is_list(L) -> [case A of _ when is_pid(A) -> pid(A); _ when is_atom(A) -> atom_text(A); _ -> null end || A <- lists:sublist(L, 10)];
        _ -> []
    end.

%% The tasks of newer Elixir are spawned without proc_lib, and keep the same.
kept({proc_lib, init_p, _}) -> true;
kept({'Elixir.Task.Supervised', _, _}) -> true;
kept(_) -> false.

%% One value of the dictionary. Before OTP 26.2 it must be read as a whole, which is done of small processes only, and no more of it kept.
noted(P, Key, Gc, Deadline) ->
    case dictionary_key() of
        true ->
            case slow_info(P, [{dictionary, Key}], Deadline) of [{_, V}] -> V; _ -> undefined end;
        false ->
            case heap_words(Gc) < ?SMALL_HEAP andalso slow_info(P, [dictionary], Deadline) of
                [{_, Dictionary}] -> proplists:get_value(Key, Dictionary);
                _ -> undefined
            end
    end.

dictionary_key() ->
    try process_info(self(), {dictionary, '$initial_call'}) of _ -> true
    catch error:badarg -> false
    end.

%%% Small things

%% The number of the newest pid, which is this process's own: pids are given out in order. A pid is written <0.Number.Serial>, with 15 bits of
%% number on older releases and 28 on newer ones.
spawned() ->
    [_, Number, Serial] = string:lexemes(pid_to_list(self()), "<.>"),
    case {list_to_integer(Number), list_to_integer(Serial)} of
        {N, S} when N > 32767 -> S bsl 28 + N;
        {N, S} -> S bsl 15 + N
    end.

uptime() -> erlang:convert_time_unit(erlang:monotonic_time() - erlang:system_info(start_time), native, millisecond).

os() ->
    {Family, Name} = os:type(),
    iolist_to_binary([atom_to_list(Family), "/", atom_to_list(Name)]).

%% Reads a table of the application controller; calls nobody.
elixir() ->
    case application:get_key(elixir, vsn) of
        {ok, Vsn} -> text(Vsn);
        _ -> null
    end.

%% The registered names of some processes, from the register: no process is asked.
names(Pids) ->
    Wanted = maps:from_list([{P, true} || P <- Pids]),
    lists:foldl(fun(Name, Names) ->
        case whereis(Name) of
            P when is_map_key(P, Wanted) -> Names#{P => atom_text(Name)};
            _ -> Names
        end
    end, #{}, registered()).

name(P) -> maps:get(P, names([P]), null).

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

now_ms() -> erlang:monotonic_time(millisecond).
now_us() -> erlang:monotonic_time(microsecond).
