%% The part of the probe for ports, sockets and file descriptors.
%%
%% Ports are read with port_info/2 and, for sockets, with what inet:i/0 uses: the port is asked, no process. A port that is busy with
%% something that does not yield holds up who asks, so a scanner does it (beamlens_probe:look/6). Sockets of the module socket are no
%% ports; the VM keeps a list of them, and they are read from it.
%%
%% Addresses of others are not told, only what kind they are and the port number.
-module(beamlens_probe_ports).

-export([snapshot/0, list/1, one/1, top/2, inet/2, inet_stats/0, owners/1, queues/1, suspended/1]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, look/6, look_all/4, seen/1, insert/4, best/1, slow_info/3, within/2, label/4, names/1, pid/1, mfa/1,
                         atom_text/1, text/1, clamp/3, now_ms/0, now_us/0]).

%% Ports whose queues a tick reads, and how many of the longest are read at each.
-define(SLICE, 2000).
-define(KEEP, 20).
-define(READINGS, 60).
-define(MAX_ROWS, 50).
%% Ports and sockets that are counted by owner, and sockets that are ranked.
-define(MAX_OWNED, 50000).
-define(MAX_SOCKETS, 5000).
%% File descriptors are counted no more often than this (milliseconds), and so many times less than it takes.
-define(COUNT_EVERY, 5000).
-define(COUNT_SHARE, 1000).
%% Who owns at least so many of a kind is who opens them; else it is who started the owners.
-define(MANY, 5).
-define(SUSPECTS, 2000).

%%% What the engine asks

snapshot() ->
    {Report, Due} = ask_part(?MODULE, report),
    Fds = case Due of
        true -> ask_part(?MODULE, {fds, count_fds()});
        false -> maps:get(fds, Report)
    end,
    Report#{fds := Fds, port_count => erlang:system_info(port_count), port_limit => erlang:system_info(port_limit), sockets => count_sockets()}.

%% Sockets of the module socket; null where there is no such module or it cannot tell.
count_sockets() ->
    try prim_socket:info() of
        #{counters := #{num_sockets := N}} -> N;
        #{num_sockets := N} -> N;
        _ -> null
    catch _:_ -> null
    end.

%% {how many, the limit, milliseconds it took}. From Linux 6.2 on the size of the directory is the number; before, it is listed.
count_fds() ->
    Start = now_us(),
    Open = case within(2000, fun() -> prim_file:read_file_info("/proc/self/fd") end) of
        {ok, Info} when element(2, Info) > 0 -> element(2, Info);
        {ok, _} ->
            case within(2000, fun() -> {ok, L} = prim_file:list_dir("/proc/self/fd"), length(L) - 1 end) of
                N when is_integer(N) -> N;
                _ -> null
            end;
        _ -> null
    end,
    {Open, fd_limit(), (now_us() - Start) div 1000}.

fd_limit() ->
    case within(1000, fun() -> prim_file:read_file("/proc/self/limits") end) of
        {ok, Text} ->
            [Line | _] = [L || L <- binary:split(Text, <<"\n">>, [global]), binary:match(L, <<"Max open files">>) =:= {0, 14}] ++ [<<>>],
            case [W || W <- binary:split(Line, <<" ">>, [global, trim_all])] of
                [_, _, _, Soft | _] -> try binary_to_integer(Soft) catch _:_ -> null end;
                _ -> null
            end;
        _ ->
            case within(1000, fun() -> [N || {max_fds, N} <- lists:flatten(erlang:system_info(check_io))] end) of
                [N | _] -> N;
                _ -> null
            end
    end.

%% The ports, newest first.
list(Limit) ->
    Ports = erlang:ports(),
    Rows = rows(lists:sublist(lists:reverse(Ports), clamp(Limit, 1, ?MAX_ROWS))),
    #{port_count => length(Ports), showing => length(Rows), ports => Rows}.

