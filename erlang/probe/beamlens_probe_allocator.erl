%% The part of the probe for the VM's memory allocators.
%%
%% An allocator gets carriers from the system and puts blocks into them: multi-block carriers hold many, a single-block carrier one large block.
%% A carrier is given back when its last block is gone, so few blocks in many carriers are memory that nobody uses: fragmentation.
%%
%% allocator_sizes is what is asked each time; it takes a third of a millisecond. What allocator tells beyond it takes a hundred times that,
%% and is asked of one allocator at a time.
-module(beamlens_probe_allocator).

-export([snapshot/1, instances/1, detail/1]).

-import(beamlens_probe, [within/2, atom_text/1, text/1]).

-define(TIME, 2000).

%% One map for each allocator: bytes of blocks and carriers, of both kinds, and of the carriers that instances have put into the pool for others.
%% With Count the number of all carriers too, which costs more.
snapshot(Count) ->
    Told = within(?TIME, fun() ->
        Names = erlang:system_info(alloc_util_allocators),
        {[{A, erlang:system_info({allocator_sizes, A})} || A <- Names], Count andalso lists:sum([carriers_of(A) || A <- Names])}
    end),
    case Told of
        {Sizes, N} ->
            #{carrier_count => case N of false -> null; _ -> N end, allocators => [(sum(Instances))#{name => atom_text(A)} || {A, Instances} <- Sizes, is_list(Instances)]};
        timeout -> #{error => <<"a scheduler does not answer">>}
    end.

carriers_of(A) ->
    case erlang:system_info({allocator, A}) of
        Instances when is_list(Instances) -> lists:sum([count(carriers, P) || {instance, _, L} <- Instances, {K, P} <- L, is_kind(K)]);
        _ -> 0
    end.

%% The instances of one allocator. Instance 0 is for threads that are no schedulers, the others for a scheduler each.
instances(Name) ->
    case known(Name) of
        none -> #{error => <<"there is no allocator ", (text(Name))/binary>>};
        A ->
            case within(?TIME, fun() -> erlang:system_info({allocator_sizes, A}) end) of
                Instances when is_list(Instances) -> #{name => Name, instances => [(sum([I]))#{instance => N} || I = {instance, N, _} <- Instances]};
                _ -> #{error => <<"a scheduler does not answer">>}
            end
    end.

%% How many blocks and carriers there are, which costs more.
detail(Name) ->
    case known(Name) of
        none -> #{error => <<"there is no allocator ", (text(Name))/binary>>};
        A ->
            case within(?TIME, fun() -> erlang:system_info({allocator, A}) end) of
                Instances when is_list(Instances) ->
                    Parts = [Part || {instance, _, L} <- Instances, Part <- L],
                    #{name => Name, blocks => lists:sum([count(blocks, P) || {K, P} <- Parts, is_kind(K)]), carriers => lists:sum([count(carriers, P) || {K, P} <- Parts, is_kind(K)]),
                      calls => lists:sum([calls(L) || {calls, L} <- Parts])};
                _ -> #{error => <<"a scheduler does not answer">>}
            end
    end.

known(Name) ->
    case [A || A <- erlang:system_info(alloc_util_allocators), atom_text(A) =:= Name] of
        [A] -> A;
        [] -> none
    end.

is_kind(K) -> lists:member(K, [mbcs, sbcs, mbcs_pool]).

sum(Instances) ->
    Parts = [Part || {instance, _, L} <- Instances, is_list(L), Part <- L],
    Kind = fun(K) -> Ps = [P || {Key, P} <- Parts, Key =:= K], {lists:sum([blocks(P) || P <- Ps]), lists:sum([carriers(P) || P <- Ps])} end,
    {{Mb, Mc}, {Sb, Sc}, {Pb, Pc}} = {Kind(mbcs), Kind(sbcs), Kind(mbcs_pool)},
    #{instances => length(Instances), mbcs_blocks => Mb, mbcs_carriers => Mc, sbcs_blocks => Sb, sbcs_carriers => Sc, pool_blocks => Pb, pool_carriers => Pc}.

%% Since OTP 23 blocks are told by type, as other allocators' blocks may be in a carrier of the pool; before, it was one size.
blocks(P) ->
    case lists:keyfind(blocks, 1, P) of
        {_, Types} when is_list(Types) -> lists:sum([size_of(L) || {_, L} <- Types, is_list(L)]);
        _ -> current(lists:keyfind(blocks_size, 1, P))
    end.

size_of(L) -> current(lists:keyfind(size, 1, L)).

carriers(P) -> current(lists:keyfind(carriers_size, 1, P)).

%% {Key, Current}, or {Key, Current, Highest since the last look, Highest}.
current(T) when is_tuple(T), tuple_size(T) > 1, is_integer(element(2, T)) -> element(2, T);
current(_) -> 0.

count(blocks, P) ->
    case lists:keyfind(blocks, 1, P) of
        {_, Types} when is_list(Types) -> lists:sum([current(lists:keyfind(count, 1, L)) || {_, L} <- Types, is_list(L)]);
        Told -> current(Told)
    end;
count(Key, P) -> current(lists:keyfind(Key, 1, P)).

%% {binary_alloc, Giga, Calls}
calls(L) ->
    case [C || C <- L, is_tuple(C), tuple_size(C) =:= 3] of
        [{_, Giga, N} | _] when is_integer(Giga), is_integer(N) -> Giga * 1000000000 + N;
        _ -> 0
    end.
