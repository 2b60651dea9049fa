%% The part of the probe for what is logged: a handler of logger, and what is known of crashes and supervisors from it.
%%
%% A handler runs in the process that logs, so this one does almost nothing there: it counts by level, and keeps a record only while there
%% are tokens for it. What it keeps is cut before it is copied: a crash report of a process with a million messages has a million messages
%% in it. Rendering is done when the engine asks, in the process that asks. Nothing is sent to anybody when a line is logged, and a fault
%% of ours ends here. What the primary level of logger keeps out is not seen, and it is not changed.
%%
%% Since Elixir 1.15 its logger drops the reports of supervisors and of crashes, unless it is told not to, before any handler gets them: by a
%% primary filter, which also puts exceptions of Elixir in the place of reasons. Where that is there, one of ours is put before it. It takes
%% notice of such reports in the place of the handler, and lets all go on as they were.
%%
%% The records are in a table of the resident process, rings of a fixed size. A guard puts the handler and the filter in and takes them out.
-module(beamlens_probe_log).

-export([snapshot/1, crashes/1, supervisors/1]).
-export([log/2, filter/2]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, assist/2, dismiss/1, frame/1, name/1, pid/1, mfa/1, atom_text/1, text/1]).

-define(LEVELS, [emergency, alert, critical, error, warning, notice, info, debug]).
%% Counters: 1 to 8 are the levels.
-define(SHED, 9).
-define(CRASH, 10).
-define(EMULATOR, 11).
-define(TERMINATE, 12).
-define(CHILD, 13).
-define(START_ERROR, 14).
-define(GAVE_UP, 15).
-define(FAILED, 16).
-define(COUNTERS, 16).
%% Atomics: two for the tokens of each class, then the sequence of each ring, the processes inside of the handler, whether it is orphaned, and
%% whether the filter is in.
-define(ERRORS, 1).
-define(WARNINGS, 2).
-define(OTHERS, 3).
-define(CRASHES, 4).
-define(SUPS, 5).
-define(SEQ(Ring), 10 + Ring).
-define(INSIDE, 20).
-define(ORPHANED, 21).
-define(FILTERED, 22).
-define(ATOMICS, 22).
%% How often it is seen to that the filter is in, if it is needed (milliseconds).
-define(LOOK_AGAIN, 3000).
%% Rings, and how many records each keeps.
-define(LOG, 1).
-define(CRASHED, 2).
-define(SUP, 3).
%% No more of a message is kept than this many terms, this deep, this many elements of one, this many bytes of a text.
-define(TERMS, 200).
-define(DEPTH, 6).
-define(WIDTH, 25).
-define(BYTES, 600).
-define(FRAMES, 12).
%% Characters of a rendered message.
-define(CHARS, 600).
-define(MAX_ROWS, 200).

%%% What the engine asks

%% The counts, and the records after that number, the oldest first.
snapshot(Since) ->
    S = #{counters := C} = ask_part(?MODULE, state),
    (head(S))#{levels => [counters:get(C, I) || I <- lists:seq(1, 8)], shed => counters:get(C, ?SHED), failed => counters:get(C, ?FAILED), newest => newest(?LOG, S),
               records => [record(Row) || Row <- rows(?LOG, Since, ?MAX_ROWS, S)]}.

crashes(Since) ->
    S = #{counters := C} = ask_part(?MODULE, state),
    (head(S))#{crash_reports => counters:get(C, ?CRASH), emulator => counters:get(C, ?EMULATOR), terminate => counters:get(C, ?TERMINATE), newest => newest(?CRASHED, S),
               records => [crash(Row) || Row <- rows(?CRASHED, Since, ?MAX_ROWS, S)]}.

supervisors(Since) ->
    S = #{counters := C} = ask_part(?MODULE, state),
    (head(S))#{children => counters:get(C, ?CHILD), start_errors => counters:get(C, ?START_ERROR), gave_up => counters:get(C, ?GAVE_UP), newest => newest(?SUP, S),
               records => [sup(Row) || Row <- rows(?SUP, Since, ?MAX_ROWS, S)]}.

