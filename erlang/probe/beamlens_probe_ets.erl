%% The part of the probe for ETS tables.
%%
%% The resident process goes round all tables, some at each tick, and keeps what each had a minute, ten minutes and an hour ago. The largest
%% and those that grow most are read at every tick. Tables are read with ets:info/2 only, never their rows.
%%
%% Size and memory of a table with decentralized counters need all schedulers, which takes milliseconds under load: only a few of these are
%% read at a tick.
-module(beamlens_probe_ets).

-export([snapshot/0, tables/2, table/1, growth/2, leaks/2, orphans/1, applications/1, owners/1]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, insert/4, best/1, names/1, pid/1, atom_text/1, plain/1, kb/1, clamp/3, now_ms/0, now_us/0]).

%% Tables that a tick looks at, and how many of those with decentralized counters.
-define(SLICE, 150).
-define(COSTLY, 20).
%% The largest and the fastest-growing that are read at every tick.
-define(KEEP, 10).
%% The windows of growth, in milliseconds.
-define(WINDOWS, [60000, 600000, 3600000]).
%% Tables whose readings are kept: some megabytes. A node that has more shows how many are known.
-define(MAX_TABLES, 15000).
-define(MAX_ROWS, 50).
%% Milliseconds for weighing all tables on demand, and those with decentralized counters among them.
-define(WEIGH, 3000).
-define(WEIGH_COSTLY, 500).

%%% What the engine asks

snapshot() ->
    Report = #{largest := Largest, fastest := Fastest} = ask_part(?MODULE, report),
    Report#{largest := named(Largest), fastest := named(Fastest), table_count => erlang:system_info(ets_count), table_limit => erlang:system_info(ets_limit), memory => memory()}.

named(null) -> null;
named(R = #{tid := T}) ->
    Owner = ets:info(T, owner),
    Named = #{id => id(T), name => case ets:info(T, name) of undefined -> null; Name -> atom_text(Name) end,
              owner => pid(Owner), owner_name => maps:get(Owner, names([Owner]), null)},
    maps:merge(maps:remove(tid, R), Named).

%% The memory of all tables asks every scheduler.
memory() ->
    case beamlens_probe:within(1000, fun() -> erlang:memory(ets) end) of
        Bytes when is_integer(Bytes) -> Bytes;
        _ -> null
    end.

tables(SortBy, Limit0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    Item = case SortBy of <<"size">> -> size; <<"memory">> -> memory; _ -> error({unknown_sort, SortBy}) end,
    All = ets:all(),
    Start = now_ms(),
    {Top, Skipped} = weigh(All, Item, Limit, Start + ?WEIGH_COSTLY, Start + ?WEIGH, {0, []}, 0),
    Rows = rows(best(Top)),
    #{table_count => length(All), showing => length(Rows), sort_by => SortBy, skipped => Skipped, tables => Rows}.

%% The number of tables that were not weighed is told.
weigh([], _, _, _, _, Top, Skipped) -> {Top, Skipped};
weigh([T | Tables], Item, Limit, Costly, Stop, Top, Skipped) ->
    Until = case ets:info(T, decentralized_counters) of true -> Costly; _ -> Stop end,
    case now_ms() < Until andalso ets:info(T, Item) of
        false -> weigh(Tables, Item, Limit, Costly, Stop, Top, Skipped + 1);
        undefined -> weigh(Tables, Item, Limit, Costly, Stop, Top, Skipped);
        V -> weigh(Tables, Item, Limit, Costly, Stop, insert(V, T, Limit, Top), Skipped)
    end.

%% One table, by its name or by the id that a row has. Of several with that name it is the largest.
table(Name) ->
    case heaviest([T || T <- ets:all(), id(T) =:= Name orelse is_reference(T) andalso atom_text(ets:info(T, name)) =:= Name], 1) of
        [] -> #{error => <<"table_not_found">>};
        [T] ->
            case rows([T]) of
                [Row] -> Row#{growth => ask_part(?MODULE, {growth_of, T}), heir => pid(ets:info(T, heir)), keypos => plain(ets:info(T, keypos)),
                              fixed => plain(ets:info(T, fixed)), decentralized_counters => ets:info(T, decentralized_counters) =:= true,
                              application => app(app_of(ets:info(T, owner), masters()))};
                [] -> #{error => <<"table_not_found">>}
            end
    end.

