%% The part of the probe for ETS tables.
%%
%% The resident process goes round all tables, some at each tick, and keeps what each had a minute, ten minutes and an hour ago. The largest
%% and those that grow most are read at every tick. Tables are read with ets:info/2 only, never their rows.
%%
%% Size and memory of a table with decentralized counters need all schedulers, which takes milliseconds under load: only a few of these are
%% read at a tick.
-module(beamlens_probe_ets).

-export([snapshot/0, tables/2, table/1, growth/2, orphans/1, applications/1]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, insert/4, best/1, names/1, find/1, pid/1, atom_text/1, text/1, plain/1, kb/1, clamp/3, now_ms/0, now_us/0]).

%% Tables that a tick looks at, and how many of those with decentralized counters.
-define(SLICE, 500).
-define(COSTLY, 20).
%% The largest and the fastest-growing that are read at every tick.
-define(KEEP, 10).
%% The windows of growth, in milliseconds.
-define(WINDOWS, [60000, 600000, 3600000]).
%% Tables whose readings are kept; a node that has more is told so.
-define(MAX_TABLES, 20000).
-define(MAX_ROWS, 50).
%% Milliseconds for weighing all tables on demand, and those with decentralized counters among them.
-define(WEIGH, 3000).
-define(WEIGH_COSTLY, 500).

%%% What the engine asks

snapshot() ->
    (ask_part(?MODULE, report))#{table_count => length(ets:all()), table_limit => erlang:system_info(ets_limit), memory => memory()}.

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

%% One table, by its name or by the id that a row has.
table(Name) ->
    case [T || T <- ets:all(), atom_text(ets:info(T, name)) =:= Name orelse id(T) =:= Name] of
        [] -> #{error => <<"table_not_found">>};
        [T | _] ->
            case rows([T]) of
                [Row] -> Row#{growth => ask_part(?MODULE, {growth_of, T}), heir => pid(ets:info(T, heir)), keypos => plain(ets:info(T, keypos)),
                              fixed => plain(ets:info(T, fixed)), decentralized_counters => plain(ets:info(T, decentralized_counters))};
                [] -> #{error => <<"table_not_found">>}
            end
    end.