head(#{id := Id, guard := Guard}) -> #{id => Id, installed => is_process_alive(Guard) andalso lists:member(?MODULE, logger:get_handler_ids()), now_us => os:system_time(microsecond)}.

newest(Ring, #{atomics := A}) -> atomics:get(A, ?SEQ(Ring)).

rows(Ring, Since, Most, S = #{table := Tab}) ->
    Newest = newest(Ring, S),
    From = lists:max([Since + 1, Newest - size_of(Ring) + 1, Newest - Most + 1, 1]),
    [Row || Seq <- lists:seq(From, Newest), Row <- ets:lookup(Tab, {Ring, Seq rem size_of(Ring)}), element(2, Row) =:= Seq].

size_of(?LOG) -> 500;
size_of(?CRASHED) -> 200;
size_of(?SUP) -> 300.

%%% The part of the resident process

start() ->
    State = #{id => integer_to_binary(erlang:unique_integer([positive])), table => ets:new(?MODULE, [public, {write_concurrency, true}]),
              counters => counters:new(?COUNTERS, [write_concurrency]), atomics => atomics:new(?ATOMICS, [])},
    State#{guard => guard(State)}.

guard(State) ->
    Config = maps:with([table, counters, atomics], State),
    assist(fun(Resident) -> guard(Resident, Config) end, []).

handle(state, S = #{guard := Guard}) ->
    S1 = case is_process_alive(Guard) of true -> S; false -> S#{guard := guard(S)} end,
    {S1, S1}.

tick(_, S) -> S.

stop(#{guard := Guard, table := Tab}) ->
    dismiss(Guard),
    ets:delete(Tab).

guard(Resident, Config = #{atomics := A}) ->
    install(Config, 3),
    wait(Resident, Config),
    logger:remove_handler(?MODULE),
    logger:remove_primary_filter(?MODULE),
    %% Who is in the handler runs this module, which is about to go.
    outside(A, 50).

%% An Elixir application may start its logger, or set it up anew, at any time.
wait(Resident, Config) ->
    go_first(Config),
    receive
        {'DOWN', Resident, _, _, _} -> ok;
        {stop, _, _} -> ok
    after ?LOOK_AGAIN -> wait(Resident, Config)
    end.

%% Filters are asked in their order, and a new one is put at the end: to be the first, all must be set.
go_first(Config = #{atomics := A}) ->
    #{filters := Filters} = logger:get_primary_config(),
    Others = [F || F = {Id, _} <- Filters, Id =/= ?MODULE],
    Wanted = case lists:any(fun drops/1, Others) of
        true -> [{?MODULE, {fun ?MODULE:filter/2, Config}} | Others];
        false -> Others
    end,
    _ = Wanted =:= Filters orelse logger:set_primary_config(filters, Wanted),
    atomics:put(A, ?FILTERED, length(Wanted) - length(Others)).

drops({logger_translator, {_, #{sasl := false}}}) -> true;
drops(_) -> false.

install(_, 0) -> ok;
install(Config, N) ->
    case logger:add_handler(?MODULE, ?MODULE, #{level => all, config => Config}) of
        {error, {already_exist, _}} ->
            logger:remove_handler(?MODULE),
            install(Config, N - 1);
        _ -> ok
    end.

outside(_, 0) -> ok;
outside(A, N) ->
    case atomics:get(A, ?INSIDE) of
        Inside when Inside > 0 -> receive after 20 -> outside(A, N - 1) end;
        _ -> ok
    end.

%%% The handler

log(Event, #{config := Config = #{counters := C, atomics := A}}) ->
    atomics:add(A, ?INSIDE, 1),
    try logged(Event, Config)
    catch
        error:badarg -> orphaned(Config);
        _:_ -> counters:add(C, ?FAILED, 1)
    end,
    atomics:sub(A, ?INSIDE, 1),
    ok.

%% A primary filter runs in the process that logs, as a handler does.
filter(#{msg := Msg, meta := Meta, level := Level}, Config = #{counters := C, atomics := A}) ->
    atomics:add(A, ?INSIDE, 1),
    try ours(Meta) orelse noted(kind(Msg, Meta), Level, Msg, Meta, Config)
    catch
        error:badarg -> orphaned(Config);
        _:_ -> counters:add(C, ?FAILED, 1)
    end,
    atomics:sub(A, ?INSIDE, 1),
    ignore.

%% The table is gone, and so is the resident process: if the guard is gone too, the handler must go by itself.
orphaned(#{table := Tab, atomics := A, counters := C}) ->
    counters:add(C, ?FAILED, 1),
    case ets:info(Tab, size) =:= undefined andalso atomics:compare_exchange(A, ?ORPHANED, 0, 1) of
        ok ->
            spawn(logger, remove_handler, [?MODULE]),
            spawn(logger, remove_primary_filter, [?MODULE]);
        _ -> ok
    end.

ours(#{domain := [beamlens | _]}) -> true;
ours(#{domain := [elixir, beamlens | _]}) -> true;
ours(_) -> false.

logged(#{level := Level, msg := Msg, meta := Meta}, Config) ->
    ours(Meta) orelse logged(Level, Msg, Meta, Config).

logged(Level, Msg, Meta, Config = #{counters := C, atomics := A}) ->
    counters:add(C, index(Level), 1),
    Kind = kind(Msg, Meta),
    _ = atomics:get(A, ?FILTERED) =:= 1 orelse noted(Kind, Level, Msg, Meta, Config),
    case token(class(Level), A) of
        true -> keep(?LOG, {time(Meta), Level, Kind, where(Meta), body(Kind, Msg)}, Config);
        false -> counters:add(C, ?SHED, 1)
    end.

index(error) -> 4;
index(warning) -> 5;
index(info) -> 7;
index(debug) -> 8;
index(notice) -> 6;
index(emergency) -> 1;
index(alert) -> 2;
index(critical) -> 3;
index(_) -> 8.

class(warning) -> ?WARNINGS;
class(Level) when Level =:= notice; Level =:= info; Level =:= debug -> ?OTHERS;
class(_) -> ?ERRORS.

%% Records in a second. Two that begin a second at once may give a few more.
tokens(?ERRORS) -> 25;
tokens(?CRASHES) -> 50;
tokens(?SUPS) -> 50;
tokens(_) -> 12.

token(Class, A) ->
    Second = erlang:monotonic_time(second),
    case atomics:get(A, 2 * Class - 1) of
        Second -> ok;
        _ ->
            atomics:put(A, 2 * Class - 1, Second),
            atomics:put(A, 2 * Class, 0)
    end,
    atomics:add_get(A, 2 * Class, 1) =< tokens(Class).

keep(Ring, Record, #{table := Tab, atomics := A}) ->
    Seq = atomics:add_get(A, ?SEQ(Ring), 1),
    ets:insert(Tab, {{Ring, Seq rem size_of(Ring)}, Seq, Record}).

time(#{time := T}) -> T;
time(_) -> os:system_time(microsecond).

where(Meta) ->
    {case Meta of #{mfa := {M, F, N}} when is_atom(M), is_atom(F), is_integer(N) -> {M, F, N}; _ -> none end,
     case Meta of #{line := L} when is_integer(L) -> L; _ -> null end,
     case Meta of #{pid := P} when is_pid(P) -> P; _ -> null end,
     case Meta of #{domain := D} when is_list(D) -> [X || X <- first(5, D), is_atom(X)]; _ -> [] end}.

%% What a message is, by its shape alone.
kind({report, #{label := {proc_lib, crash}, report := [_ | _]}}, _) -> crash;
kind({report, #{label := {supervisor, Why}, report := [_ | _]}}, _) -> {supervisor, Why};
kind({report, #{label := {_, progress}}}, _) -> progress;
kind({report, #{label := {'Elixir.Task.Supervisor', terminating}, report := #{}}}, _) -> task;
kind({report, #{label := {_, terminate}, reason := _}}, _) -> terminate;
kind(_, #{crash_reason := {_, Stack}}) when is_list(Stack) -> translated;
kind({_, [P, {_, [_ | _]}]}, #{error_logger := #{emulator := true}}) when is_pid(P) -> emulator;
kind({_, [P, _, {_, [_ | _]}]}, #{error_logger := #{emulator := true}}) when is_pid(P) -> emulator;
kind(_, _) -> plain.

noted(plain, _, _, _, _) -> ok;
noted(progress, _, _, _, _) -> ok;
noted({supervisor, Why}, _, Msg, Meta, Config = #{counters := C, atomics := A}) ->
    _ = case Why of
        child_terminated -> counters:add(C, ?CHILD, 1);
        start_error -> counters:add(C, ?START_ERROR, 1);
        _ -> ok
    end,
    {report, #{report := Report}} = Msg,
    {Reason, _} = split(value(reason, Report), []),
    %% It is the last that a supervisor says, after so many restarts that they have used all tokens.
    Last = Reason =:= reached_max_restart_intensity,
    _ = Last andalso counters:add(C, ?GAVE_UP, 1),
    (Last orelse token(?SUPS, A)) andalso keep(?SUP, {time(Meta), Why, pid_of(Meta), cut(value(supervisor, Report)), cut(Reason), offender(value(offender, Report))}, Config);
noted(Kind, Level, Msg, Meta, Config = #{counters := C, atomics := A}) ->
    counters:add(C, case Kind of crash -> ?CRASH; emulator -> ?EMULATOR; _ -> ?TERMINATE end, 1),
    token(?CRASHES, A) andalso keep(?CRASHED, {time(Meta), Level, Kind, crashed(Kind, Msg, Meta)}, Config).

pid_of(#{pid := P}) when is_pid(P) -> P;
pid_of(_) -> null.

offender(L) when is_list(L) ->
    Call = case value(mfargs, L) of {M, F, Args} when is_list(Args) -> {M, F, length(first(20, Args))}; {M, F, _} -> {M, F, 0}; _ -> none end,
    Id = case value(id, L) of undefined -> value(name, L); I -> I end,
    #{child => value(pid, L), id => cut(Id), call => Call, restart => cut(value(restart_type, L)), type => cut(value(child_type, L))};
offender(_) -> #{child => undefined, id => undefined, call => none, restart => undefined, type => undefined}.

%% {Process, name, initial call, ancestors, length of its mailbox, class, reason, stack}. The rest of a report may be of any size.
crashed(crash, {report, #{report := [Info | _]}}, _) ->
    {Class, Reason, Stack} = case value(error_info, Info) of
        {Cl, R, St} -> {Cl, R, St};
        _ -> {exit, unknown, []}
    end,
    {Reason1, Stack1} = split(Reason, Stack),
    {value(pid, Info), cut(value(registered_name, Info)), cut(value(initial_call, Info)), cut(first(5, value(ancestors, Info))), value(message_queue_len, Info), Class, cut(Reason1), frames(Stack1)};
crashed(emulator, {Format, [P, Node, Why]}, Meta) when is_atom(Node) -> crashed(emulator, {Format, [P, Why]}, Meta);
crashed(emulator, {_, [P, {Reason, Stack}]}, _) ->
    {P, undefined, undefined, [], null, class_of(Reason), cut(Reason), frames(Stack)};
crashed(task, {report, #{report := Report}}, Meta) ->
    {Reason, Stack} = split(maps:get(reason, Report, undefined), []),
    {pid_of(Meta), undefined, cut(maps:get(function, Report, undefined)), [cut(maps:get(starter, Report, undefined))], null, class_of(Reason), cut(Reason), frames(Stack)};
crashed(terminate, {report, Report = #{label := {Behaviour, _}}}, Meta) ->
    {Reason, Stack} = split(maps:get(reason, Report), []),
    {Class, Reason1} = case Reason of {C, R, S} when is_list(S), is_atom(C) -> {C, R}; _ -> {class_of(Reason, Stack), Reason} end,
    {pid_of(Meta), cut(maps:get(name, Report, maps:get(id, Report, undefined))), Behaviour, [], null, Class, cut(Reason1), frames(Stack)};
crashed(translated, _, Meta = #{crash_reason := {Reason, Stack}}) ->
    {pid_of(Meta), cut(maps:get(registered_name, Meta, undefined)), cut(maps:get(initial_call, Meta, undefined)), cut(first(5, maps:get(ancestors, Meta, []))), null, class_of(Reason, Stack), cut(Reason), frames(Stack)}.

%% Many reasons carry their stack.
split(Reason, Stack = [_ | _]) ->
    case Reason of
        {R, S = [F | _]} when tuple_size(F) =:= 4 -> {R, S};
        _ -> {Reason, Stack}
    end;
split({Class, R, S = [F | _]}, []) when tuple_size(F) =:= 4, is_atom(Class) -> {R, S};
split({R, S = [F | _]}, []) when tuple_size(F) =:= 4 -> {R, S};
split(Reason, _) -> {Reason, []}.

class_of(Reason) -> class_of(Reason, [x]).

class_of({nocatch, _}, _) -> throw;
class_of(_, []) -> exit;
class_of(_, _) -> error.

%% A frame may have the arguments in the place of the arity.
frames(Stack) -> [{M, F, case A of _ when is_list(A) -> length(first(255, A)); _ -> A end, [X || X = {K, _} <- first(5, Where), K =:= file orelse K =:= line]} || {M, F, A, Where} <- first(?FRAMES, Stack)].

value(Key, L) when is_list(L) ->
    case lists:keyfind(Key, 1, L) of {_, V} -> V; _ -> undefined end;
value(_, _) -> undefined.

first(0, _) -> [];
first(N, [X | L]) -> [X | first(N - 1, L)];
first(_, _) -> [].

%%% Cutting: what is left of a term is small, whatever it was, and refers to nothing large

body(plain, {string, Text}) -> {string, cut(Text)};
body(plain, {report, Report}) -> {report, cut(Report)};
body(plain, {Format, Args}) when is_list(Args) -> {cut_text(Format), [cut(A) || A <- first(30, Args)]};
body(progress, _) -> progress;
body(plain, _) -> {string, "?"};
body(translated, {string, Text}) -> {string, cut(Text)};
body(_, {report, #{label := Label, name := Name, reason := Reason}}) -> {ended, cut(Label), cut(Name), cut(Reason)};
body(_, {report, #{label := Label, report := [Info = [_ | _] | _]}}) ->
    {ended, cut(Label), cut(case value(registered_name, Info) of [] -> value(pid, Info); N -> N end), cut(value(error_info, Info))};
body(_, {report, #{label := Label, report := Report = [_ | _]}}) ->
    {ended, cut(Label), cut({value(supervisor, Report), value(id, case value(offender, Report) of L when is_list(L) -> L; _ -> [] end)}), cut(value(reason, Report))};
body(_, {report, #{label := Label, report := #{reason := Reason} = Report}}) -> {ended, cut(Label), cut(maps:get(name, Report, undefined)), cut(Reason)};
body(_, Msg) -> body(plain, Msg).

cut_text(B) when is_binary(B) -> element(1, cut(B, ?DEPTH, ?TERMS));
cut_text(L) when is_list(L) -> first(?BYTES, L);
cut_text(A) when is_atom(A) -> A;
cut_text(_) -> "?".

cut(Term) -> element(1, cut(Term, ?DEPTH, ?TERMS)).

cut(_, _, Left) when Left =< 0 -> {'...', 0};
cut(T, _, Left) when is_atom(T); is_float(T); is_pid(T); is_port(T); is_reference(T) -> {T, Left - 1};
cut(T, _, Left) when is_integer(T) -> {case abs(T) < 1 bsl 128 of true -> T; false -> '...' end, Left - 1};
cut(T, _, Left) when is_binary(T) ->
    Cut = case byte_size(T) > ?BYTES of
        true -> list_to_binary([binary:part(T, 0, ?BYTES), <<"...">>]);
        false -> binary:copy(T)
    end,
    {Cut, Left - 1 - byte_size(Cut) div 32};
cut(T, _, Left) when is_bitstring(T); is_function(T) -> {case is_function(T) of true -> '#Fun'; false -> '#Bits' end, Left - 1};
cut([], _, Left) -> {[], Left - 1};
cut(_, 0, Left) -> {'...', Left - 1};
cut(T = [C | _], D, Left) when is_integer(C), C >= 9, C =< 16#10ffff ->
    case chars(T, ?BYTES) of
        no -> elements(T, D, Left, ?WIDTH, []);
        Chars -> {Chars, Left - 1 - length(Chars) div 16}
    end;
cut(T, D, Left) when is_list(T) -> elements(T, D, Left, ?WIDTH, []);
cut(T, D, Left) when is_tuple(T) ->
    {Es, Left1} = elements([element(I, T) || I <- lists:seq(1, min(tuple_size(T), ?WIDTH))], D, Left, ?WIDTH, []),
    {list_to_tuple(case tuple_size(T) > ?WIDTH of true -> Es ++ ['...']; false -> Es end), Left1};
cut(T, D, Left) when is_map(T) -> pairs(maps:next(maps:iterator(T)), D, Left - 1, ?WIDTH, #{}).

%% A list of characters is a text, and of a text more is kept.
chars([], _) -> [];
chars(_, 0) -> "...";
chars([C | L], N) when is_integer(C), C >= 9, C =< 16#10ffff ->
    case chars(L, N - 1) of no -> no; Cs -> [C | Cs] end;
chars(_, _) -> no.

elements([X | L], D, Left, N, Acc) when N > 0, Left > 0 ->
    {X1, Left1} = cut(X, D - 1, Left),
    elements(L, D, Left1, N - 1, [X1 | Acc]);
elements([], _, Left, _, Acc) -> {lists:reverse(Acc), Left};
elements([_ | _], _, Left, _, Acc) -> {lists:reverse(['...' | Acc]), Left};
elements(Tail, D, Left, _, Acc) ->
    {T, Left1} = cut(Tail, D - 1, Left),
    {lists:reverse(Acc, T), Left1}.

pairs({K, V, Next}, D, Left, N, Acc) when N > 0, Left > 0 ->
    {K1, Left1} = cut(K, D - 1, Left),
    {V1, Left2} = cut(V, D - 1, Left1),
    pairs(maps:next(Next), D, Left2, N - 1, Acc#{K1 => V1});
pairs(_, _, Left, _, Acc) -> {Acc, Left}.

%%% Rendering

record({_, Seq, {Time, Level, Kind, {Mfa, Line, Pid, Domain}, Body}}) ->
    #{seq => Seq, at_us => Time, level => atom_text(Level), kind => kind_text(Kind), message => message(Body), module => module(Mfa), function => function(Mfa), line => Line,
      pid => pid(Pid), domain => [atom_text(D) || D <- Domain]}.

kind_text({supervisor, Why}) when is_atom(Why) -> list_to_binary(["supervisor_", atom_to_list(Why)]);
kind_text(Kind) when is_atom(Kind) -> atom_text(Kind);
kind_text(_) -> <<"supervisor">>.

module({M, _, _}) -> atom_text(M);
module(_) -> null.

function({_, F, A}) -> text([atom_to_list(F), "/", integer_to_list(A)]);
function(_) -> null.

message(progress) -> <<"started">>;
message({ended, Label, Name, Reason}) -> shown("~0tp ~0tp: ~0tp", [Label, Name, Reason]);
message({string, Text}) ->
    try unicode:characters_to_binary(Text) of
        B when is_binary(B) -> limit(B);
        {_, B, _} -> limit(B)
    catch _:_ -> shown("~0tp", [Text])
    end;
message({report, Report}) when is_map(Report) -> pairs_text(maps:to_list(Report));
message({report, Report}) when is_list(Report) ->
    case lists:all(fun(X) -> is_tuple(X) andalso tuple_size(X) =:= 2 end, Report) of
        true -> pairs_text(Report);
        false -> shown("~0tp", [Report])
    end;
message({report, Report}) -> shown("~0tp", [Report]);
message({Format, Args}) -> shown(Format, Args).

pairs_text(Pairs) -> shown(lists:flatten(lists:join(", ", ["~0tp: ~0tp" || _ <- Pairs])), lists:append([[K, V] || {K, V} <- Pairs])).

shown(Format, Args) ->
    try io_lib:format(Format, Args, [{chars_limit, ?CHARS}]) of
        Text -> message({string, Text})
    catch _:_ -> message({string, io_lib:format("~0tp ~0tp", [Format, Args], [{chars_limit, ?CHARS}])})
    end.

limit(B) ->
    case string:length(B) > ?CHARS + 200 of
        true -> unicode:characters_to_binary([string:slice(B, 0, ?CHARS), "..."]);
        false -> B
    end.

crash({_, Seq, {Time, Level, Kind, {P, Name, Call, Ancestors, Queue, Class, Reason, Stack}}}) ->
    #{seq => Seq, at_us => Time, level => atom_text(Level), source => kind_text(Kind), pid => pid(P), name => case Name of [] -> null; undefined -> null; _ -> named(Name) end,
      initial_call => named(Call), ancestors => case Ancestors of L when is_list(L) -> [named(A) || A <- L]; _ -> [] end, message_queue => case is_integer(Queue) of true -> Queue; false -> null end,
      kind => case Reason of {nocatch, _} -> <<"throw">>; _ when is_atom(Class) -> atom_text(Class); _ -> <<"error">> end,
      type => type(Reason), message => reason(Reason), stack => [frame_row(F) || F <- Stack]}.

frame_row(F = {M, N, A, Where}) ->
    #{module => case is_atom(M) of true -> atom_text(M); false -> null end, function => case is_atom(N) andalso is_integer(A) of true -> function({M, N, A}); false -> null end,
      file => case lists:keyfind(file, 1, Where) of {_, File} -> text(File); _ -> null end,
      line => case lists:keyfind(line, 1, Where) of {_, Line} when is_integer(Line) -> Line; _ -> null end, text => case is_atom(M) andalso is_atom(N) of true -> frame(F); false -> null end}.

%% The name of a reason, without what it is about.
type({nocatch, Thrown}) -> type(Thrown);
type(#{'__struct__' := Module, '__exception__' := true}) when is_atom(Module) -> atom_text(Module);
type({{nocatch, T}, _}) -> type(T);
type({Tag, _}) when is_atom(Tag) -> atom_text(Tag);
type(T) when is_tuple(T), tuple_size(T) > 0, is_atom(element(1, T)) -> atom_text(element(1, T));
type({Tag, _}) -> type(Tag);
type(T) when is_atom(T) -> atom_text(T);
type(_) -> <<"term">>.

reason(#{'__exception__' := true, message := M}) when is_binary(M) -> limit(M);
reason(Reason) -> shown("~0tp", [Reason]).

%% An exception of Elixir with its name.
titled(E = #{'__exception__' := true, message := M}) when is_binary(M) -> limit(iolist_to_binary([type(E), ": ", M]));
titled(Reason) -> reason(Reason).

named(undefined) -> null;
named(A) when is_atom(A) -> atom_text(A);
named(P) when is_pid(P) -> pid(P);
named(F = {M, N, A}) when is_atom(M), is_atom(N), is_integer(A) -> mfa(F);
named({M, N, A}) when is_atom(M), is_atom(N), is_list(A) -> mfa({M, N, length(A)});
named({local, Name}) -> named(Name);
named({P, M}) when is_pid(P), is_atom(M) -> atom_text(M);
named(Other) -> text(shown("~0tp", [Other])).

sup({_, Seq, {Time, Why, P, Supervisor, Reason, #{child := Child, id := Id, call := Call, restart := Restart, type := Type}}}) ->
    #{seq => Seq, at_us => Time, context => named(Why), supervisor_pid => pid(P), supervisor => case named(Supervisor) of null -> name(P); N -> N end,
      reason_type => type(Reason), reason => titled(Reason), child => pid(Child), id => named(Id), call => mfa(Call), restart => named(Restart), child_type => named(Type)}.
