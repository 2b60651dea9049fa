%% The part of the probe for supervisors.
%%
%% A supervisor that starts a slow child answers nobody, so the trees are read without asking one: a walker of low priority looks through
%% all processes, at what is free to read of each, their parents. Who has children may be a supervisor, and its dictionary, read once in its
%% life, says so. What only a supervisor knows, the ids of its children and those that are not there, is asked of an idle one, and given up
%% after a while.
%%
%% Why children ended, and which supervisors gave up, is in the records of beamlens_probe_log.
-module(beamlens_probe_sup).

-export([snapshot/1, list/1, children/1, tree/1, unlinked/1, orphans/1, integrity/1]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, assist/2, dismiss/1, look/6, look_all/4, insert/4, best/1, slow_info/3, within/2, label/4, ancestors/4, kept/1,
                         frame/1, names/1, find/1, pid/1, mfa/1, atom_text/1, text/1, heap_words/1, clamp/3, now_ms/0, now_us/0]).

%% Milliseconds between walks: at least so many, and so many times of what the last took.
-define(PAUSE, 5000).
-define(SHARE, 1000).
-define(CHUNK, 10000).
-define(ALL, 1 bsl 40).
%% Parents that are told apart, and processes whose dictionary is read in one walk.
-define(PARENTS, 10000).
-define(READ, 300).
-define(KINDS, 50000).
%% Where all processes can only be listed at once, more than these are not walked through; and a walker that was killed, because it grew
%% too large, is not started again at once (milliseconds).
-define(LISTED, 400000).
-define(AGAIN, 60000).
%% Children of a supervisor whose kind is looked up, to find supervisors without children.
-define(SMALL, 30).
-define(MAX_ROWS, 50).
-define(MAX_TREE, 200).
%% How long an idle supervisor is asked, and how many children it may have for that (milliseconds).
-define(CALL, 100).
-define(CALLABLE, 1000).

%%% What the engine asks

%% With the records of the logs after that number. The other module may not be loaded yet: null then.
snapshot(Since) ->
    Tab = ask_part(?MODULE, table),
    Log = try beamlens_probe_log:supervisors(Since) catch error:undef -> null end,
    Base = case ets:lookup(Tab, summary) of
        [{_, Summary}] -> Summary;
        [] -> #{supervisor_count => null, total_children => null, orphans => null, complete => false, walk_ms => null, busiest => null}
    end,
    Base#{log => Log}.

