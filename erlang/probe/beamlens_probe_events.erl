%% The part of the probe for what the virtual machine itself tells: long collections, large heaps, ports and links to other nodes that are
%% busy, and schedulers that are blocked by something that does not yield.
%%
%% A collector receives the events, asks the process of each at once what it is and does, and keeps the last of them in a table of the
%% resident process. There is one system monitor in a VM: who has it keeps it, and we stand aside and say so. Since OTP 28 a trace session
%% has one of its own.
%%
%% The event long_schedule takes two readings of the clock at each switch of processes, a fifth of what a message costs. So it is on only
%% for a minute after a sign of a blocked scheduler. The sign is a process that each scheduler gets once a second, and that does not
%% come to run.
-module(beamlens_probe_events).

-export([snapshot/0, events/2, long_gcs/1, busy_ports/1, busy_dist_ports/1]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, assist/2, dismiss/1, slow_info/3, within/2, look_all/4, stuck/1, label/4, frame/1, name/1, pid/1, mfa/1,
                         atom_text/1, text/1, plain/1, kb/1, heap_words/1, clamp/3, now_ms/0, now_us/0]).

%% From when on it is an event: milliseconds of a collection and of a process that keeps its scheduler, words of a heap, messages.
-define(LONG_GC, 200).
-define(LONG_SCHEDULE, 500).
-define(LARGE_HEAP, 8000000).
-define(LONG_QUEUE, {1000, 10000}).
-define(TYPES, [long_gc, large_heap, busy_port, busy_dist_port, long_schedule, long_message_queue, scheduler_blocked]).
%% Events that are kept.
-define(RING, 200).
%% Events that are looked into: of all in a second, and of one process and type in ten.
-define(LOOKS, 20).
-define(LOOKS_OF_ONE, 3).
%% From so many waiting events on they are only counted, and from so many on we listen to none for a second.
-define(CROWD, 2000).
-define(FLOOD, 50000).
%% How many processes that wait for a busy port are followed, and how many things are told apart by minute.
-define(FOLLOWED, 500).
-define(KEYS, 500).
-define(MINUTE, 60000).
%% A scheduler that has not run a process of high priority for so long is blocked, and for how long we then look closer (milliseconds).
-define(BLOCKED, 300).
-define(CLOSER, 60000).
%% A late timer alone, which a busy host makes too, is a reason to look closer only once in so long.
-define(RARELY, 600000).

%%% What the engine asks

