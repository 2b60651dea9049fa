%% Measures what a look at all processes costs the node that is looked at: time, memory, and what others feel.
%% For BenchmarkTop100k; not part of the probe.
-module(probebench).
-export([idle/1, load/0, look/2]).

%% Starts that many processes that do nothing.
idle(N) ->
    Parent = self(),
    spawn(fun() -> [spawn(fun() -> receive never -> ok end end) || _ <- lists:seq(1, N)], Parent ! idle, receive never -> ok end end),
    receive idle -> erlang:system_info(process_count) end.

%% Starts two workers for each scheduler that make and sum lists for ever; returns them.
load() -> [spawn(fun work/0) || _ <- lists:seq(1, 2 * erlang:system_info(schedulers_online))].

work() ->
    _ = lists:sum([X * X || X <- lists:seq(1, 200)]),
    work().

%% Runs a look in a process as its user would run it, Times times, and returns
%% {median microseconds, largest growth of the memory of all processes in bytes, {median, 99th percentile} of a round trip between two others in microseconds, round trips}.
look(Which, Times) ->
    {Ponger, Pinger} = pair(),
    Sampler = spawn_opt(fun() -> sampler(0) end, [{priority, high}]),
    Runs = [one(Which, Sampler) || _ <- lists:seq(1, Times)],
    Trips = lists:sort(stop(Pinger)),
    exit(Ponger, kill),
    exit(Sampler, kill),
    N = length(Trips),
    At = fun(Q) -> case N of 0 -> 0; _ -> lists:nth(max(1, round(Q * N)), Trips) end end,
    {lists:nth((Times + 1) div 2, lists:sort([T || {T, _} <- Runs])), lists:max([M || {_, M} <- Runs]), {At(0.5), At(0.99)}, N}.

one(Which, Sampler) ->
    Self = self(),
    _ = [garbage_collect(P) || P <- [self(), Sampler]],
    Sampler ! {start, Self},
    Before = receive {before, B} -> B end,
    %% Round trips count only while a look is going on.
    pinger ! go,
    Start = erlang:monotonic_time(microsecond),
    {P, Ref} = spawn_opt(fun() -> exit({looked, run(Which)}) end, [monitor | options(Which)]),
    ok = receive {'DOWN', Ref, process, P, {looked, 10}} -> ok; {'DOWN', Ref, process, P, Why} -> Why end,
    Took = erlang:monotonic_time(microsecond) - Start,
    pinger ! pause,
    Sampler ! {stop, Self},
    Most = receive {most, M} -> M end,
    {Took, max(0, Most - Before)}.

%% What others feel when nobody looks.
run(nobody) -> receive after 500 -> 10 end;
run(recon) -> length(recon:proc_count(message_queue_len, 10));
run(probe) -> length(maps:get(processes, beamlens_probe:top(<<"message_queue">>, 10, 0))).

%% A person calls recon from a shell; the engine calls the probe with what its link asks for.
options(nobody) -> [];
options(recon) -> [];
options(probe) -> [{priority, low}, {max_heap_size, #{size => 8000000, kill => true, error_logger => false}}].

sampler(Most) ->
    receive
        {start, P} -> Now = erlang:memory(processes), P ! {before, Now}, sampling(Now);
        {stop, P} -> P ! {most, Most}, sampler(0)
    end.

sampling(Most) ->
    receive {stop, P} -> P ! {most, max(Most, erlang:memory(processes))}, sampler(0)
    after 1 -> sampling(max(Most, erlang:memory(processes)))
    end.

pair() ->
    Ponger = spawn(fun pong/0),
    Pinger = spawn(fun() -> register(pinger, self()), waiting(Ponger, []) end),
    {Ponger, Pinger}.

pong() -> receive {P, R} -> P ! R, pong() end.

waiting(Ponger, Trips) ->
    receive
        go -> pinging(Ponger, Trips);
        pause -> waiting(Ponger, Trips);
        {trips, P} -> unregister(pinger), P ! {trips, Trips}
    end.

pinging(Ponger, Trips) ->
    Start = erlang:monotonic_time(microsecond),
    Ponger ! {self(), trip},
    receive trip -> ok end,
    Took = erlang:monotonic_time(microsecond) - Start,
    %% A pause, or the pair would be a load of its own.
    receive pause -> waiting(Ponger, [Took | Trips])
    after 1 -> pinging(Ponger, [Took | Trips])
    end.

stop(Pinger) ->
    Pinger ! {trips, self()},
    receive {trips, Trips} -> Trips end.