list(Limit0) ->
    Rows = supervisors(ask_part(?MODULE, table)),
    Sorted = lists:sublist(lists:sort(fun(#{children := A}, #{children := B}) -> A >= B end, Rows), clamp(Limit0, 1, ?MAX_ROWS)),
    Names = names([P || #{pid := P} <- Rows]),
    Deadline = now_ms() + 1000,
    #{supervisor_count => length(Rows), supervisors => [row(R, Names, Deadline) || R <- Sorted]}.

supervisors(Tab) -> [R || {_, R} <- ets:match_object(Tab, {{sup, '_'}, '_'})].

row(#{pid := P, module := M, children := N, parent := Parent}, Names, Deadline) ->
    Row = #{pid => pid(P), name => called(P, M, Names), module => atom_text(M), child_count => N, active_children => N, parent => pid(Parent), parent_name => maps:get(Parent, Names, null)},
    maps:merge(Row, state_of(P, Deadline)).

called(P, M, Names) -> maps:get(P, Names, atom_text(M)).

%% Whether it waits for work; else what it is in.
state_of(P, Deadline) ->
    case slow_info(P, [message_queue_len, status, current_function, current_stacktrace], Deadline) of
        [{_, Q}, {_, Status}, {_, Current}, {_, Stack}] ->
            Idle = Q =:= 0 andalso Status =:= waiting andalso idle_in(Current),
            #{alive => true, idle => Idle, message_queue => Q, current_function => mfa(Current), stacktrace => case Idle of true -> []; false -> [frame(F) || F <- lists:sublist(Stack, 12)] end};
        undefined -> #{alive => false, idle => false, message_queue => null, current_function => null, stacktrace => []};
        timeout -> #{alive => true, idle => false, message_queue => null, current_function => null, stacktrace => []}
    end.

idle_in({gen_server, loop, _}) -> true;
idle_in({gen_server, loop_hibernate, _}) -> true;
idle_in({erlang, hibernate, 3}) -> true;
idle_in(_) -> false.

children(Name) -> supervisor_called(Name, fun(P, M, State) -> (kin(P, M, State))#{pid => pid(P)} end).

%% A supervisor by its name, pid or module.
supervisor_called(Name, Tell) ->
    Tab = ask_part(?MODULE, table),
    Found = case find(Name) of
        undefined -> [R || R = #{module := M} <- supervisors(Tab), atom_text(M) =:= Name];
        P -> [R || {_, R} <- ets:lookup(Tab, {sup, P})] ++ [#{pid => P, module => undefined} || [] =:= ets:lookup(Tab, {sup, P})]
    end,
    case Found of
        [] -> #{error => <<"there is no supervisor ", (text(Name))/binary>>};
        [#{pid := P1, module := M0} | _] ->
            case module_of(P1, M0) of
                none -> #{error => <<"that process is no supervisor: ", (text(Name))/binary>>};
                M1 -> Tell(P1, M1, state_of(P1, now_ms() + 500))
            end
    end.

module_of(P, undefined) -> case kind(P) of {sup, M} -> M; _ -> none end;
module_of(_, M) -> M.

%% The children as the supervisor tells them if it is idle, else those that are there.
kin(P, M, State = #{idle := Idle}) ->
    Linked = linked(P),
    Told = case Idle andalso length(Linked) =< ?CALLABLE andalso within(?CALL, fun() -> supervisor:which_children(P) end) of
        L when is_list(L) -> L;
        _ -> not_asked
    end,
    Names = names([P | Linked]),
    Deadline = now_ms() + 1000,
    Rows = case Told of
        not_asked -> [child_row(null, C, null, Names, Deadline) || C <- lists:sublist(Linked, ?MAX_ROWS)];
        _ -> [child_row(Id, C, Type, Names, Deadline) || {Id, C, Type, _} <- lists:sublist(told_first(Told), ?MAX_ROWS)]
    end,
    State#{name => called(P, M, Names), module => atom_text(M), child_count => case Told of not_asked -> length(Linked); _ -> length(Told) end,
           active_children => case Told of not_asked -> length(Linked); _ -> length([C || {_, C, _, _} <- Told, is_pid(C)]) end, asked => Told =/= not_asked,
           restarting => [id(I) || {I, restarting, _, _} <- sub(Told)], undefined => [id(I) || {I, undefined, _, _} <- sub(Told)],
           dead => [#{id => id(I), pid => pid(C)} || {I, C, _, _} <- sub(Told), is_pid(C), node(C) =:= node(), not is_process_alive(C)],
           unlinked => [#{id => id(I), pid => pid(C)} || {I, C, _, _} <- sub(Told), is_pid(C), node(C) =:= node(), is_process_alive(C), not lists:member(C, Linked)],
           children => Rows}.

sub(not_asked) -> [];
sub(Told) -> lists:sublist(Told, 200).

%% What is not there is told first.
told_first(Told) -> {There, Not} = lists:partition(fun({_, C, _, _}) -> is_pid(C) end, Told), Not ++ There.

child_row(Id, C, Type, Names, Deadline) when is_pid(C) ->
    {Label, Q} = case slow_info(C, [initial_call, message_queue_len, garbage_collection_info], Deadline) of
        [{_, Call}, {_, N}, {_, Gc}] -> {label(C, Call, Gc, Deadline), N};
        _ -> {null, null}
    end,
    #{id => id(Id), pid => pid(C), name => maps:get(C, Names, null), label => Label, type => case Type of null -> null; _ -> atom_text(Type) end, message_queue => Q};
child_row(Id, State, Type, _, _) -> #{id => id(Id), pid => atom_text(State), name => null, label => null, type => atom_text(Type), message_queue => null}.

id(null) -> null;
id(A) when is_atom(A) -> atom_text(A);
id(T) -> text(io_lib:format("~0tp", [T], [{chars_limit, 100}])).

%% The processes that a supervisor is linked to and has started.
linked(P) ->
    case slow_info(P, [links], now_ms() + 500) of
        [{_, Links}] -> [C || C <- lists:sublist(Links, 10000), is_pid(C), node(C) =:= node(), {_, Parent} <- [slow_parent(C)], Parent =:= P];
        _ -> []
    end.

slow_parent(C) -> process_info(C, parent).

tree(Name) ->
    Kinds = maps:from_list([{P, M} || #{pid := P, module := M} <- supervisors(ask_part(?MODULE, table))]),
    supervisor_called(Name, fun(P, M, _) ->
        Names = names([P | maps:keys(Kinds)]),
        {Tree, _} = branch(P, M, Kinds, Names, 3, ?MAX_TREE, now_ms() + 2000),
        #{tree => Tree}
    end).

branch(P, M, Kinds, Names, Depth, Left, Deadline) ->
    Children = case Depth > 0 andalso now_ms() < Deadline of true -> linked(P); false -> [] end,
    Shown = lists:sublist(Children, min(30, Left)),
    Called = names(Shown),
    {Rows, Left1} = lists:foldl(fun(C, {Acc, L}) ->
        case Kinds of
            _ when L =< 0 -> {Acc, L};
            #{C := Module} ->
                {Row, L1} = branch(C, Module, Kinds, Names, Depth - 1, L - 1, Deadline),
                {[Row | Acc], L1};
            _ -> {[maps:with([pid, name, label], child_row(null, C, null, Called, Deadline)) | Acc], L - 1}
        end
    end, {[], Left}, Shown),
    {#{pid => pid(P), name => called(P, M, Names), supervisor => true, child_count => length(Children), children => lists:reverse(Rows)}, Left1}.

%% Processes that nobody started for good: not children of a supervisor, and linked to nobody.
unlinked(Limit0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    Init = whereis(init),
    Sups = maps:from_list([{P, true} || #{pid := P} <- supervisors(ask_part(?MODULE, table))]),
    {{_, Found}, _, _} = look_all(fun(P, Acc = {N, L}) ->
        case N < 300 andalso process_info(P, [parent, initial_call]) of
            [{_, Parent}, {_, Call}] when not is_map_key(Parent, Sups), is_pid(Parent), Parent =/= Init -> {N + 1, [{P, Call, Parent} | L]};
            _ -> Acc
        end
    end, {0, []}, ?CHUNK, #{}),
    Deadline = now_ms() + 1500,
    Alone = [X || X = {P, _, _} <- Found, [{_, []}, {_, []}, {_, Current}] <- [slow_info(P, [links, monitored_by, current_function], Deadline)], not ours(Current)],
    #{unlinked => length(Alone), complete => length(Found) < 300, processes => told(lists:sublist(Alone, Limit), Deadline)}.

ours({M, _, _}) -> lists:prefix("beamlens_probe", atom_to_list(M));
ours(_) -> false.

%% Processes of proc_lib whose parent is gone.
orphans(Limit0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    {{Total, Found}, _, _} = look_all(fun(P, Acc = {N, L}) ->
        case process_info(P, [parent, initial_call]) of
            [{_, Parent}, {_, Call}] when is_pid(Parent), node(Parent) =:= node() ->
                case not kept(Call) orelse is_process_alive(Parent) of
                    true -> Acc;
                    false when N < 200 -> {N + 1, [{P, Call, Parent} | L]};
                    false -> {N + 1, L}
                end;
            _ -> Acc
        end
    end, {0, []}, ?CHUNK, #{}),
    %% Those of the system come first in the list of processes, and the last that were found are the newest.
    #{orphaned => Total, processes => told(lists:sublist(Found, Limit), now_ms() + 1500)}.

told(List, Deadline) ->
    Names = names([P || {P, _, _} <- List]),
    [T || {P, Call, Parent} <- List, T <- [case slow_info(P, [garbage_collection_info, current_function, message_queue_len, links], Deadline) of
        [{_, Gc}, {_, Current}, {_, Q}, {_, Links}] ->
            #{pid => pid(P), name => maps:get(P, Names, null), label => label(P, Call, Gc, Deadline), parent => pid(Parent), ancestors => ancestors(P, Call, Gc, Deadline),
              current_function => mfa(Current), message_queue => Q, links => length(Links)};
        _ -> none
    end], T =/= none].

integrity(Name) -> supervisor_called(Name, fun(P, M, State) -> maps:without([children], (kin(P, M, State))#{pid => pid(P)}) end).

%%% The part of the resident process

start() ->
    Tab = ets:new(?MODULE, [public]),
    #{table => Tab, pid => walker(Tab), began => now_ms()}.

walker(Tab) ->
    Heap = #{size => 2000000, kill => true, error_logger => false},
    assist(fun(Resident) -> walk(Resident, Tab, #{}) end, [{priority, low}, {max_heap_size, Heap}]).

handle(table, S = #{table := Tab, pid := Pid, began := Began}) ->
    case is_process_alive(Pid) orelse now_ms() - Began < ?AGAIN of
        true -> {Tab, S};
        false -> {Tab, S#{pid := walker(Tab), began := now_ms()}}
    end.

tick(_, S) -> S.

stop(#{table := Tab, pid := Pid}) ->
    %% It has nothing to tidy up, and may be in a walk.
    exit(Pid, kill),
    dismiss(Pid),
    ets:delete(Tab).

%%% The walker

walk(Resident, Tab, Kinds) ->
    {Took, Known} = case erlang:function_exported(erlang, processes_iterator, 0) orelse erlang:system_info(process_count) =< ?LISTED of
        true -> walk(Tab, Kinds);
        false -> {0, Kinds}
    end,
    garbage_collect(),
    receive
        {'DOWN', Resident, _, _, _} -> ok;
        {stop, _, _} -> ok
    after max(?PAUSE, Took * ?SHARE div 1000) -> walk(Resident, Tab, Known)
    end.

walk(Tab, Kinds0) ->
    Start = now_us(),
    {Parents, Rest, _} = look_all(fun parent/2, {0, #{}}, ?CHUNK, #{until => Start + 5000000, stalls => 3}),
    {_, Counts} = Parents,
    Known = maps:filter(fun(P, _) -> is_process_alive(P) end, Kinds0),
    %% Who has children, and the children of small supervisors, which may be supervisors that have none.
    Deadline = now_ms() + 1000,
    Kinds1 = read([P || {P, [_, N | _]} <- maps:to_list(Counts), N > 0, is_process_alive(P)], ?READ, Deadline, Known),
    Small = lists:append([C || {P, [N, _ | C]} <- maps:to_list(Counts), N =< ?SMALL, is_map_key(P, Kinds1), map_get(P, Kinds1) =/= worker]),
    Kinds2 = read(Small, ?READ, Deadline, Kinds1),
    Kinds = case map_size(Kinds2) > ?KINDS of true -> maps:filter(fun(_, K) -> K =/= worker end, Kinds2); false -> Kinds2 end,
    Sups = [{P, M} || {P, {sup, M}} <- maps:to_list(Kinds)],
    {{Queues, Who}, _, _} = look(fun queue/2, {[P || {P, _} <- Sups], none}, {#{}, {0, []}}, ?CHUNK, ?ALL, #{stalls => 3}),
    Rows = [#{pid => P, module => M, children => case Counts of #{P := [N | _]} -> N; _ -> 0 end, parent => map_get(P, Queues)} || {P, M} <- lists:sublist(Sups, ?PARENTS), is_map_key(P, Queues)],
    Old = [K || {K, _} <- ets:match_object(Tab, {{sup, '_'}, '_'})],
    ets:insert(Tab, [{{sup, P}, R} || R = #{pid := P} <- Rows]),
    _ = [ets:delete(Tab, K) || K <- Old -- [{sup, P} || #{pid := P} <- Rows]],
    %% Where the host is busy, most of the time is waiting, and no walk costs more than this.
    Took = min(now_us() - Start, 5 * lists:sum([N || [N | _] <- maps:values(Counts)])),
    ets:insert(Tab, {summary, #{supervisor_count => length(Rows), total_children => lists:sum([N || #{children := N} <- Rows]), complete => Rest =:= none, walk_ms => Took div 1000,
                                orphans => lists:sum([N || {P, [_, N | _]} <- maps:to_list(Counts), N > 0, not is_process_alive(P)]), busiest => busiest(best(Who), maps:from_list(Sups))}}),
    {Took, Kinds}.

%% Parent => [children, those of proc_lib among them | some of these].
parent(P, Acc = {Size, Parents}) ->
    case process_info(P, [parent, initial_call]) of
        [{_, Parent}, {_, Call}] when is_pid(Parent), node(Parent) =:= node() ->
            Lib = case kept(Call) of true -> 1; false -> 0 end,
            case Parents of
                #{Parent := [N, L | Sample]} when Lib =:= 1, L < ?SMALL -> {Size, Parents#{Parent := [N + 1, L + 1, P | Sample]}};
                #{Parent := [N, L | Sample]} when N < ?SMALL -> {Size, Parents#{Parent := [N + 1, L + Lib | Sample]}};
                #{Parent := [N, L | _]} -> {Size, Parents#{Parent := [N + 1, L + Lib]}};
                _ when Size >= ?PARENTS -> Acc;
                _ -> {Size + 1, Parents#{Parent => [1, Lib | [P || Lib =:= 1]]}}
            end;
        _ -> Acc
    end.

queue(P, Acc = {Queues, Top}) ->
    case process_info(P, [message_queue_len, parent]) of
        [{_, 0}, {_, Parent}] -> {Queues#{P => Parent}, Top};
        [{_, Q}, {_, Parent}] -> {Queues#{P => Parent}, insert(Q, {Q, P}, 1, Top)};
        _ -> Acc
    end.

busiest([], _) -> null;
busiest([{Q, P} | _], Modules) -> #{pid => pid(P), name => called(P, map_get(P, Modules), names([P])), message_queue => Q}.

read([], _, _, Kinds) -> Kinds;
read(_, 0, _, Kinds) -> Kinds;
read([P | Rest], Left, Deadline, Kinds) ->
    case is_map_key(P, Kinds) orelse now_ms() > Deadline of
        true -> read(Rest, Left, Deadline, Kinds);
        false -> read(Rest, Left - 1, Deadline, Kinds#{P => kind(P)})
    end.

%% By its dictionary, which a process of proc_lib keeps its first call in. A very large process is none.
kind(P) ->
    case slow_info(P, [initial_call, garbage_collection_info], now_ms() + 100) of
        [{_, {proc_lib, init_p, _}}, {_, Gc}] ->
            case heap_words(Gc) < 5000000 andalso first_call(P) of
                {supervisor, M, _} -> {sup, M};
                {supervisor_bridge, M, _} -> {sup, M};
                _ -> worker
            end;
        _ -> worker
    end.

first_call(P) ->
    within(100, fun() ->
        try process_info(P, {dictionary, '$initial_call'}) of
            {_, Call} -> Call;
            undefined -> undefined
        catch error:badarg ->
            case process_info(P, dictionary) of
                {_, Dictionary} -> proplists:get_value('$initial_call', Dictionary);
                undefined -> undefined
            end
        end
    end).
