%% The part of the probe for tracing one function: off by default, because it is the only one that changes something in the VM.
%%
%% It traces the calls of one function of given arity, of all processes, and keeps what shape the arguments had: a match specification
%% tells their types and sizes in the process that calls, so that no value ever leaves it. It ends after fifty events, a minute, or five in a
%% second, whichever is first, and is taken down by the tracer, or by the resident process when the tracer is gone. Functions that
%% everybody calls are refused by name, and others that are called too often are found out by counting for a moment.
%%
%% Since OTP 27 the trace is in a session of its own. Before, there is one tracer for each process, so nobody else may be tracing.
-module(beamlens_probe_trace).

-export([snapshot/0, begin_trace/3, end_trace/0, events/1]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, assist/2, dismiss/1, pid/1, mfa/1, text/1, clamp/3, now_ms/0]).

-define(MAX_EVENTS, 50).
-define(MAX_MS, 60000).
-define(MAX_PER_SECOND, 5).
%% The count of calls in so many milliseconds that is too much.
-define(TRIAL, 50).
-define(TRIAL_CALLS, 100).
%% Modules that all programs run through.
-define(HOT, [erlang, erts_internal, init, prim_eval, lists, maps, ets, binary, gen, gen_server, gen_statem, gen_event, proc_lib, proplists, unicode, string, io_lib, io_lib_format, io_lib_pretty, re,
              dict, sets, gb_trees, gb_sets, queue, orddict, ordsets, array, atomics, counters, persistent_term, timer, rand, math, logger, code, error_handler, erl_eval, erl_scan, gen_tcp, prim_inet, inet, prim_socket,
              'Elixir.Enum', 'Elixir.Map', 'Elixir.List', 'Elixir.Keyword', 'Elixir.String', 'Elixir.Access', 'Elixir.Kernel', 'Elixir.Process', 'Elixir.GenServer', 'Elixir.Stream', 'Elixir.Enumerable',
              'Elixir.Enumerable.List', 'Elixir.Collectable', 'Elixir.String.Chars', 'Elixir.Agent', 'Elixir.Registry', 'Elixir.Logger', 'Elixir.Integer', 'Elixir.Tuple', 'Elixir.MapSet', 'Elixir.Regex']).

%%% What the engine asks

snapshot() -> maps:without([events], ask_part(?MODULE, report)).

events(Limit) ->
    S = #{events := Events} = ask_part(?MODULE, report),
    S#{events := lists:sublist(Events, clamp(Limit, 1, ?MAX_EVENTS))}.

%% Names come as text, and only those of atoms that exist can be those of a function.
begin_trace(Module, Function, Arity) ->
    try {binary_to_existing_atom(Module, utf8), binary_to_existing_atom(Function, utf8), clamp(Arity, 0, 255)} of
        Mfa -> traced(Mfa)
    catch error:badarg ->
        try {binary_to_existing_atom(<<"Elixir.", Module/binary>>, utf8), binary_to_existing_atom(Function, utf8), clamp(Arity, 0, 255)} of
            Mfa -> traced(Mfa)
        catch error:badarg -> #{error => <<"there is no such function">>}
        end
    end.

traced(Mfa = {M, F, A}) ->
    case lists:member(M, ?HOT) orelse lists:prefix("beamlens", atom_to_list(M)) of
        true -> #{error => <<"that module is run through by everybody, and is not traced: ", (mfa(Mfa))/binary>>};
        false ->
            case code:is_loaded(M) =/= false andalso lists:member({F, A}, M:module_info(functions)) of
                false ->
                    case code:is_loaded(elixir(M)) of
                        false -> #{error => <<"there is no such function in a module that is loaded: ", (mfa(Mfa))/binary>>};
                        _ -> traced({elixir(M), F, A})
                    end;
                true ->
                    case ask_part(?MODULE, {begin_trace, Mfa}) of
                        Refused = #{error := _} -> Refused;
                        _ -> begun(20)
                    end
            end
    end.

%% The trial takes a moment.
begun(N) ->
    case snapshot() of
        #{status := <<"starting">>} when N > 0 -> receive after ?TRIAL -> begun(N - 1) end;
        S -> S
    end.

%% The name that an Elixir module may have, if there is such an atom; else a module that is never loaded.
elixir(M) ->
    try binary_to_existing_atom(<<"Elixir.", (atom_to_binary(M, utf8))/binary>>, utf8)
    catch error:badarg -> '-none-'
    end.

end_trace() -> ask_part(?MODULE, end_trace).

%%% The part of the resident process

start() -> #{pid => none, table => ets:new(?MODULE, [public]), mfa => none}.

