%% The part of the probe for work: how busy the schedulers are, who does most, where, and how mailboxes are.
%%
%% A process of the part takes a sample each second: how long each scheduler has worked, which it counts only while somebody wants it to, and
%% who burnt most reductions, which the resident process knows. The questions are answered from the samples of the last minute; none of
%% them waits for a window to pass. Reading the schedulers' times waits for all schedulers, so the resident process does not do it.
-module(beamlens_probe_work).

-export([snapshot/0, utilization/1, reducers/2, rate/2, bursts/2, hot_functions/2, queues/2]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, assist/2, dismiss/1, look_all/4, seen/1, insert/4, slow_info/3, label/4, names/1, find/1, pid/1, mfa/1, clamp/3,
                         now_ms/0]).

-define(EVERY, 1000).
-define(SAMPLES, 61).
-define(MAX_ROWS, 50).
-define(SUSPECTS, 2000).
%% No call waits longer than this for something to measure (milliseconds).
-define(PAUSE, 200).
%% Processes whose functions are sampled, how often, and the pause between (milliseconds).
-define(HOTTEST, 10).
-define(LOOKS, 8).
-define(BETWEEN, 20).
%% Who burns less than this each second is not looked at.
-define(BUSY, 100000).
%% Who burns less than this each second has no burst.
-define(BURST, 50000).

%%% What the engine asks

%% null for what has not been sampled long enough.
snapshot() ->
    Busy = utilization(5000),
    (maps:without([schedulers], Busy))#{hottest => hottest(10000)}.