%% The tables that grew most over about so many minutes, the fastest first.
growth(Minutes, Limit) ->
    #{window_ms := Window, known := Known, tables := Grown} = ask_part(?MODULE, {growth, clamp(Minutes, 1, 60) * 60000, clamp(Limit, 1, ?MAX_ROWS)}),
    Now = maps:from_list([{maps:get(tid, R), R} || R <- rows([T || #{tid := T} <- Grown], tid)]),
    #{window_ms => Window, known_tables => Known,
      tables => [maps:without([tid], maps:merge(maps:get(T, Now), G)) || G = #{tid := T} <- Grown, is_map_key(T, Now)]}.

%% Tables whose owner, or whose owner's application, is not there to look after them. A table goes with its owner unless it has an heir, so a
%% table without one cannot be: what is told is those that an heir or the process that takes over for a dead one has, and those of
%% processes that belong to no application.
orphans(Limit0) ->
    Limit = clamp(Limit0, 1, ?MAX_ROWS),
    Masters = masters(),
    Owners = lists:usort([O || T <- ets:all(), O <- [ets:info(T, owner)], is_pid(O)]),
    Homeless = maps:from_list([{O, true} || O <- Owners, app_of(O, Masters) =:= none]),
    Inherited = [T || T <- ets:all(), is_pid(ets:info(T, heir)), ets:info(T, heir) =:= ets:info(T, owner)],
    Tables = [T || T <- ets:all(), is_map_key(ets:info(T, owner), Homeless)],
    #{without_application => length(Tables), inherited => length(Inherited), tables => [R#{reason => <<"inherited">>} || R <- rows(lists:sublist(Inherited, Limit))] ++
        [R#{reason => <<"owner_has_no_application">>} || R <- rows(lists:sublist(heaviest(Tables, Limit), Limit))]}.

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
    #{skipped => Skipped, applications => [#{application => case App of none -> null; _ -> atom_text(App) end, tables => C, size => N, memory_kb => kb(W)} || {App, {W, N, C}} <- Sorted]}.

%%% To which application a process belongs, without asking anybody: its group leader is the application's master, and masters are linked
%%% to the top supervisor. The application controller keeps them in a table of its own.

masters() ->
    try maps:from_list([{M, A} || [A, M] <- ets:match(ac_tab, {{application_master, '$1'}, '$2'}), is_pid(M)]) catch _:_ -> #{} end.

app_of(P, Masters) ->
    case process_info(P, group_leader) of
        {_, Leader} when is_map_key(Leader, Masters) -> map_get(Leader, Masters);
        %% What belongs to the kernel has its group leader outside.
        {_, Leader} -> case whereis(init) =:= P orelse whereis(user) =:= Leader orelse lists:member(P, kernel()) of true -> kernel; false -> none end;
        undefined -> none
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

id(T) -> text(io_lib:format("~0p", [T])).

%%% The part of the resident process

%% tables: Table => {Memory in words, Size, Since, Bases}, a base for each window: {At, Words, Size}, of a time between one and two windows ago.
start() -> fresh(#{}).

fresh(Tables) -> #{tables => Tables, queue => [], seen => #{}, watched => [], costly => [], complete => false, began => now_ms()}.

stop(_) -> ok.

tick(Until, S = #{watched := Watched}) ->
    Now = now_ms(),
    S1 = lists:foldl(fun(T, Acc) -> read(T, Now, Acc) end, S, Watched),
    S2 = slice(?SLICE, ?COSTLY, Until, Now, begin_round(S1)),
    S2#{watched := watch(maps:get(tables, S2), Now)}.

begin_round(S = #{queue := [], tables := Tables, seen := Seen, complete := Complete}) ->
    %% What was not met in the round that ended is gone.
    Kept = case Complete orelse map_size(Seen) > 0 of true -> maps:with(maps:keys(Seen), Tables); false -> Tables end,
    S#{queue := lists:sublist(ets:all(), ?MAX_TABLES), seen := #{}, tables := Kept};
begin_round(S) -> S.

slice(0, _, _, _, S) -> S;
slice(_, _, _, _, S = #{queue := []}) -> S#{complete := true};
slice(N, Costly, Until, Now, S = #{queue := [T | Rest], seen := Seen}) ->
    S1 = S#{queue := Rest, seen := Seen#{T => true}},
    case ets:info(T, decentralized_counters) of
        true when Costly =:= 0 -> slice(N - 1, 0, Until, Now, S1);
        true -> slice(N - 1, Costly - 1, Until, Now, read(T, Now, S1));
        false when N rem 50 =:= 0 ->
            case now_us() > Until of
                true -> read(T, Now, S1);
                false -> slice(N - 1, Costly, Until, Now, read(T, Now, S1))
            end;
        false -> slice(N - 1, Costly, Until, Now, read(T, Now, S1));
        undefined -> slice(N - 1, Costly, Until, Now, S#{queue := Rest})
    end.

read(T, Now, S = #{tables := Tables}) ->
    case {ets:info(T, memory), ets:info(T, size)} of
        {Words, Size} when is_integer(Words), is_integer(Size) ->
            Reading = case Tables of
                #{T := {_, _, Since, Bases}} -> {Words, Size, Since, rotate(Bases, ?WINDOWS, Now, Words, Size)};
                _ -> {Words, Size, Now, none}
            end,
            S#{tables := Tables#{T => Reading}};
        _ -> S#{tables := maps:remove(T, Tables)}
    end.

%% For each window two readings: the older is what growth is told from, and the newer takes its place when a window has passed.
rotate(none, Windows, Now, Words, Size) -> [{{Now, Words, Size}, {Now, Words, Size}} || _ <- Windows];
rotate(Bases, Windows, Now, Words, Size) ->
    lists:zipwith(fun(B = {_, New = {At, _, _}}, Window) ->
        case Now - At >= Window of true -> {New, {Now, Words, Size}}; false -> B end
    end, Bases, Windows).

%% Growth since the older base, or null when there is but one reading: {milliseconds, bytes, rows}.
grown({_, _, _, none}, _, _) -> null;
grown({Words, Size, _, Bases}, Window, Now) ->
    case lists:keyfind(Window, 1, lists:zip(?WINDOWS, Bases)) of
        {_, {{At, W, N}, _}} when Now > At -> {Now - At, (Words - W) * erlang:system_info(wordsize), Size - N};
        _ -> null
    end.

watch(Tables, Now) ->
    {Large, Fast} = maps:fold(fun(T, R = {Words, _, _, _}, {L, F}) ->
        {insert(Words, T, ?KEEP, L), case grown(R, 60000, Now) of {_, Bytes, _} when Bytes > 0 -> insert(Bytes, T, ?KEEP, F); _ -> F end}
    end, {{0, []}, {0, []}}, Tables),
    lists:usort(best(Large) ++ best(Fast)).

handle(report, S = #{tables := Tables, complete := Complete, watched := Watched}) ->
    Now = now_ms(),
    S1 = case map_size(Tables) of 0 -> tick(now_us() + 5000, S); _ -> S end,
    Known = maps:with(Watched, maps:get(tables, S1)),
    Largest = lists:sublist(lists:reverse(lists:sort([{W, N, T} || {T, {W, N, _, _}} <- maps:to_list(Known)])), 1),
    Growing = lists:sublist(lists:reverse(lists:sort([{Bytes * 60000 div Ms, Bytes, Rows * 60000 div Ms, T} || {T, R} <- maps:to_list(Known), {Ms, Bytes, Rows} <- [grown(R, 60000, Now)], Ms >= 3000, Bytes > 0])), 1),
    {#{complete => Complete, known_tables => map_size(maps:get(tables, S1)),
       largest => case Largest of [{W, N, T}] -> #{id => id(T), name => atom_text(ets:info(T, name)), memory_kb => kb(W), size => N}; [] -> null end,
       fastest => case Growing of [{Rate, _, Rows, T2}] -> #{id => id(T2), name => atom_text(ets:info(T2, name)), bytes_per_min => Rate, rows_per_min => Rows}; [] -> null end}, S1};
handle({growth, Window0, Limit}, S = #{tables := Tables}) ->
    Now = now_ms(),
    Window = lists:last([W || W <- ?WINDOWS, W =:= hd(?WINDOWS) orelse W =< Window0]),
    Top = maps:fold(fun(T, R, Acc) ->
        case grown(R, Window, Now) of
            {Ms, Bytes, Rows} when Bytes > 0 -> insert(Bytes, {T, Ms, Bytes, Rows}, Limit, Acc);
            _ -> Acc
        end
    end, {0, []}, Tables),
    {#{window_ms => Window, known => map_size(Tables), tables => [told(T, Ms, Bytes, Rows, maps:get(T, Tables)) || {T, Ms, Bytes, Rows} <- best(Top)]}, S};
handle({growth_of, T}, S = #{tables := Tables}) ->
    Now = now_ms(),
    Told = case Tables of
        #{T := R} -> [#{window_ms => W, over_ms => Ms, growth_kb => Bytes div 1024, growth_rows => Rows} || W <- ?WINDOWS, {Ms, Bytes, Rows} <- [grown(R, W, Now)]];
        _ -> []
    end,
    {Told, S}.

told(T, Ms, Bytes, Rows, {Words, _, _, _}) ->
    Before = Words * erlang:system_info(wordsize) - Bytes,
    #{tid => T, over_ms => Ms, growth_kb => Bytes div 1024, growth_rows => Rows, growth_pct => case Before > 0 of true -> Bytes * 100 div Before; false -> null end,
      growth_kb_per_min => round(Bytes * 60000 / Ms / 1024), growth_rows_per_min => round(Rows * 60000 / Ms)}.