app(none) -> null;
app(A) -> atom_text(A).

%% The tables that grew most over about so many minutes, the fastest first.
growth(Minutes, Limit) -> grown_rows({growth, clamp(Minutes, 1, 60) * 60000, clamp(Limit, 1, ?MAX_ROWS)}).

%% The tables that grew by so many per cent over the time for which they are known, at most an hour, and still grow.
leaks(Percent, Limit) -> grown_rows({leaks, Percent, clamp(Limit, 1, ?MAX_ROWS)}).

grown_rows(Request) ->
    Answer = #{tables := Grown} = ask_part(?MODULE, Request),
    Now = maps:from_list([{maps:get(tid, R), R} || R <- rows([T || #{tid := T} <- Grown], tid)]),
    Answer#{tables := [maps:without([tid], maps:merge(maps:get(T, Now), G)) || G = #{tid := T} <- Grown, is_map_key(T, Now)]}.

%% A table goes with its owner unless it has an heir, so none is without an owner. What is told is those that an heir has got, whose
%% maker is gone, and those of processes that belong to no application, which nobody looks after.
orphans(Limit0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    Masters = masters(),
    Owned = [{T, O} || T <- ets:all(), O <- [ets:info(T, owner)], is_pid(O), O =/= whereis(beamlens_probe)],
    Homeless = maps:from_list([{O, true} || O <- lists:usort([O || {_, O} <- Owned]), app_of(O, Masters) =:= none]),
    Inherited = [T || {T, O} <- Owned, ets:info(T, heir) =:= O],
    Tables = [T || {T, O} <- Owned, is_map_key(O, Homeless)],
    #{without_application => length(Tables), inherited => length(Inherited),
      tables => [R#{reason => <<"inherited">>} || R <- rows(heaviest(Inherited, Limit))] ++
        [R#{reason => <<"owner_has_no_application">>} || R <- rows(heaviest(Tables -- Inherited, Limit))]}.

heaviest(Tables, Limit) ->
    {Top, _} = weigh(Tables, memory, Limit, now_ms() + ?WEIGH_COSTLY, now_ms() + ?WEIGH, {0, []}, 0),
    best(Top).

%% Memory by the application of the owner.
applications(Limit0) ->
    Masters = masters(),
    Start = now_ms(),
    {Sums, _, Skipped} = lists:foldl(fun(T, {Acc, Of, Skip}) ->
        Until = case ets:info(T, decentralized_counters) of true -> Start + ?WEIGH_COSTLY; _ -> Start + ?WEIGH end,
        case now_ms() < Until andalso {ets:info(T, memory), ets:info(T, size), ets:info(T, owner)} of
            {W, N, O} when is_integer(W), is_integer(N), is_pid(O) ->
                {App, Of1} = case Of of
                    #{O := A} -> {A, Of};
                    _ -> A = app_of(O, Masters), {A, Of#{O => A}}
                end,
                {W0, N0, C0} = maps:get(App, Acc, {0, 0, 0}),
                {Acc#{App => {W0 + W, N0 + N, C0 + 1}}, Of1, Skip};
            false -> {Acc, Of, Skip + 1};
            _ -> {Acc, Of, Skip}
        end
    end, {#{}, #{}, 0}, ets:all()),
    Sorted = lists:sublist(lists:reverse(lists:keysort(2, maps:to_list(Sums))), clamp(Limit0, 1, ?MAX_ROWS)),
    #{skipped => Skipped, applications => [#{application => app(App), tables => C, size => N, memory_kb => kb(W)} || {App, {W, N, C}} <- Sorted]}.

%% Who has most tables, and which names are used most.
owners(Limit0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    {Owners, Names} = lists:foldl(fun(T, {Os, Ns}) ->
        case {ets:info(T, owner), ets:info(T, name)} of
            {O, N} when is_pid(O), N =/= undefined -> {Os#{O => [T | maps:get(O, Os, [])]}, Ns#{N => maps:get(N, Ns, 0) + 1}};
            _ -> {Os, Ns}
        end
    end, {#{}, #{}}, ets:all()),
    Most = lists:sublist(lists:reverse(lists:sort([{length(Ts), O, Ts} || {O, Ts} <- maps:to_list(Owners)])), Limit),
    Registered = names([O || {_, O, _} <- Most]),
    Deadline = now_ms() + ?WEIGH,
    #{owners => [owner_row(O, Ts, N, Registered, Deadline) || {N, O, Ts} <- Most],
      names => [#{name => atom_text(Name), tables => N} || {N, Name} <- lists:sublist(lists:reverse(lists:sort([{N, Name} || {Name, N} <- maps:to_list(Names)])), Limit)]}.

owner_row(O, Tables, N, Registered, Deadline) ->
    Counts = lists:foldl(fun(T, Acc) -> Name = ets:info(T, name), Acc#{Name => maps:get(Name, Acc, 0) + 1} end, #{}, lists:sublist(Tables, 1000)),
    {Most, Name} = lists:max([{C, Key} || {Key, C} <- maps:to_list(Counts)]),
    Words = [W || T <- lists:sublist(Tables, 1000), ets:info(T, decentralized_counters) =/= true, W <- [ets:info(T, memory)], is_integer(W)],
    #{owner => pid(O), owner_name => maps:get(O, Registered, null), tables => N, memory_kb => kb(lists:sum(Words)),
      name => atom_text(Name), with_name => Most, label => started_as(O, Deadline)}.

started_as(P, Deadline) ->
    case beamlens_probe:slow_info(P, [initial_call, garbage_collection_info], Deadline) of
        [{_, Call}, {_, Gc}] -> beamlens_probe:label(P, Call, Gc, Deadline);
        _ -> null
    end.

%%% To which application a process belongs, without asking anybody: its group leader is the application's master, and masters are linked
%%% to the top supervisor. The application controller keeps them in a table of its own.

masters() ->
    try maps:from_list([{M, A} || [A, M] <- ets:match(ac_tab, {{application_master, '$1'}, '$2'}), is_pid(M)]) catch _:_ -> #{} end.

app_of(P, Masters) ->
    case process_info(P, group_leader) of
        {_, Leader} when is_map_key(Leader, Masters) -> map_get(Leader, Masters);
        %% What was there before the application controller belongs to the kernel.
        _ -> case lists:member(P, kernel()) of true -> kernel; false -> none end
    end.

kernel() -> [whereis(N) || N <- [init, application_controller, code_server, erl_prim_loader, logger, erl_signal_server]].

%%% Rows

rows(Tables) -> [maps:remove(tid, R) || R <- rows(Tables, tid)].

rows(Tables, tid) ->
    Alive = [T || T <- Tables, ets:info(T, name) =/= undefined],
    Names = names([ets:info(T, owner) || T <- Alive]),
    [row(T, Names) || T <- Alive].

row(T, Names) ->
    Owner = ets:info(T, owner),
    #{tid => T, id => id(T), name => atom_text(ets:info(T, name)), type => plain(ets:info(T, type)),
      protection => plain(ets:info(T, protection)), owner => pid(Owner), owner_name => maps:get(Owner, Names, null),
      size => plain(ets:info(T, size)), memory_kb => case ets:info(T, memory) of undefined -> null; W -> kb(W) end,
      compressed => plain(ets:info(T, compressed)), read_concurrency => plain(ets:info(T, read_concurrency)),
      write_concurrency => plain(ets:info(T, write_concurrency))}.

id(T) when is_atom(T) -> atom_text(T);
id(T) -> list_to_binary(ref_to_list(T)).

%%% The part of the resident process

%% tables: Table => {Memory in words, Rows, Since, Bases}. Most tables never change, and have no bases. The others have two readings for
%% each window; see rotate/5.
start() -> #{tables => #{}, queue => [], watched => []}.

stop(_) -> ok.

tick(Until, S = #{watched := Watched}) ->
    Now = now_ms(),
    S1 = lists:foldl(fun(T, Acc) -> read(T, Now, Acc) end, S, Watched),
    {Looked, S2 = #{tables := Tables}} = slice(?SLICE, ?COSTLY, Until, Now, [], begin_round(S1)),
    S2#{watched := watch(maps:with(Watched ++ Looked, Tables), Now)}.

begin_round(S = #{queue := [], tables := Tables}) ->
    All = lists:sublist(ets:all(), ?MAX_TABLES),
    S#{queue := All, tables := maps:with(All, Tables)};
begin_round(S) -> S.

%% Tables that were looked at, newest first, and the state.
slice(0, _, _, _, Looked, S) -> {Looked, S};
slice(_, _, _, _, Looked, S = #{queue := []}) -> {Looked, S};
slice(N, Costly, Until, Now, Looked, S = #{queue := [T | Rest]}) ->
    case {ets:info(T, decentralized_counters), N rem 50 =:= 0 andalso now_us() > Until} of
        {_, true} -> {Looked, S};
        {true, _} when Costly =:= 0 -> {Looked, S};
        {true, _} -> slice(N - 1, Costly - 1, Until, Now, [T | Looked], read(T, Now, S#{queue := Rest}));
        {false, _} -> slice(N - 1, Costly, Until, Now, [T | Looked], read(T, Now, S#{queue := Rest}));
        {undefined, _} -> slice(N - 1, Costly, Until, Now, Looked, S#{queue := Rest})
    end.

read(T, Now, S = #{tables := Tables}) ->
    case {ets:info(T, memory), ets:info(T, size)} of
        {Words, Size} when is_integer(Words), is_integer(Size) ->
            case Tables of
                #{T := {Words, Size, _, none}} -> S;
                #{T := {W0, N0, Since, none}} ->
                    %% It has not changed until now, so its bases are what it was.
                    Bases = [{B, B} || W <- ?WINDOWS, B <- [{max(Since, Now - W), W0, N0}]],
                    S#{tables := Tables#{T := {Words, Size, Since, Bases}}};
                #{T := {_, _, Since, Bases}} ->
                    S#{tables := Tables#{T := {Words, Size, Since, rotate(Bases, ?WINDOWS, Now, Words, Size)}}};
                _ -> S#{tables := Tables#{T => {Words, Size, Now, none}}}
            end;
        _ -> S#{tables := maps:remove(T, Tables)}
    end.

%% For each window two readings: growth is told from the older, and the newer takes its place when a window has passed. So the older is of
%% a time between one and two windows ago.
rotate(Bases, Windows, Now, Words, Size) ->
    lists:zipwith(fun(B = {_, New = {At, _, _}}, Window) ->
        case Now - At >= Window of true -> {New, {Now, Words, Size}}; false -> B end
    end, Bases, Windows).

%% Growth since the older reading of a window: {milliseconds, bytes, rows}.
grown({_, _, Since, none}, _, Now) when Now > Since -> {Now - Since, 0, 0};
grown({_, _, _, none}, _, _) -> null;
grown({Words, Size, _, Bases}, Window, Now) ->
    {_, {{At, W, N}, _}} = lists:keyfind(Window, 1, lists:zip(?WINDOWS, Bases)),
    case Now > At of
        true -> {Now - At, (Words - W) * erlang:system_info(wordsize), Size - N};
        false -> null
    end.

watch(Tables, Now) ->
    {Large, Fast} = maps:fold(fun(T, R = {Words, _, _, _}, {L, F}) ->
        {insert(Words, T, ?KEEP, L), case grown(R, 60000, Now) of {_, Bytes, _} when Bytes > 0 -> insert(Bytes, T, ?KEEP, F); _ -> F end}
    end, {{0, []}, {0, []}}, Tables),
    lists:usort(best(Large) ++ best(Fast)).

handle(report, S0) ->
    S = #{tables := Tables, watched := Watched} = case S0 of #{watched := []} -> tick(now_us() + 5000, S0); _ -> S0 end,
    Now = now_ms(),
    Known = [{T, map_get(T, Tables)} || T <- Watched, is_map_key(T, Tables)],
    Largest = lists:sublist(lists:reverse(lists:sort([{W, N, T} || {T, {W, N, _, _}} <- Known])), 1),
    Growing = lists:sublist(lists:reverse(lists:sort([{Bytes * 60000 div Ms, Rows * 60000 div Ms, T} ||
        {T, R} <- Known, {Ms, Bytes, Rows} <- [grown(R, 60000, Now)], Ms >= 2000, Bytes > 0])), 1),
    {#{known_tables => map_size(Tables),
       largest => case Largest of [{W, N, T}] -> #{tid => T, memory_kb => kb(W), size => N}; [] -> null end,
       fastest => case Growing of [{Rate, Rows, T2}] -> #{tid => T2, bytes_per_min => Rate, rows_per_min => Rows}; [] -> null end}, S};
handle({growth, Window0, Limit}, S = #{tables := Tables}) ->
    Now = now_ms(),
    Window = lists:last([W || W <- ?WINDOWS, W =:= hd(?WINDOWS) orelse W =< Window0]),
    Top = maps:fold(fun
        (_, {_, _, _, none}, Acc) -> Acc;
        (T, R, Acc) ->
            case grown(R, Window, Now) of
                {Ms, Bytes, Rows} when Bytes > 0 -> insert(Bytes, {T, Ms, Bytes, Rows}, Limit, Acc);
                _ -> Acc
            end
    end, {0, []}, Tables),
    {#{window_ms => Window, known_tables => map_size(Tables), tables => [told(G, Tables) || G <- best(Top)]}, S};
handle({leaks, Percent, Limit}, S = #{tables := Tables}) ->
    Now = now_ms(),
    [Short | _] = ?WINDOWS,
    Top = maps:fold(fun
        (_, {_, _, _, none}, Acc) -> Acc;
        (T, R = {Words, _, _, _}, Acc) ->
            case {grown(R, lists:last(?WINDOWS), Now), grown(R, Short, Now)} of
                {{Ms, Bytes, Rows}, {_, Lately, _}} when Rows > 0, Lately > 0 ->
                    Before = Words * erlang:system_info(wordsize) - Bytes,
                    case Bytes * 100 >= Percent * Before of
                        true -> insert(Bytes, {T, Ms, Bytes, Rows}, Limit, Acc);
                        false -> Acc
                    end;
                _ -> Acc
            end
    end, {0, []}, Tables),
    {#{known_tables => map_size(Tables), tables => [told(G, Tables) || G <- best(Top)]}, S};
handle({growth_of, T}, S = #{tables := Tables}) ->
    Now = now_ms(),
    Told = case Tables of
        #{T := R} -> [#{window_ms => W, over_ms => Ms, growth_kb => Bytes div 1024, growth_rows => Rows} || W <- ?WINDOWS, {Ms, Bytes, Rows} <- [grown(R, W, Now)]];
        _ -> []
    end,
    {Told, S}.

told({T, Ms, Bytes, Rows}, Tables) ->
    {Words, _, _, _} = map_get(T, Tables),
    Before = Words * erlang:system_info(wordsize) - Bytes,
    #{tid => T, over_ms => Ms, growth_kb => Bytes div 1024, growth_rows => Rows, growth_pct => case Before > 0 of true -> Bytes * 100 div Before; false -> null end,
      growth_kb_per_min => round(Bytes * 60000 / Ms / 1024), growth_rows_per_min => round(Rows * 60000 / Ms)}.