%% Who was seen to run, or to wait for its turn, in most of the samples. How many reductions it burnt does not tell: functions of the VM's own
%% count them as they like. Of those that were seen equally often it is who burnt most.
hottest(Ms) ->
    case history(Ms) of
        Samples = [_, _, _ | _] ->
            Seen = lists:foldl(fun({_, _, _, Running}, Acc) -> lists:foldl(fun(P, A) -> A#{P => maps:get(P, A, 0) + 1} end, Acc, Running) end, #{}, Samples),
            Burnt = sums(Samples),
            case lists:reverse(lists:sort([{N, maps:get(P, Burnt, 0), P} || {P, N} <- maps:to_list(Seen)])) of
                [{N, _, P} | _] -> #{pid => pid(P), name => maps:get(P, names([P]), null), pct => round(N * 1000 / length(Samples)) / 10};
                [] -> #{pid => null, name => null, pct => 0.0}
            end;
        _ -> null
    end.

%% What the hottest burnt in all samples together.
sums(Samples) ->
    lists:foldl(fun({_, _, Hot, _}, Acc) -> lists:foldl(fun({P, R}, A) -> A#{P => maps:get(P, A, 0) + R} end, Acc, Hot) end, #{}, Samples).

%% How much of the last milliseconds each scheduler worked, by its id.
utilization(Ms) ->
    case window(Ms) of
        [{Now, New, _, _}, {Then, Old, _, _}] ->
            Online = erlang:system_info(schedulers_online),
            Count = erlang:system_info(schedulers),
            Rows = [#{id => Id, kind => case Id =< Count of true -> <<"normal">>; false -> <<"dirty_cpu">> end, online => Id =< Online orelse Id > Count,
                      utilization_pct => used(A - A0, T - T0)} || {{Id, A, T}, {Id, A0, T0}} <- pairs(New, Old)],
            Normal = [U || #{kind := <<"normal">>, online := true, utilization_pct := U} <- Rows],
            Dirty = [U || #{kind := <<"dirty_cpu">>, utilization_pct := U} <- Rows],
            #{over_ms => Now - Then, schedulers => Rows, utilization_pct => mean(Normal), max_pct => lists:max([0 | Normal]), min_pct => lists:min([100 | Normal]),
              dirty_pct => mean(Dirty)};
        _ -> #{over_ms => 0, schedulers => [], utilization_pct => null, max_pct => null, min_pct => null, dirty_pct => null}
    end.

pairs(New, Old) ->
    Before = maps:from_list([{Id, X} || X = {Id, _, _} <- Old]),
    [{X, map_get(Id, Before)} || X = {Id, _, _} <- New, is_map_key(Id, Before)].

used(_, 0) -> 0.0;
used(Active, Total) -> round(Active * 1000 / Total) / 10.

mean([]) -> 0.0;
mean(L) -> round(lists:sum(L) * 10 / length(L)) / 10.

%% Who burnt most over the last milliseconds, on average. Of each second the twenty hottest are known, so this is the least that it was.
reducers(Limit0, Ms) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    case history(Ms) of
        [] ->
            #{hot := Hot} = beamlens_probe:known_rates(),
            told(by_rate(maps:to_list(Hot)), Limit, 0);
        Samples ->
            N = length(Samples),
            told(by_rate([{P, R div N} || {P, R} <- maps:to_list(sums(Samples))]), Limit, N * ?EVERY)
    end.

by_rate(Pairs) -> lists:reverse(lists:keysort(2, Pairs)).

told(Pairs, Limit, Over) ->
    Shown = lists:sublist([X || X = {P, _} <- Pairs, is_process_alive(P)], Limit),
    Names = names([P || {P, _} <- Shown]),
    Deadline = now_ms() + ?SUSPECTS,
    #{over_ms => Over, processes => [(who(P, Names, Deadline))#{reductions_per_s => R} || {P, R} <- Shown]}.

who(P, Names, Deadline) ->
    {Label, Current, Queue} = case slow_info(P, [initial_call, garbage_collection_info, current_function, message_queue_len], Deadline) of
        [{_, Call}, {_, Gc}, {_, C}, {_, Q}] -> {label(P, Call, Gc, Deadline), mfa(C), Q};
        _ -> {null, null, null}
    end,
    #{pid => pid(P), name => maps:get(P, Names, null), label => Label, current_function => Current, message_queue => Queue}.

%% The work of one process: now, measured for a moment, and over the window as far as it is known.
rate(Name, Ms) ->
    case find(Name) of
        undefined -> #{error => <<"process_not_found">>};
        P ->
            Start = now_ms(),
            Before = process_info(P, reductions),
            receive after min(?PAUSE, max(50, Ms)) -> ok end,
            case {Before, process_info(P, reductions)} of
                {{_, R0}, {_, R1}} ->
                    Samples = history(Ms),
                    Window = [R || {_, _, Hot, _} <- Samples, {Q, R} <- Hot, Q =:= P],
                    Rate = (R1 - R0) * 1000 div max(1, now_ms() - Start),
                    #{pid => pid(P), name => maps:get(P, names([P]), null), reductions_per_s => Rate, measured_ms => now_ms() - Start, reductions => R1, level => level(Rate),
                      window_reductions_per_s => case Window of [] -> null; _ -> lists:sum(Window) div length(Samples) end, window_ms => length(Samples) * ?EVERY};
                _ -> #{error => <<"process_not_found">>}
            end
    end.

%% The original's levels.
level(R) when R >= 10000 -> <<"very_high">>;
level(R) when R >= 5000 -> <<"high">>;
level(R) when R >= 1000 -> <<"moderate">>;
level(R) when R >= 100 -> <<"low">>;
level(_) -> <<"idle">>.

%% Who burns more in the last milliseconds than before them, by at least so many per cent. Before is what is left of the minute.
bursts(Ms, Percent) ->
    All = history(?SAMPLES * ?EVERY),
    {Late, Early} = lists:split(min(length(All), max(1, Ms div ?EVERY)), All),
    {New, Old} = {sums(Late), sums(Early)},
    Found = case Early of
        [] -> [];
        _ ->
            [{P, {Now, Before}} || {P, Sum} <- maps:to_list(New), Now <- [Sum div length(Late)], Before <- [maps:get(P, Old, 0) div length(Early)],
                Now >= ?BURST, Now * 100 >= Before * (100 + Percent), is_process_alive(P)]
    end,
    Sorted = lists:sublist(lists:reverse(lists:keysort(2, Found)), ?MAX_ROWS),
    Names = names([P || {P, _} <- Sorted]),
    Deadline = now_ms() + ?SUSPECTS,
    #{recent_ms => length(Late) * ?EVERY, before_ms => length(Early) * ?EVERY,
      processes => [(who(P, Names, Deadline))#{reductions_per_s => Now, before_per_s => Before, growth_pct => case Before of 0 -> null; _ -> (Now - Before) * 100 div Before end}
                    || {P, {Now, Before}} <- Sorted]}.

%% Which functions the hottest processes are in, by looking at them some times.
hot_functions(Limit, Ms) ->
    #{processes := Rows} = reducers(?HOTTEST, min(Ms, 10000)),
    Pids = [P || #{pid := Text} <- Rows, P <- [find(Text)], is_pid(P)],
    Looks = max(2, min(?LOOKS, Ms div ?BETWEEN)),
    Deadline = now_ms() + ?SUSPECTS,
    Counts = looks(Looks, Pids, Deadline, #{}),
    Total = lists:sum([N || {N, _} <- maps:values(Counts)]),
    Sorted = lists:sublist(lists:reverse(lists:keysort(2, maps:to_list(Counts))), clamp(Limit, 1, ?MAX_ROWS)),
    Names = names([P || {_, {_, P}} <- Sorted]),
    #{samples => Total, processes => length(Pids), functions => [#{function => mfa(F), samples => N, share_pct => N * 100 div Total, pid => pid(P), name => maps:get(P, Names, null)} || {F, {N, P}} <- Sorted]}.

looks(0, _, _, Counts) -> Counts;
looks(N, Pids, Deadline, Counts) ->
    Counts1 = lists:foldl(fun(P, Acc) ->
        case slow_info(P, [current_function, status], Deadline) of
            [{_, F = {_, _, _}}, {_, Status}] when Status =/= waiting ->
                {C, _} = maps:get(F, Acc, {0, P}),
                Acc#{F => {C + 1, P}};
            _ -> Acc
        end
    end, Counts, Pids),
    N > 1 andalso receive after ?BETWEEN -> ok end,
    looks(N - 1, Pids, Deadline, Counts1).

%% Mailboxes: how many have something, how many much, and those with at least so many messages.
queues(Threshold, Limit) ->
    Keep = clamp(Limit, 1, ?MAX_ROWS),
    {{Waiting, Total, Large, Critical, Over, Top}, Rest, L} = look_all(fun(P, Acc = {W, T, La, Cr, Ov, Tops}) ->
        case process_info(P, message_queue_len) of
            {_, 0} -> Acc;
            {_, Q} -> {W + 1, T + Q, La + one_if(Q > 1000), Cr + one_if(Q > 10000), Ov + one_if(Q >= Threshold), case Q >= Threshold of true -> insert(Q, P, Keep, Tops); false -> Tops end};
            undefined -> Acc
        end
    end, {0, 0, 0, 0, 0, {0, []}}, ?EVERY, #{}),
    {_, Longest} = Top,
    Names = names([P || {_, P} <- Longest]),
    Deadline = now_ms() + ?SUSPECTS,
    #{total_processes => seen(L), complete => Rest =:= none, with_messages => Waiting, total_messages => Total, large => Large, critical => Critical, over_threshold => Over,
      max => lists:max([0 | [Q || {Q, _} <- Longest]]),
      processes => case Threshold of
          none -> [];
          _ -> [(who(P, Names, Deadline))#{message_queue => Q} || {Q, P} <- lists:reverse(Longest)]
      end}.

one_if(true) -> 1;
one_if(false) -> 0.

%%% Samples

%% The newest sample and the one at the beginning of the window.
window(Ms) ->
    case history(Ms + ?EVERY) of
        Samples = [New, _ | _] ->
            case lists:last(Samples) of
                {_, [], _, _} -> none;
                Old -> [New, Old]
            end;
        _ -> none
    end.

%% Samples of the last milliseconds, newest first.
history(Ms) ->
    Sampler = ask_part(?MODULE, sampler),
    Ref = erlang:monitor(process, Sampler),
    Sampler ! {history, self(), Ref},
    Samples = receive
        {Ref, All} -> erlang:demonitor(Ref, [flush]), All;
        {'DOWN', Ref, _, _, _} -> []
    after 1000 ->
        erlang:demonitor(Ref, [flush]),
        []
    end,
    case Samples of
        [] -> [];
        [{Newest, _, _, _} | _] -> [S || S = {At, _, _, _} <- Samples, Newest - At =< max(Ms, 1) - 1 + ?EVERY div 10]
    end.

%%% The part of the resident process, and its sampler

start() -> sampler().

stop(Sampler) -> dismiss(Sampler).

tick(_, Sampler) -> Sampler.

handle(sampler, Sampler) ->
    case is_process_alive(Sampler) of
        true -> {Sampler, Sampler};
        false -> New = sampler(), {New, New}
    end.

sampler() ->
    Heap = #{size => 2000000, kill => true, error_logger => false},
    assist(fun(Resident) ->
        %% It is counted for as long as this process lives.
        erlang:system_flag(scheduler_wall_time, true),
        sampling(Resident, [sample()])
    end, [{max_heap_size, Heap}]).

sampling(Resident, Samples) ->
    erlang:send_after(?EVERY, self(), sample),
    wait(Resident, Samples).

wait(Resident, Samples) ->
    receive
        sample -> sampling(Resident, lists:sublist([sample() | Samples], ?SAMPLES));
        {history, From, Ref} ->
            From ! {Ref, Samples},
            wait(Resident, Samples);
        {'DOWN', Resident, _, _, _} -> ok;
        {stop, _, _} -> ok;
        _ -> wait(Resident, Samples)
    end.

sample() ->
    Times = case erlang:statistics(scheduler_wall_time) of
        L when is_list(L) -> lists:sort(L);
        undefined -> []
    end,
    #{hot := Hot} = beamlens_probe:known_rates(),
    {now_ms(), Times, by_rate(maps:to_list(Hot)), [P || {P, R} <- maps:to_list(Hot), R >= ?BUSY, runs(P)]}.

%% This waits for a process that is in a native function, until it is out of it; then it has run.
runs(P) ->
    case process_info(P, status) of
        {_, Status} -> Status =:= running orelse Status =:= runnable orelse Status =:= garbage_collecting;
        undefined -> false
    end.