handle(report, S) -> {report(S), S};
handle(end_trace, S) ->
    S1 = finish(S, <<"asked">>),
    {report(S1), S1};
handle({begin_trace, Mfa}, S0) ->
    case alive(S0) of
        true -> {#{error => <<"a trace is running; stop it first">>}, S0};
        false ->
            S = #{table := Tab} = finish(S0, <<"gone">>),
            ets:delete_all_objects(Tab),
            ets:insert(Tab, [{status, starting, null}, {mfa, Mfa}, {began, now_ms()}]),
            Pid = assist(fun(Resident) -> tracer(Resident, Mfa, Tab) end, [{message_queue_data, off_heap}, {max_heap_size, #{size => 1000000, kill => true, error_logger => false}}]),
            S1 = S#{pid := Pid, mfa := Mfa},
            {report(S1), S1}
    end.

%% When the tracer was killed it has left its pattern.
tick(_, S = #{pid := none}) -> S;
tick(_, S) ->
    case alive(S) of
        true -> S;
        false -> finish(S, <<"gone">>)
    end.

stop(S = #{table := Tab}) ->
    _ = finish(S, <<"stopped">>),
    ets:delete(Tab).

alive(#{pid := Pid}) -> is_pid(Pid) andalso is_process_alive(Pid).

finish(S = #{pid := none}, _) -> S;
finish(S = #{pid := Pid, mfa := Mfa, table := Tab}, Why) ->
    dismiss(Pid),
    case ets:lookup(Tab, status) of
        [{_, ended, _}] -> ok;
        [{_, refused, _}] -> ok;
        _ ->
            _ = clear(Mfa),
            ets:insert(Tab, {status, ended, Why})
    end,
    S#{pid := none}.

report(#{table := Tab}) ->
    Value = fun(Key) -> case ets:lookup(Tab, Key) of [{_, V}] -> V; [] -> null end end,
    {Status, Why} = case ets:lookup(Tab, status) of [{_, St, W}] -> {St, W}; [] -> {idle, null} end,
    Events = lists:sort(fun(#{seq := A}, #{seq := B}) -> A >= B end, [E || {{event, _}, E} <- ets:match_object(Tab, {{event, '_'}, '_'})]),
    #{status => atom_to_binary(Status, utf8), active => Status =:= starting orelse Status =:= running, reason => Why, function => case Value(mfa) of null -> null; Mfa -> mfa(Mfa) end,
      trial_calls => Value(trial), events => Events, event_count => length(Events), for_ms => case Value(began) of null -> null; T -> now_ms() - T end}.

%%% The tracer

sessions() ->
    erlang:function_exported(trace, session_create, 3) orelse
        (code:which(trace) =/= non_existing andalso code:ensure_loaded(trace) =:= {module, trace} andalso erlang:function_exported(trace, session_create, 3)).

tracer(Resident, Mfa, Tab) ->
    try ets:insert(Tab, trace(Resident, Mfa, Tab, open(Mfa)))
    catch Class:Why ->
        close(legacy, Mfa),
        ets:info(Tab, size) =/= undefined andalso ets:insert(Tab, {status, refused, text(io_lib:format("~0p", [{Class, Why}], [{chars_limit, 200}]))})
    end.

trace(_, _, _, {refused, Why}) -> {status, refused, Why};
trace(Resident, Mfa, Tab, Session) ->
    N = trial(Session, Mfa),
    ets:insert(Tab, {trial, N}),
    case N > ?TRIAL_CALLS of
        true ->
            close(Session, Mfa),
            {status, refused, text(["it is called too often: ", integer_to_list(N), " times in ", integer_to_list(?TRIAL), " ms"])};
        false ->
            follow(Session, Mfa),
            ets:insert(Tab, {status, running, null}),
            Why = listen(Resident, Tab, 0, now_ms() + ?MAX_MS, []),
            close(Session, Mfa),
            {status, ended, Why}
    end.

open(Mfa) ->
    case sessions() of
        true -> {session, trace:session_create(?MODULE, self(), [])};
        false ->
            %% One tracer for each process, and one pattern for each function.
            case {erlang:trace_info(new, flags), erlang:trace_info(Mfa, all), whereis(dbg), whereis(recon_trace_tracer)} of
                {{flags, []}, {all, false}, undefined, undefined} -> legacy;
                _ -> {refused, <<"somebody else is tracing in this node">>}
            end
    end.

%% How often it is called, by a counter in its code.
trial(Session, Mfa) ->
    pattern(Session, Mfa, true, [call_count]),
    receive after ?TRIAL -> ok end,
    N = case counted(Session, Mfa) of {call_count, C} when is_integer(C) -> C; _ -> 0 end,
    pattern(Session, Mfa, false, [call_count]),
    N.

counted({session, S}, Mfa) -> trace:info(S, Mfa, call_count);
counted(legacy, Mfa) -> erlang:trace_info(Mfa, call_count).

pattern({session, S}, Mfa, Spec, Flags) -> trace:function(S, Mfa, Spec, Flags);
pattern(legacy, Mfa, Spec, Flags) -> erlang:trace_pattern(Mfa, Spec, Flags).

follow(Session, Mfa = {_, _, A}) ->
    pattern(Session, Mfa, [{args(A), [], [{message, shape(A)}]}], [local]),
    case Session of
        {session, S} -> trace:process(S, all, true, [call, arity]);
        legacy -> erlang:trace(all, true, [call, arity, {tracer, self()}])
    end.

args(A) -> [case I > 10 of true -> '_'; false -> variable(I) end || I <- lists:seq(1, A)].

variable(I) -> list_to_atom([$$ | integer_to_list(I)]).

%% For each of the first ten arguments, what it is and how large, as far as a guard can tell without walking it. What a size is asked of
%% that has none is 'EXIT'.
shape(A) ->
    [{{{is_atom, V}, {is_integer, V}, {is_float, V}, {is_binary, V}, {is_list, V}, {'=:=', V, []}, {is_tuple, V}, {is_map, V}, {is_pid, V}, {is_function, V}, {is_reference, V}, {is_port, V},
       {size, V}, {map_size, V}}} || I <- lists:seq(1, min(A, 10)), V <- [variable(I)]].

close({session, S}, _) -> trace:session_destroy(S);
close(legacy, Mfa) ->
    _ = sessions() orelse (catch erlang:trace(all, false, [call, arity])),
    clear(Mfa).

%% A session takes its patterns with it; ours of an older OTP must be taken away.
clear(Mfa) -> sessions() orelse (catch erlang:trace_pattern(Mfa, false, [local, call_count])).

listen(_, _, ?MAX_EVENTS, _, _) -> <<"fifty events">>;
listen(Resident, Tab, N, Until, Last) ->
    receive
        {trace, P, call, {_, _, _}, Shape} ->
            Now = now_ms(),
            ets:insert(Tab, {{event, N}, #{seq => N, at_ms => os:system_time(millisecond), pid => pid(P), arguments => [argument(X) || X <- Shape]}}),
            Recent = [T || T <- Last, T > Now - 1000],
            case length(Recent) >= ?MAX_PER_SECOND - 1 of
                true -> <<"five events in a second">>;
                false -> listen(Resident, Tab, N + 1, Until, [Now | Recent])
            end;
        {'DOWN', Resident, _, _, _} -> <<"the probe is gone">>;
        {stop, _, _} -> <<"asked">>;
        _ -> listen(Resident, Tab, N, Until, Last)
    after max(0, Until - now_ms()) -> <<"a minute">>
    end.

argument({true, _, _, _, _, _, _, _, _, _, _, _, _, _}) -> <<"atom">>;
argument({_, true, _, _, _, _, _, _, _, _, _, _, _, _}) -> <<"integer">>;
argument({_, _, true, _, _, _, _, _, _, _, _, _, _, _}) -> <<"float">>;
argument({_, _, _, true, _, _, _, _, _, _, _, _, Size, _}) -> sized("binary of ", Size, " bytes");
argument({_, _, _, _, _, true, _, _, _, _, _, _, _, _}) -> <<"empty list">>;
argument({_, _, _, _, true, _, _, _, _, _, _, _, _, _}) -> <<"list">>;
argument({_, _, _, _, _, _, true, _, _, _, _, _, Size, _}) -> sized("tuple of ", Size, "");
argument({_, _, _, _, _, _, _, true, _, _, _, _, _, Size}) -> sized("map of ", Size, "");
argument({_, _, _, _, _, _, _, _, true, _, _, _, _, _}) -> <<"pid">>;
argument({_, _, _, _, _, _, _, _, _, true, _, _, _, _}) -> <<"function">>;
argument({_, _, _, _, _, _, _, _, _, _, true, _, _, _}) -> <<"reference">>;
argument({_, _, _, _, _, _, _, _, _, _, _, true, _, _}) -> <<"port">>;
argument(_) -> <<"term">>.

sized(Before, Size, After) when is_integer(Size) -> list_to_binary([Before, integer_to_list(Size), After]);
sized(Before, _, _) -> list_to_binary([Before, "unknown size"]).