snapshot() ->
    Tab = ask_part(?MODULE, table),
    Counts = maps:from_list([{T, count(Tab, T)} || T <- ?TYPES]),
    Told = case ets:lookup(Tab, told) of [{_, T}] -> T; [] -> told(fresh(Tab)) end,
    %% Read here, because the collector may wait for the scheduler that is blocked.
    Blocked = [#{scheduler => N, ms => (now_us() - Sent) div 1000, who => suspect(ets:lookup(Tab, {stuck, N}))} || {{_, N}, _, Sent} <- ets:match_object(Tab, {{block, '_'}, '_', '_'})],
    Told#{counts => Counts, dropped => count(Tab, dropped), blocked_now => Blocked}.

suspect([{_, P}]) -> #{pid => pid(P), name => name(P)};
suspect([]) -> null.

count(Tab, Type) -> case ets:lookup(Tab, {count, Type}) of [{_, N}] -> N; [] -> 0 end.

%% The newest first.
events(Type, Limit0) ->
    Limit = clamp(Limit0, 1, 50),
    Tab = ask_part(?MODULE, table),
    Rows = [E || {_, E = #{type := T}} <- ets:match_object(Tab, {{event, '_'}, '_'}), Type =:= <<"all">> orelse Type =:= T],
    #{events => lists:sublist(lists:sort(fun(#{seq := A}, #{seq := B}) -> A >= B end, Rows), Limit)}.

long_gcs(Limit) -> events(<<"long_gc">>, Limit).
busy_ports(Limit) -> events(<<"busy_port">>, Limit).
busy_dist_ports(Limit) -> events(<<"busy_dist_port">>, Limit).

%%% The part of the resident process

start() ->
    Tab = ets:new(?MODULE, [public]),
    #{table => Tab, pid => collector(Tab)}.

collector(Tab) ->
    Heap = #{size => 2000000, kill => true, error_logger => false},
    assist(fun(Resident) -> collect(Resident, Tab) end, [{message_queue_data, off_heap}, {max_heap_size, Heap}]).

handle(table, S = #{table := Tab, pid := Pid}) ->
    case is_process_alive(Pid) of
        true -> {Tab, S};
        false -> {Tab, S#{pid := collector(Tab)}}
    end.

tick(_, S) -> S.

stop(#{table := Tab, pid := Pid}) ->
    dismiss(Pid),
    ets:delete(Tab).

%%% The collector

fresh(Tab) ->
    #{table => Tab, source => none, session => none, closer => 0, rarely => 0, seq => 0, looks => ?LOOKS, of_one => #{}, busy => #{}, recent => #{}, minutes => [],
      sentinels => [], online => 0, due => now_ms()}.

collect(Resident, Tab) ->
    %% It must see when a sentinel fails, and not end with it.
    process_flag(trap_exit, true),
    ets:match_delete(Tab, {{block, '_'}, '_', '_'}),
    ets:match_delete(Tab, {{stuck, '_'}, '_'}),
    Seq = lists:max([0 | [N || {_, #{seq := N}} <- ets:match_object(Tab, {{event, '_'}, '_'})]]),
    S = listen((fresh(Tab))#{seq := Seq}),
    self() ! second,
    loop(Resident, S).

loop(Resident, S) ->
    receive
        {'DOWN', Resident, _, _, _} -> leave(S);
        {stop, _, _} -> leave(S);
        second ->
            erlang:send_after(1000, self(), second),
            loop(Resident, second(S));
        {monitor, Who, Type, Info} -> loop(Resident, event(Who, Type, Info, S));
        {stuck, P} -> loop(Resident, blocked_by(P, S));
        {blocked, _} -> loop(Resident, closer(S));
        {block_over, Who, Ms} ->
            ets:update_counter(maps:get(table, S), {count, scheduler_blocked}, 1, {{count, scheduler_blocked}, 0}),
            loop(Resident, remember({scheduler_blocked, Who}, Ms, S));
        {told, Seq, Told} -> loop(Resident, amend(Seq, Told, S));
        {'EXIT', Pid, Why} when Why =/= normal ->
            %% A sentinel that failed comes back with the next second.
            Lost = lists:member(Pid, maps:get(sentinels, S)),
            loop(Resident, case Lost of true -> S#{online := 0}; false -> S end);
        _ -> loop(Resident, S)
    end.

%%% Listening and leaving

listen(S = #{closer := Closer}) ->
    Close = Closer > now_ms(),
    case sessions() of
        true -> session(Close, S);
        false -> system_monitor(Close, S)
    end.

sessions() ->
    erlang:function_exported(trace, system, 3) orelse
        (code:which(trace) =/= non_existing andalso code:ensure_loaded(trace) =:= {module, trace} andalso erlang:function_exported(trace, system, 3)).

session(Close, S = #{session := none}) ->
    try trace:session_create(?MODULE, self(), []) of
        New -> session(Close, S#{session := New, source := session})
    catch _:_ -> system_monitor(Close, S)
    end;
session(Close, S = #{session := Session}) ->
    _ = [trace:system(Session, T, V) || {T, V} <- [{long_gc, ?LONG_GC}, {large_heap, ?LARGE_HEAP}, {busy_port, true}, {busy_dist_port, true}, {long_message_queue, ?LONG_QUEUE},
                                                   {long_schedule, case Close of true -> ?LONG_SCHEDULE; false -> false end}]],
    S.

system_monitor(Close, S) ->
    case erlang:system_monitor() of
        {Pid, _} when Pid =/= self() -> S#{source := other};
        _ ->
            Wanted = [{long_gc, ?LONG_GC}, {large_heap, ?LARGE_HEAP}, busy_port, busy_dist_port] ++ [{long_schedule, ?LONG_SCHEDULE} || Close],
            try erlang:system_monitor(self(), [{long_message_queue, ?LONG_QUEUE} | Wanted])
            catch error:badarg -> erlang:system_monitor(self(), Wanted)
            end,
            S#{source := own}
    end.

deaf(#{session := none}) ->
    case erlang:system_monitor() of
        {Pid, _} when Pid =:= self() -> erlang:system_monitor(undefined);
        _ -> ok
    end,
    ok;
deaf(#{session := Session}) -> trace:session_destroy(Session).

%% When the collector is gone its sentinels are gone too: the modules that they call are about to go.
leave(S) ->
    deaf(S),
    {links, Linked} = process_info(self(), links),
    Ending = [begin Ref = erlang:monitor(process, P), exit(P, kill), Ref end || P <- Linked, is_pid(P)],
    _ = [receive {'DOWN', Ref, _, _, _} -> ok after 300 -> ok end || Ref <- Ending],
    ok.

%%% Each second

second(S0) ->
    Now = now_ms(),
    S1 = relisten(Now, crowd(S0)),
    #{table := Tab, recent := Recent0, of_one := OfOne, minutes := Minutes0} = S1,
    Recent = maps:filtermap(fun(_, L) -> case [X || X = {At, _, _} <- L, At > Now - ?MINUTE] of [] -> false; L1 -> {true, L1} end end, Recent0),
    Counts = maps:from_list([{T, count(Tab, T)} || T <- ?TYPES]),
    Minutes = lists:sublist([{Now, Counts} | Minutes0], 61),
    S2 = S1#{recent := Recent, minutes := Minutes, looks := ?LOOKS, of_one := maps:filter(fun(_, {At, _}) -> At > Now - 10000 end, OfOne)},
    S3 = punctual(Now, sentinels(still_busy(S2))),
    ets:insert(Tab, {told, told(S3)}),
    S3.

%% With one scheduler all that tells of a block is that we come too late.
punctual(Now, S = #{due := Due, rarely := Rarely}) ->
    S1 = S#{due := Now + 1000},
    case Now - Due > ?BLOCKED andalso Now > Rarely of
        true -> closer(S1#{rarely := Now + ?RARELY});
        false -> S1
    end.

closer(S) -> listen(S#{closer := now_ms() + ?CLOSER}).

%% The last to have set the system monitor has it; when the one who had it is gone, we may.
relisten(Now, S = #{source := Source, closer := Closer}) ->
    Over = Closer =/= 0 andalso Closer =< Now,
    case Source of
        session when not Over -> S;
        own when not Over ->
            case erlang:system_monitor() of {Pid, _} when Pid =:= self() -> S; _ -> listen(S) end;
        _ -> listen(case Over of true -> S#{closer := 0}; false -> S end)
    end.

%% When more come than can be looked into, they are counted; when even that is too much, we do not listen until the next second.
crowd(S) ->
    case process_info(self(), message_queue_len) of
        {_, N} when N > ?FLOOD ->
            deaf(S),
            counted(drain(S#{source := none, session := none}));
        {_, N} when N > ?CROWD -> counted(drain(S));
        _ -> S
    end.

drain(S = #{table := Tab}) ->
    receive {monitor, _, Type, _} ->
        ets:update_counter(Tab, {count, Type}, 1, {{count, Type}, 0}),
        ets:update_counter(Tab, {count, dropped}, 1, {{count, dropped}, 0}),
        drain(S)
    after 0 -> S
    end.

counted(S) -> S#{looks := 0}.

%% What the engine gets of the collector's state.
told(#{source := Source, busy := Busy, recent := Recent, minutes := Minutes, closer := Closer}) ->
    #{source => atom_text(Source), owner => owner(Source), closely => Closer > 0, last_minute => last_minute(Minutes),
      busy_port => waiting(busy_port, Busy), busy_dist_port => waiting(busy_dist_port, Busy),
      long_gc => worst(long_gc, Recent), long_schedule => worst(long_schedule, Recent), scheduler_blocked => worst(scheduler_blocked, Recent),
      blocked_ms_1m => lists:sum([Ms || {{scheduler_blocked, _}, L} <- maps:to_list(Recent), {_, Ms, _} <- L])}.

owner(other) ->
    case erlang:system_monitor() of
        {Pid, Events} -> #{pid => pid(Pid), name => name(Pid), events => [atom_text(case E of {K, _} -> K; _ -> E end) || E <- Events]};
        undefined -> null
    end;
owner(_) -> null.

last_minute([]) -> maps:from_list([{T, 0} || T <- ?TYPES]);
last_minute(Minutes = [{Now, Counts} | _]) ->
    {_, Before} = lists:last([M || M = {At, _} <- Minutes, At >= Now - ?MINUTE]),
    maps:map(fun(T, N) -> N - maps:get(T, Before, 0) end, Counts).

%% Of all that was seen in the last minute of a type, the thing with the most milliseconds.
worst(Type, Recent) ->
    Sums = [{lists:sum([Ms || {_, Ms, _} <- L]), length(L), Who, element(3, hd(L))} || {{T, Who}, L} <- maps:to_list(Recent), T =:= Type],
    case Sums of
        [] -> #{ms => 0, count => 0, count_max => 0, who => null, seq => null};
        _ ->
            {Ms, N, Who, Seq} = lists:max(Sums),
            #{ms => Ms, count => N, count_max => lists:max([C || {_, C, _, _} <- Sums]), who => case is_pid(Who) of true -> pid(Who); false -> mfa(Who) end, seq => Seq}
    end.

%% How many processes wait for busy ports now: in all, at one port, and how long the first of them.
waiting(Type, Busy) ->
    Those = [B || {_, B = {T, _, _}} <- maps:to_list(Busy), T =:= Type],
    Ports = lists:foldl(fun({_, Port, Since}, Acc) -> maps:update_with(Port, fun({N, S}) -> {N + 1, min(S, Since)} end, {1, Since}, Acc) end, #{}, Those),
    case lists:reverse(lists:sort([{N, -S, P} || {P, {N, S}} <- maps:to_list(Ports)])) of
        [] -> #{processes => 0, same => 0, longest_ms => 0, port => null};
        [{Most, _, Port} | _] ->
            #{processes => length(Those), same => Most, longest_ms => now_ms() - lists:min([S || {_, _, S} <- Those]), port => port(Port)}
    end.

still_busy(S = #{busy := Busy}) when map_size(Busy) =:= 0 -> S;
still_busy(S = #{busy := Busy}) ->
    case within(200, fun() -> [P || P <- maps:keys(Busy), {_, suspended} <- [process_info(P, status)]] end) of
        timeout -> S;
        Still -> S#{busy := maps:with(Still, Busy)}
    end.

%%% Events

event(Who, Type, Info, S0 = #{table := Tab}) ->
    ets:update_counter(Tab, {count, Type}, 1, {{count, Type}, 0}),
    S1 = follow(Who, Type, Info, S0),
    {Look, S2 = #{seq := Seq}} = may_look(Who, Type, S1),
    case Look of
        true ->
            Row = maps:merge(resolve(Who), about(Type, Info)),
            ets:insert(Tab, {{event, Seq rem ?RING}, Row#{seq => Seq, at_ms => os:system_time(millisecond), type => atom_text(Type)}}),
            S2#{seq := Seq + 1};
        false ->
            ets:update_counter(Tab, {count, dropped}, 1, {{count, dropped}, 0}),
            S2
    end.

may_look(Who, Type, S = #{looks := Looks, of_one := OfOne}) ->
    Key = {Who, Type},
    {_, N} = maps:get(Key, OfOne, {0, 0}),
    case Looks > 0 andalso N < ?LOOKS_OF_ONE andalso (N > 0 orelse map_size(OfOne) < ?KEYS) of
        true -> {true, S#{looks := Looks - 1, of_one := OfOne#{Key => {now_ms(), N + 1}}}};
        false -> {false, S}
    end.

follow(Pid, Type, Port, S = #{busy := Busy}) when Type =:= busy_port; Type =:= busy_dist_port ->
    case is_map_key(Pid, Busy) orelse map_size(Busy) >= ?FOLLOWED of
        true -> S;
        false -> S#{busy := Busy#{Pid => {Type, Port, now_ms()}}}
    end;
follow(Pid, long_gc, Info, S) -> remember({long_gc, Pid}, value(timeout, Info), S);
follow(Who, long_schedule, Info, S) ->
    case [F || K <- [in, out], F = {_, _, _} <- [value(K, Info)], not waits(F)] of
        [Function | _] -> remember({long_schedule, Function}, value(timeout, Info), S);
        [] when is_pid(Who) -> remember({long_schedule, Who}, value(timeout, Info), S);
        [] -> S
    end;
follow(_, _, _, S) -> S.

remember(Key, Ms, S = #{recent := Recent, seq := Seq}) ->
    case Recent of
        #{Key := L} -> S#{recent := Recent#{Key := lists:sublist([{now_ms(), Ms, Seq} | L], 100)}};
        _ when map_size(Recent) < ?KEYS -> S#{recent := Recent#{Key => [{now_ms(), Ms, Seq}]}};
        _ -> S
    end.

%% Where a process was when it got its scheduler, or where it left it, tells which function keeps it. But one that waits for a message is in the
%% same function before and after, whatever it did: then it is the process that is counted.
waits({erlang, hibernate, _}) -> true;
waits({M, _, _}) -> lists:member(M, [gen, gen_server, gen_statem, gen_event, proc_lib, prim_eval]).

about(Type, Port) when Type =:= busy_port; Type =:= busy_dist_port -> port(Port);
about(long_schedule, Info) ->
    #{ms => value(timeout, Info), in => mfa(value(in, Info)), out => mfa(value(out, Info)), port_op => plain(value(port_op, Info))};
about(long_message_queue, Long) -> #{long => Long};
about(_, Info) ->
    Words = lists:sum([value(K, Info) || K <- [old_heap_block_size, heap_block_size, mbuf_size]]),
    Used = lists:sum([value(K, Info) || K <- [old_heap_size, heap_size]]),
    #{ms => value(timeout, Info), heap_mb => kb(Words) div 1024, used_mb => kb(Used) div 1024}.

value(K, L) ->
    case lists:keyfind(K, 1, L) of
        {_, V} -> V;
        false when K =:= in; K =:= out; K =:= port_op -> undefined;
        false -> 0
    end.

port(Port) when is_port(Port) ->
    Base = #{port => text(erlang:port_to_list(Port)), node => node_of(Port)},
    case within(200, fun() -> {erlang:port_info(Port, name), erlang:port_info(Port, connected), erlang:port_info(Port, queue_size)} end) of
        {{_, Name}, {_, Owner}, Queue} ->
            Base#{port_name => text(Name), port_owner => pid(Owner), port_owner_name => name(Owner), port_queue => case Queue of {_, N} -> N; _ -> null end};
        _ -> Base#{port_name => null, port_owner => null, port_owner_name => null, port_queue => null}
    end;
port(Pid) when is_pid(Pid) ->
    #{port => pid(Pid), node => node_of(Pid), port_name => null, port_owner => pid(Pid), port_owner_name => name(Pid), port_queue => null};
port(_) -> #{port => null, node => null}.

node_of(Controller) ->
    case [N || {N, C} <- erlang:system_info(dist_ctrl), C =:= Controller] of
        [Node | _] -> atom_text(Node);
        [] -> null
    end.

%% What a process is and does, as far as it can tell at once.
resolve(P) when is_pid(P) ->
    Deadline = now_ms() + 250,
    Known = #{pid => pid(P), name => name(P)},
    case slow_info(P, [initial_call, status, message_queue_len, garbage_collection_info, current_function, current_stacktrace], Deadline) of
        [{_, Call}, {_, Status}, {_, Q}, {_, Gc}, {_, Current}, {_, Stack}] ->
            Known#{label => label(P, Call, Gc, Deadline), status => atom_text(Status), message_queue => Q, total_heap_mb => kb(heap_words(Gc)) div 1024,
                   current_function => mfa(Current), stacktrace => [frame(F) || F <- lists:sublist(Stack, 8)]};
        _ -> maps:merge(Known#{label => null, current_function => null, stacktrace => []}, free(P, Deadline))
    end;
resolve(Port) -> (port(Port))#{pid => null, name => null, label => null}.

%% A process that waits for a busy port answers no question until it goes on. This much is known without it.
free(P, Deadline) ->
    case slow_info(P, [initial_call, status, message_queue_len], Deadline + 100) of
        [{_, Call}, {_, Status}, {_, Q}] -> #{initial_call => mfa(Call), status => atom_text(Status), message_queue => Q};
        _ -> #{}
    end.

%%% Schedulers that are blocked
%%
%% What runs on a blocked scheduler, or has run there last, does not run: so there are two sentinels, bound to one scheduler each, and who
%% sees a blocked one first has it.

sentinels(S = #{table := Tab, online := Online}) ->
    case erlang:system_info(schedulers_online) of
        Online -> S;
        Now ->
            _ = [exit(P, kill) || P <- maps:get(sentinels, S)],
            Self = self(),
            Bound = case Now of 1 -> []; _ -> [1, Now] end,
            S#{online := Now, sentinels := [spawn_opt(fun() -> sentinel(Self, Tab, N, Now, #{}, 0) end, [link, {scheduler, N}, {priority, high}]) || N <- Bound]}
    end.

%% Beats: scheduler => {Sent in microseconds, where the beat writes how long it took, who is to blame if that is known, or none}. They are
%% sent once a second, and in the minute after a block as fast as they are heard: who blocks again is then found before it is over.
sentinel(Collector, Tab, Own, Online, Beats0, Quick0) ->
    Start = now_us(),
    Beats1 = lists:foldl(fun(N, Acc) -> case Acc of #{N := _} -> Acc; _ -> Acc#{N => {Start, beat(N, Start), none}} end end, Beats0, lists:seq(1, Online)),
    Beats2 = hear(Start + ?BLOCKED * 1000, Beats1),
    %% When the sentinel itself was held up, the host did it, and the reading means nothing.
    Late = now_us() - Start - ?BLOCKED * 1000 > ?BLOCKED * 500,
    Beats3 = maps:filtermap(fun(N, Beat) -> beaten(N, Own, Beat, Late, Collector, Tab) end, Beats2),
    Quick = case Late orelse map_size(Beats3) =:= 0 of true -> Quick0; false -> Start + ?CLOSER * 1000 end,
    Next = case Quick > Start of true -> Start + ?BLOCKED * 1000; false -> Start + 1000000 end,
    sentinel(Collector, Tab, Own, Online, hear(Next, Beats3), Quick).

hear(Until, Beats) ->
    receive
        {stuck, N, P} when is_map_key(N, Beats) ->
            {Sent, Done, _} = map_get(N, Beats),
            hear(Until, Beats#{N := {Sent, Done, P}});
        _ -> hear(Until, Beats)
    after max(0, (Until - now_us()) div 1000) -> Beats
    end.

beat(N, Sent) ->
    Done = atomics:new(1, []),
    _ = spawn_opt(fun() -> atomics:put(Done, 1, now_us() - Sent + 1) end, [{scheduler, N}, {priority, high}, {min_heap_size, 10}]),
    Done.

beaten(N, Own, Beat = {Sent, Done, Who}, Late, Collector, Tab) ->
    Mine = ets:lookup(Tab, {block, N}) =:= [{{block, N}, self(), Sent}],
    case atomics:get(Done, 1) of
        0 when Mine; Late -> {true, Beat};
        0 ->
            case ets:insert_new(Tab, {{block, N}, self(), Sent}) of
                true ->
                    Collector ! {blocked, N},
                    find(N, Own, Collector, Tab);
                false -> ok
            end,
            {true, Beat};
        Took when Mine ->
            ets:delete(Tab, {block, N}),
            ets:delete(Tab, {stuck, N}),
            Collector ! {block_over, Who, Took div 1000},
            false;
        _ -> false
    end.

%% Who does not let itself be read is who does not yield. A process that is not bound to a scheduler which runs may be moved to the blocked one.
find(N, Own, Collector, Tab) ->
    {Sentinel, Spawn} = {self(), [{scheduler, Own}, {priority, high}]},
    _ = spawn_opt(fun() ->
        {_, _, L} = look_all(fun(P, _) -> process_info(P, message_queue_len), none end, none, 1000,
                             #{stalls => 1, stall => ?BLOCKED div 3, spawn => Spawn, until => now_us() + 3000000}),
        _ = [begin ets:insert(Tab, {{stuck, N}, P}), Sentinel ! {stuck, N, P}, Collector ! {stuck, P} end || P <- stuck(L)]
    end, [link | Spawn]),
    ok.

%% One that is known waits for the process, to learn where it was.
blocked_by(P, S = #{table := Tab, seq := Seq}) ->
    Row = #{seq => Seq, at_ms => os:system_time(millisecond), type => <<"scheduler_blocked">>, pid => pid(P), name => name(P), label => null, ms => null, current_function => null, stacktrace => []},
    ets:insert(Tab, {{event, Seq rem ?RING}, Row}),
    {Self, Since} = {self(), now_us()},
    _ = spawn_link(fun() ->
        case process_info(P, [initial_call, message_queue_len, garbage_collection_info, current_function, current_stacktrace]) of
            [{_, Call}, {_, Q}, {_, Gc}, {_, Current}, {_, Stack}] ->
                Ms = (now_us() - Since) div 1000 + ?BLOCKED,
                Self ! {told, Seq, #{label => label(P, Call, Gc, now_ms() + 250), ms => Ms, message_queue => Q, total_heap_mb => kb(heap_words(Gc)) div 1024,
                                     current_function => mfa(Current), stacktrace => [frame(F) || F <- lists:sublist(Stack, 8)]}};
            undefined -> ok
        end
    end),
    S#{seq := Seq + 1}.

amend(Seq, Told, S = #{table := Tab}) ->
    case ets:lookup(Tab, {event, Seq rem ?RING}) of
        [{Key, Row = #{seq := Seq}}] -> ets:insert(Tab, {Key, maps:merge(Row, Told)});
        _ -> ok
    end,
    S.
