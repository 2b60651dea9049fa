%% The part of the probe for overload: who waits for whom, when mailboxes are long.
%%
%% Which mailboxes are long is known from the resident process. Only processes with a long one are asked what they are in, and whom they
%% wait for: somebody who is in a call has a monitor on the process that is to answer.
%%
%% How many messages come in is not traced. But while a process does hardly any reductions it takes no message, and what its mailbox grows by
%% then is what comes in. Of a process that never pauses it is not known.
-module(beamlens_probe_overload).

-export([snapshot/0, analysis/1]).

-import(beamlens_probe, [slow_info/3, label/4, frame/1, name/1, find/1, pid/1, mfa/1, atom_text/1, clamp/3, now_ms/0, now_us/0]).

%% Messages from which on a process is overloaded.
-define(LONG, 1000).
%% Steps from one who waits to the next, and processes that one may be waiting for.
-define(STEPS, 6).
-define(TARGETS, 20).
%% Readings of a mailbox, and milliseconds between two.
-define(READINGS, 6).
-define(PAUSE, 20).
%% Callers of a process that are looked at.
-define(CALLERS, 20).

snapshot() ->
    case beamlens_probe:scan() of
        null -> #{known => false, total => null, max => null, growth_per_s => null, victims => []};
        #{message_queue_total := Total, message_queue_max := Max, message_queue_max_growth_per_s := Growth, top_queues := Top} ->
            Deadline = now_ms() + 500,
            #{known => true, total => Total, max => Max, growth_per_s => Growth,
              victims => [victim(P, V, Deadline) || V = #{pid := Pid, message_queue := Q} <- Top, Q >= ?LONG, P <- [find(Pid)], is_pid(P)]}
    end.

victim(P, #{message_queue := Q, growth_per_s := Growth}, Deadline) ->
    Path = path(P, Deadline),
    #{pid => pid(P), name => name(P), message_queue => Q, growth_per_s => Growth, path => [pid(X) || X <- Path], root => pid(lists:last(Path)), root_name => name(lists:last(Path))}.

%% From a process along those that wait for each other to the one that waits for nobody we know.
path(P, Deadline) -> path(P, [P], ?STEPS, Deadline).

path(_, Seen, 0, _) -> lists:reverse(Seen);
path(P, Seen, Steps, Deadline) ->
    case waits_for(P, Deadline) of
        Q when is_pid(Q) ->
            case lists:member(Q, Seen) of
                true -> lists:reverse(Seen);
                false -> path(Q, [Q | Seen], Steps - 1, Deadline)
            end;
        _ -> lists:reverse(Seen)
    end.

waits_for(P, Deadline) ->
    case slow_info(P, [status, current_stacktrace], Deadline) of
        [{_, waiting}, {_, Stack}] ->
            case lists:any(fun calls/1, lists:sublist(Stack, 6)) andalso slow_info(P, [monitors], Deadline) of
                [{_, Monitors}] -> busiest([Q || {process, M} <- lists:sublist(Monitors, ?TARGETS), Q <- [local(M)], is_pid(Q)], Deadline);
                _ -> none
            end;
        _ -> none
    end.

%% The functions in which one waits for another's answer.
calls({gen, do_call, _, _}) -> true;
calls({gen_server, call, _, _}) -> true;
calls({gen_statem, call, _, _}) -> true;
calls({gen_event, call, _, _}) -> true;
calls({'Elixir.GenServer', call, _, _}) -> true;
calls({'Elixir.Task', await, _, _}) -> true;
calls({gen_server, receive_response, _, _}) -> true;
calls(_) -> false.

local(P) when is_pid(P), node(P) =:= node() -> P;
local({Name, Node}) when is_atom(Name), Node =:= node() -> whereis(Name);
local(_) -> none.

%% Of several that it may wait for, the one with the longest mailbox, or that does not wait for work.
busiest([], _) -> none;
busiest([P], _) -> P;
busiest(Ps, Deadline) ->
    Weighed = [{Q, case Current of {gen_server, loop, _} -> 0; _ -> 1 end, P} || P <- Ps, [{_, Q}, {_, Current}] <- [slow_info(P, [message_queue_len, current_function], Deadline)]],
    case lists:reverse(lists:sort(Weighed)) of
        [{_, _, P} | _] -> P;
        [] -> none
    end.

%%% The processes with the longest mailboxes, in detail

analysis(Limit0) ->
    Limit = clamp(Limit0, 1, 5),
    Top = case beamlens_probe:scan() of null -> []; #{top_queues := T} -> T end,
    Deadline = now_ms() + 2500,
    Those = lists:sublist([{P, V} || V = #{pid := Pid, message_queue := Q} <- Top, Q > 0, P <- [find(Pid)], is_pid(P)], Limit),
    Readings = readings([P || {P, _} <- Those], ?READINGS, Deadline),
    #{processes => [row(P, V, maps:get(P, Readings, []), Deadline) || {P, V} <- Those]}.

%% {microseconds, length, reductions}, the newest first.
readings(Ps, N, Deadline) -> readings(Ps, N, Deadline, #{}).

readings(_, 0, _, Acc) -> Acc;
readings(Ps, N, Deadline, Acc0) ->
    Acc = lists:foldl(fun(P, Acc1) ->
        case slow_info(P, [message_queue_len, reductions], Deadline) of
            [{_, Q}, {_, R}] -> maps:update_with(P, fun(L) -> [{now_us(), Q, R} | L] end, [{now_us(), Q, R}], Acc1);
            _ -> Acc1
        end
    end, Acc0, Ps),
    receive after ?PAUSE -> readings(Ps, N - 1, Deadline, Acc) end.

row(P, #{message_queue := Q0, growth_per_s := Growth}, Readings, Deadline) ->
    Path = path(P, Deadline),
    {Now, Moved, Arrivals, Work} = measured(Readings),
    Rate = case Growth of null -> Moved; _ -> Growth end,
    maps:merge(about(P, Deadline), #{message_queue => case Now of null -> Q0; _ -> Now end, growth_per_s => Rate, arrival_per_s => Arrivals,
        service_per_s => case is_integer(Arrivals) andalso is_integer(Rate) of true -> max(0, Arrivals - Rate); false -> null end, reductions_per_s => Work,
        waits_for => [about(X, Deadline) || X <- tl(Path)], callers => callers(P, Deadline)}).

measured(Readings = [{T1, Q1, R1} | _]) when length(Readings) > 2 ->
    {T0, Q0, R0} = lists:last(Readings),
    %% Being sent messages, and being looked at, costs it a few reductions too.
    Idle = [{Ta - Tb, Qa - Qb} || {{Ta, Qa, Ra}, {Tb, Qb, Rb}} <- lists:zip(lists:droplast(Readings), tl(Readings)), Ra - Rb =< 100 + 10 * max(0, Qa - Qb)],
    Time = lists:sum([T || {T, _} <- Idle]),
    {Q1, (Q1 - Q0) * 1000000 div max(1, T1 - T0), case Time > 0 of true -> lists:sum([Q || {_, Q} <- Idle]) * 1000000 div Time; false -> null end,
     (R1 - R0) * 1000000 div max(1, T1 - T0)};
measured([{_, Q, _} | _]) -> {Q, null, null, null};
measured([]) -> {null, null, null, null}.

about(P, Deadline) ->
    Known = #{pid => pid(P), name => name(P)},
    case slow_info(P, [initial_call, status, message_queue_len, garbage_collection_info, current_function, current_stacktrace], Deadline) of
        [{_, Call}, {_, Status}, {_, Q}, {_, Gc}, {_, Current}, {_, Stack}] ->
            Known#{label => label(P, Call, Gc, Deadline), status => atom_text(Status), message_queue => Q, current_function => mfa(Current),
                   stacktrace => [frame(F) || F <- lists:sublist(Stack, 10)], answers => true};
        undefined -> Known#{label => null, status => <<"gone">>, message_queue => null, current_function => null, stacktrace => [], answers => false};
        timeout -> Known#{label => null, status => null, message_queue => null, current_function => null, stacktrace => [], answers => false}
    end.

%% Who is in a call to it has a monitor on it. Who casts or sends leaves no trace: null if nobody calls.
callers(P, Deadline) ->
    case slow_info(P, [monitored_by], Deadline) of
        [{_, By}] ->
            Sample = [Q || Q <- lists:sublist(By, ?CALLERS), is_pid(Q), node(Q) =:= node()],
            Labels = [caller(Q, Deadline) || Q <- Sample],
            Counts = lists:foldl(fun(none, Acc) -> Acc; (L, Acc) -> maps:update_with(L, fun(N) -> N + 1 end, 1, Acc) end, #{}, Labels),
            case lists:reverse(lists:keysort(2, maps:to_list(Counts))) of
                [] -> null;
                Sorted -> [#{caller => L, count => N} || {L, N} <- lists:sublist(Sorted, 5)]
            end;
        _ -> null
    end.

caller(P, Deadline) ->
    case slow_info(P, [initial_call, garbage_collection_info, current_stacktrace], Deadline) of
        [{_, Call}, {_, Gc}, {_, Stack}] ->
            case lists:any(fun calls/1, lists:sublist(Stack, 6)) of
                true -> case name(P) of null -> label(P, Call, Gc, Deadline); Name -> Name end;
                false -> none
            end;
        _ -> none
    end.