one(Id) ->
    P = try list_to_port(binary_to_list(Id)) catch _:_ -> none end,
    case is_port(P) andalso rows([P]) of
        [Row] -> maps:merge(Row, case is_inet(P) of true -> inet_row(P); false -> #{} end);
        _ -> #{error => <<"there is no port ", (text(Id))/binary>>}
    end.

top(SortBy, Limit) ->
    Item = case SortBy of
        <<"input">> -> input;
        <<"output">> -> output;
        <<"memory">> -> memory;
        <<"queue">> -> queue_size;
        _ -> error({unknown_sort, SortBy})
    end,
    Keep = clamp(Limit, 1, ?MAX_ROWS),
    {Top, Rest, L} = look(fun(P, T) ->
        case erlang:port_info(P, Item) of
            {_, V} -> insert(V, P, Keep, T);
            undefined -> T
        end
    end, {erlang:ports(), none}, {0, []}, 1000, 1 bsl 40, #{}),
    Rows = rows(best(Top)),
    #{port_count => seen(L), showing => length(Rows), sort_by => SortBy, complete => Rest =:= none, ports => Rows}.

rows(Ports) ->
    Told = within(?SUSPECTS, fun() -> [{P, erlang:port_info(P), erlang:port_info(P, os_pid), erlang:port_info(P, queue_size), erlang:port_info(P, memory)} || P <- Ports] end),
    Alive = [T || T <- case Told of timeout -> []; _ -> Told end, element(2, T) =/= undefined],
    Names = names([O || {_, L, _, _, _} <- Alive, {connected, O} <- L]),
    [begin
        Owner = proplists:get_value(connected, L),
        #{id => id(P), name => name(proplists:get_value(name, L)), connected_pid => pid(Owner), owner_name => maps:get(Owner, Names, null),
          os_pid => value(Os), input_bytes => proplists:get_value(input, L), output_bytes => proplists:get_value(output, L),
          queue_size => value(Queue), memory_kb => case value(Memory) of null -> null; B -> B div 1024 end}
    end || {P, L, Os, Queue, Memory} <- Alive].

value({_, V}) when is_integer(V) -> V;
value(_) -> null.

id(P) -> list_to_binary(erlang:port_to_list(P)).

name(Name) -> text(lists:sublist(Name, 100)).

%%% Sockets of both kinds

is_inet(P) ->
    case erlang:port_info(P, name) of
        {_, Name} -> inet_kind(Name) =/= none;
        undefined -> false
    end.

inet_kind("tcp_inet") -> tcp;
inet_kind("udp_inet") -> udp;
inet_kind("sctp_inet") -> sctp;
inet_kind(_) -> none.

%% Sockets, those with most of something first.
inet(SortBy, Limit) ->
    Keep = clamp(Limit, 1, ?MAX_ROWS),
    Key = case SortBy of
        <<"input">> -> recv_bytes;
        <<"output">> -> send_bytes;
        <<"queue">> -> queue_size;
        _ -> error({unknown_sort, SortBy})
    end,
    Rank = fun(P, Acc = {N, T}) ->
        case inet_port(P) of
            none -> Acc;
            Kind -> {N + 1, insert(moved(P, Key), {P, Kind}, Keep, T)}
        end
    end,
    {{Ports, Top}, Rest, _} = look(Rank, {erlang:ports(), none}, {0, {0, []}}, 1000, 1 bsl 40, #{}),
    {Sockets, Infos} = sockets(),
    Top1 = lists:foldl(fun({S, I}, T) -> insert(maps:get(case Key of queue_size -> num_writers; _ -> Key end, flat(I), 0), {socket, S, I}, Keep, T) end, Top, Infos),
    Best = best(Top1),
    Rows = case within(?SUSPECTS, fun() -> [R || X <- Best, R <- [inet_row(X)], R =/= #{}] end) of timeout -> []; Told -> Told end,
    Names = names([O || #{owner := O} <- Rows]),
    #{inet_ports => Ports, sockets => Sockets, showing => length(Rows), sort_by => SortBy, complete => Rest =:= none,
      connections => [R#{owner := pid(O), owner_name => maps:get(O, Names, null)} || R = #{owner := O} <- Rows]}.

inet_port(P) ->
    case erlang:port_info(P, name) of
        {_, Name} -> inet_kind(Name);
        undefined -> none
    end.

moved(P, recv_bytes) -> stat(P, recv_oct);
moved(P, send_bytes) -> stat(P, send_oct);
moved(P, queue_size) -> case erlang:port_info(P, queue_size) of {_, Q} -> Q; _ -> 0 end.

stat(P, Item) ->
    try inet:getstat(P, [Item]) of
        {ok, [{_, N}]} -> N;
        _ -> 0
    catch _:_ -> 0
    end.

inet_row({socket, S, I}) ->
    F = flat(I),
    Remote = try socket:peername(S) catch _:_ -> none end,
    Local = try socket:sockname(S) catch _:_ -> none end,
    #{id => socket_id(S), backend => <<"socket">>, kind => atom_text(maps:get(protocol, F, undefined)), owner => maps:get(owner, F, undefined),
      states => [atom_text(A) || A <- maps:get(rstates, F, []) ++ maps:get(wstates, F, []), is_atom(A)], recv_bytes => maps:get(recv_bytes, F),
      send_bytes => maps:get(send_bytes, F), queue_size => null, waiting_writers => maps:get(num_writers, F, 0), local => place(Local), remote => place(Remote)};
inet_row({P, Kind}) ->
    case erlang:port_info(P, connected) of
        {_, Owner} ->
            #{id => id(P), backend => <<"inet">>, kind => atom_text(Kind), owner => Owner,
              states => case catch prim_inet:getstatus(P) of {ok, States} -> [atom_text(A) || A <- States, is_atom(A)]; _ -> [] end,
              recv_bytes => stat(P, recv_oct), send_bytes => stat(P, send_oct), queue_size => moved(P, queue_size), waiting_writers => null,
              local => place(catch inet:sockname(P)), remote => place(catch inet:peername(P))};
        undefined -> #{}
    end;
inet_row(P) -> maps:without([id, owner, queue_size], inet_row({P, inet_port(P)})).

socket_id({'$socket', Ref}) -> list_to_binary(ref_to_list(Ref));
socket_id(_) -> <<"socket">>.

%% The counters of a socket are in a map of their own on newer releases.
flat(I) ->
    C = case I of #{counters := M} when is_map(M) -> M; #{counters := L} when is_list(L) -> maps:from_list(L); _ -> I end,
    I#{recv_bytes => maps:get(read_byte, C, 0), send_bytes => maps:get(write_byte, C, 0)}.

%% How many sockets there are, and what some of them tell: [{Socket, Info}].
sockets() ->
    case within(1000, fun() -> registered_sockets() end) of
        {N, Infos} -> {N, Infos};
        _ -> {null, []}
    end.

registered_sockets() ->
    All = try socket:which_sockets() catch _:_ -> [] end,
    {length(All), [{S, I} || S <- lists:sublist(All, ?MAX_SOCKETS), I <- [try socket:info(S) catch _:_ -> none end], is_map(I)]}.

%% Where it is, without saying who: "private:5432".
place({ok, {Address, Port}}) when is_tuple(Address), is_integer(Port) -> place(Address, Port);
place({ok, #{addr := Address, port := Port}}) -> place(Address, Port);
place({ok, #{family := local}}) -> <<"local">>;
place({ok, {local, _}}) -> <<"local">>;
place(_) -> null.

place(Address, Port) when is_integer(Port) -> iolist_to_binary([atom_to_list(class(Address)), ":", integer_to_list(Port)]);
place(Address, _) -> atom_to_binary(class(Address), utf8).

class(any) -> any;
class(loopback) -> loopback;
class({0, 0, 0, 0}) -> any;
class({127, _, _, _}) -> loopback;
class({10, _, _, _}) -> private;
class({172, B, _, _}) when B >= 16, B < 32 -> private;
class({192, 168, _, _}) -> private;
class({100, B, _, _}) when B >= 64, B < 128 -> private;
class({169, 254, _, _}) -> link_local;
class({0, 0, 0, 0, 0, 0, 0, 0}) -> any;
class({0, 0, 0, 0, 0, 0, 0, 1}) -> loopback;
class({0, 0, 0, 0, 0, 65535, A, B}) -> class({A div 256, A rem 256, B div 256, B rem 256});
class({A, _, _, _, _, _, _, _}) when A >= 16#fc00, A < 16#fe00 -> private;
class({A, _, _, _, _, _, _, _}) when A >= 16#fe80, A < 16#fec0 -> link_local;
class(_) -> public.

inet_stats() ->
    {{Tcp, Udp, Sctp, In, Out, Queue, Queued}, Rest, _} = look(fun(P, Acc = {T, U, S, I, O, Q, N}) ->
        case inet_port(P) of
            none -> Acc;
            Kind ->
                Waits = moved(P, queue_size),
                {T + one_if(Kind =:= tcp), U + one_if(Kind =:= udp), S + one_if(Kind =:= sctp), I + stat(P, recv_oct), O + stat(P, send_oct), Q + Waits,
                 N + one_if(Waits > 0)}
        end
    end, {erlang:ports(), none}, {0, 0, 0, 0, 0, 0, 0}, 1000, ?MAX_OWNED, #{}),
    #{tcp => Tcp, udp => Udp, sctp => Sctp, sockets => count_sockets(), recv_bytes => In, send_bytes => Out, queue_bytes => Queue, with_queue => Queued,
      complete => Rest =:= none}.

one_if(true) -> 1;
one_if(false) -> 0.

%%% Who opens them

%% Ports and sockets counted by kind and by who opens them. Who owns many of a kind is who opens them. Else it is who started the owners:
%% a process for each connection, or for each socket of gen_tcp's newer kind, which is kept by a process of its own.
owners(Limit) ->
    {_, Infos} = sockets(),
    Sockets = [{<<"socket ", (atom_text(maps:get(protocol, I, unknown)))/binary>>, O} || {_, I = #{owner := O}} <- Infos, is_pid(O)],
    {Ports, _, _} = look(fun(P, Acc) ->
        case {erlang:port_info(P, name), erlang:port_info(P, connected)} of
            {{_, Name}, {_, O}} -> [{name(Name), O} | Acc];
            _ -> Acc
        end
    end, {lists:sublist(erlang:ports(), ?MAX_OWNED), none}, [], 1000, ?MAX_OWNED, #{}),
    All = Sockets ++ Ports,
    Counts = lists:foldl(fun(K, Acc) -> Acc#{K => maps:get(K, Acc, 0) + 1} end, #{}, All),
    Few = lists:usort([O || {{_, O}, N} <- maps:to_list(Counts), N < ?MANY]),
    {Parents, _, _} = look(fun(P, Acc) ->
        case process_info(P, parent) of
            {_, Parent} when is_pid(Parent) -> Acc#{P => Parent};
            _ -> Acc
        end
    end, {Few, none}, #{}, 1000, ?MAX_OWNED, #{}),
    Groups = maps:fold(fun({Kind, O}, N, Acc) ->
        Key = case N < ?MANY andalso maps:get(O, Parents, none) of
            P when is_pid(P) -> {Kind, P, parent};
            _ -> {Kind, O, owner}
        end,
        {N0, Sample} = maps:get(Key, Acc, {0, O}),
        Acc#{Key => {N0 + N, Sample}}
    end, #{}, Counts),
    Sorted = lists:sublist(lists:reverse(lists:sort([{N, K, S} || {K, {N, S}} <- maps:to_list(Groups)])), ?MAX_ROWS),
    {Since, Before} = ask_part(?MODULE, {owners, maps:from_list([{K, N} || {N, K, _} <- Sorted])}),
    Shown = lists:sublist(Sorted, clamp(Limit, 1, ?MAX_ROWS)),
    Names = names([O || {_, {_, O, _}, _} <- Shown]),
    Deadline = now_ms() + ?SUSPECTS,
    #{counted => length(All), since_ms => Since,
      openers => [#{kind => Kind, count => N, opener => pid(O), opener_name => maps:get(O, Names, null), opener_of => case Names of #{O := _} -> null; _ -> above(O, 3, Deadline) end, opener_label => started_as(O, Deadline),
                    by => atom_text(By), owner_label => case By of owner -> null; parent -> started_as(Sample, Deadline) end,
                    growth => case Before of #{K := N0} -> N - N0; _ when Since =:= null -> null; _ -> N end}
                  || {N, K = {Kind, O, By}, Sample} <- Shown]}.

%% The nearest process above one without a name that has one.
above(_, 0, _) -> null;
above(P, N, Deadline) ->
    case node(P) =:= node() andalso slow_info(P, [parent], Deadline) of
        [{_, Parent}] when is_pid(Parent) ->
            case names([Parent]) of
                #{Parent := Name} -> #{pid => pid(Parent), name => Name};
                _ -> above(Parent, N - 1, Deadline)
            end;
        _ -> null
    end.

started_as(P, Deadline) ->
    case node(P) =:= node() andalso slow_info(P, [initial_call, garbage_collection_info], Deadline) of
        [{_, Call}, {_, Gc}] -> label(P, Call, Gc, Deadline);
        _ -> null
    end.

%%% Queues, and who waits for them

queues(Limit) ->
    Rows = lists:sublist(ask_part(?MODULE, queues), clamp(Limit, 1, ?MAX_ROWS)),
    Told = maps:from_list([{maps:get(id, R), R} || R <- rows([P || {P, _, _, _} <- Rows])]),
    #{ports => [(maps:get(id(P), Told))#{queue_size => Q, growth_bytes_per_s => Rate, over_ms => Ms} || {P, Q, Rate, Ms} <- Rows, is_map_key(id(P), Told)]}.

%% A process that writes to a busy port is suspended until the port has written what it has. One that sends through a socket is not: it waits
%% for the port's answer. That is looked for among those that have to do with the port: its owner, who is linked to it, who monitors it.
suspended(Limit) ->
    {{N, Pids}, Rest, L} = look_all(fun(P, Acc = {N, Ps}) ->
        case process_info(P, status) of
            {_, suspended} when N < ?MAX_ROWS -> {N + 1, [P | Ps]};
            {_, suspended} -> {N + 1, Ps};
            _ -> Acc
        end
    end, {0, []}, 1000, #{}),
    Sending = sending(lists:sublist([P || {P, _, _, _} <- ask_part(?MODULE, queues)], ?KEEP)),
    Shown = lists:sublist([{P, null} || P <- Pids] ++ Sending, clamp(Limit, 1, ?MAX_ROWS)),
    Names = names([P || {P, _} <- Shown]),
    #{total_processes => seen(L), suspended => N + length(Sending), complete => Rest =:= none,
      processes => [R || {P, Port} <- Shown, R <- [waiter(P, Port, Names)], R =/= gone]}.

sending(Ports) ->
    Deadline = now_ms() + ?SUSPECTS,
    Pairs = case within(500, fun() -> [{W, Port} || Port <- Ports, W <- around(Port)] end) of
        timeout -> [];
        Found -> Found
    end,
    [{W, id(Port)} || {W, Port} <- lists:sublist(Pairs, ?MAX_ROWS), is_pid(W),
                      case slow_info(W, [current_function], Deadline) of [{_, {prim_inet, _, _}}] -> true; _ -> false end].

around(Port) ->
    lists:usort([P || Item <- [connected, links, monitors, monitored_by], {_, V} <- [erlang:port_info(Port, Item)], P <- case V of _ when is_list(V) -> lists:sublist(V, ?KEEP); _ -> [V] end, is_pid(P)]).

waiter(P, Port, Names) ->
    case within(200, fun() -> process_info(P, [initial_call, message_queue_len, parent]) end) of
        [{_, Call}, {_, Queue}, {_, Parent}] ->
            #{pid => pid(P), name => maps:get(P, Names, null), initial_call => mfa(Call), message_queue => Queue, parent => pid(Parent), port => Port};
        _ -> gone
    end.

%%% The part of the resident process

%% queued: Port => [{Time, Bytes}], newest first, of those that had something in their queue; sum is of the round.
start() -> #{rest => none, queued => #{}, sum => 0, last_sum => 0, with => 0, last_with => 0, fds => null, next_fds => now_ms(), owners => none}.

stop(_) -> ok.

tick(Until, S = #{queued := Queued, sum := Sum0, with := With0}) ->
    Now = now_ms(),
    Watched = read_again(Queued, Now, Until),
    Rest0 = case maps:get(rest, S) of none -> {erlang:ports(), none}; R -> R end,
    {{Sum, With, Top}, Rest, _} = look(fun(P, Acc = {N, W, T}) ->
        case erlang:port_info(P, queue_size) of
            {_, Q} when Q > 0 -> {N + Q, W + 1, insert(Q, P, ?KEEP, T)};
            _ -> Acc
        end
    end, Rest0, {Sum0, With0, {0, []}}, ?SLICE, ?SLICE, #{until => Until, stalls => 2}),
    {_, Found} = Top,
    New = maps:from_list([{P, [{Now, Q}]} || {Q, P} <- Found, not is_map_key(P, Watched)]),
    S1 = S#{rest := Rest, queued := longest(maps:merge(Watched, New))},
    case Rest of
        none -> S1#{sum := 0, with := 0, last_sum := Sum, last_with := With};
        _ -> S1#{sum := Sum, with := With}
    end.

read_again(Queued, _, _) when map_size(Queued) =:= 0 -> #{};
read_again(Queued, Now, Until) ->
    {Read, _, _} = look(fun(P, Acc) ->
        case erlang:port_info(P, queue_size) of
            {_, Q} when Q > 0 -> Acc#{P => lists:sublist([{Now, Q} | map_get(P, Queued)], ?READINGS)};
            _ -> Acc
        end
    end, {maps:keys(Queued), none}, #{}, ?SLICE, ?SLICE, #{until => Until, stalls => 2}),
    Read.

longest(Queued) ->
    case map_size(Queued) =< ?KEEP of
        true -> Queued;
        false -> maps:from_list(lists:sublist(lists:sort(fun({_, [{_, A} | _]}, {_, [{_, B} | _]}) -> A >= B end, maps:to_list(Queued)), ?KEEP))
    end.

handle(report, S0) ->
    S = #{queued := Queued, fds := Fds, next_fds := Next} = case S0 of #{rest := none, last_sum := 0, queued := Q} when map_size(Q) =:= 0 -> tick(now_us() + 5000, S0); _ -> S0 end,
    Lengths = [Q || [{_, Q} | _] <- maps:values(Queued)],
    {{#{queue_total => max(maps:get(last_sum, S), lists:sum(Lengths)), with_queue => max(maps:get(last_with, S), length(Lengths)),
        queue_max => lists:max([0 | Lengths]), fds => Fds}, now_ms() >= Next}, S};
handle({fds, {Open, Limit, Took}}, S) ->
    Fds = #{open => Open, limit => Limit},
    {Fds, S#{fds := Fds, next_fds := now_ms() + max(?COUNT_EVERY, Took * ?COUNT_SHARE)}};
handle(queues, S = #{queued := Queued}) ->
    Rows = [{P, Q, case Now - At of 0 -> null; Ms -> (Q - Q0) * 1000 div Ms end, Now - At}
            || {P, Readings = [{Now, Q} | _]} <- maps:to_list(Queued), {At, Q0} <- [lists:last(Readings)]],
    {lists:reverse(lists:keysort(2, Rows)), S};
handle({owners, Counts}, S = #{owners := Before}) ->
    Now = now_ms(),
    {case Before of none -> {null, #{}}; {At, Old} -> {Now - At, Old} end, S#{owners := {Now, Counts}}}.
