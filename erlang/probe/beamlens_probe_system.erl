%% The part of the probe for the host of the node: what the kernel tells in /proc and in the control groups of the node's process.
%%
%% Files are read here and understood by the engine. Only files with names from this module are read, at most so much of each, without a shell and
%% without the file server. Where there is no /proc, os_mon is asked when it runs.
-module(beamlens_probe_system).

-export([snapshot/1, disks/0, top/1]).
-export([start/0, handle/2, tick/2, stop/1]).

-import(beamlens_probe, [ask_part/2, insert/4, within/2, text/1, clamp/3, now_ms/0]).

-define(TIME, 2000).
-define(MOST, 16384).
%% Control groups whose limits count: the process's own, and those above it.
-define(LEVELS, 8).
%% Processes of the host that are weighed, and for how long (milliseconds).
-define(HOST_PROCESSES, 2000).
-define(SCAN, 1000).

%% Root is empty; tests have a directory with files of another host.
snapshot(Root) ->
    Places = case Root of
        <<>> ->
            case ask_part(?MODULE, places) of
                none -> ask_part(?MODULE, {places, places("")});
                Known -> Known
            end;
        _ -> places(binary_to_list(Root))
    end,
    Told = within(?TIME, fun() -> read_all(binary_to_list(Root), Places) end),
    case {Told, Root} of
        {timeout, _} -> #{error => <<"the host's files cannot be read in time">>};
        {Files, <<>>} -> (monitor(Files))#{files => Files, logical_processors => number(erlang:system_info(logical_processors_available))};
        {Files, _} -> #{files => Files, logical_processors => null, memory => null}
    end.

number(N) when is_integer(N) -> N;
number(_) -> null.

read_all(Root, Places) ->
    Fixed = [{loadavg, "/proc/loadavg"}, {stat, "/proc/stat"}, {meminfo, "/proc/meminfo"}, {statm, "/proc/self/statm"}, {status, "/proc/self/status"}, {self, "/proc/self/stat"},
             {cpu_pressure, "/proc/pressure/cpu"}, {memory_pressure, "/proc/pressure/memory"}, {io_pressure, "/proc/pressure/io"}],
    (maps:from_list([{Key, Text} || {Key, Path} <- [{K, Root ++ P} || {K, P} <- Fixed] ++ maps:get(files, Places), Text <- read(Path)]))#{memory_max => [T || P <- maps:get(memory_max, Places), T <- read(P)], cgroup => maps:get(version, Places)}.

read(Path) ->
    case prim_file:read_file(Path) of
        {ok, Text} when byte_size(Text) > ?MOST -> [binary:part(Text, 0, ?MOST)];
        {ok, Text} -> [Text];
        _ -> []
    end.

%% Without /proc, what os_mon knows of memory.
monitor(#{meminfo := _}) -> #{memory => null};
monitor(_) ->
    case whereis(memsup) =/= undefined andalso within(?TIME, fun() -> memsup:get_system_memory_data() end) of
        L when is_list(L) -> #{memory => maps:from_list([{K, V} || {K, V} <- L, is_atom(K), is_integer(V)])};
        _ -> #{memory => null}
    end.

%%% Where the control groups of the node's process are

places(Root) ->
    Mine = [cgroup_line(L) || T <- read(Root ++ "/proc/self/cgroup"), L <- lines(T)],
    Mounts = [mount(L) || T <- read_whole(Root ++ "/proc/self/mountinfo"), L <- lines(T)],
    Unified = case [P || {[<<>>], P} <- Mine] of
        [Path | _] -> [Root ++ D || {D0, MountRoot, cgroup2, _} <- Mounts, D <- [directory(D0, MountRoot, Path)]];
        [] -> []
    end,
    Version1 = fun(Controller) ->
        [Root ++ directory(D, MountRoot, P) || {Cs, P} <- Mine, lists:member(Controller, Cs), {D, MountRoot, cgroup, Options} <- Mounts, lists:member(Controller, Options)]
    end,
    V2 = [D || D <- lists:sublist(Unified, 1), exists(D ++ "/memory.current")],
    case {V2, Version1(<<"memory">>), Version1(<<"cpu">>)} of
        {[D], _, _} ->
            #{version => 2, memory_max => [U ++ "/memory.max" || U <- above(D, length(Root))],
              files => [{cgroup_memory, D ++ "/memory.current"}, {cgroup_memory_stat, D ++ "/memory.stat"}, {cgroup_events, D ++ "/memory.events"}, {cgroup_cpu, D ++ "/cpu.max"},
                        {cgroup_cpu_stat, D ++ "/cpu.stat"}, {cgroup_memory_pressure, D ++ "/memory.pressure"}, {cgroup_cpu_pressure, D ++ "/cpu.pressure"},
                        {cgroup_io_pressure, D ++ "/io.pressure"}]};
        {[], [M | _], Cpu} ->
            #{version => 1, memory_max => [M ++ "/memory.limit_in_bytes"],
              files => [{cgroup_memory, M ++ "/memory.usage_in_bytes"}, {cgroup_memory_stat, M ++ "/memory.stat"}, {cgroup_events, M ++ "/memory.oom_control"}] ++
                  [F || C <- lists:sublist(Cpu, 1), F <- [{cgroup_quota, C ++ "/cpu.cfs_quota_us"}, {cgroup_period, C ++ "/cpu.cfs_period_us"}, {cgroup_cpu_stat, C ++ "/cpu.stat"}]]};
        {[], [], _} -> #{version => null, memory_max => [], files => []}
    end.

read_whole(Path) ->
    case prim_file:read_file(Path) of
        {ok, Text} when byte_size(Text) < 1000000 -> [Text];
        _ -> []
    end.

exists(Path) -> element(1, prim_file:read_file_info(Path)) =:= ok.

lines(Text) -> binary:split(Text, <<"\n">>, [global, trim_all]).

%% "4:memory:/a/b" is {[<<"memory">>], "/a/b"}; of version 2 the controllers are empty.
cgroup_line(Line) ->
    case binary:split(Line, <<":">>) of
        [_, Rest] ->
            case binary:split(Rest, <<":">>) of
                [Controllers, Path] -> {binary:split(Controllers, <<",">>, [global]), binary_to_list(Path)};
                _ -> none
            end;
        _ -> none
    end.

%% "35 31 0:32 /root /mount/point options ... - type source options" is {"/mount/point", "/root", type, [option]}.
mount(Line) ->
    case binary:split(Line, <<" - ">>) of
        [Before, After] ->
            case {binary:split(Before, <<" ">>, [global]), binary:split(After, <<" ">>, [global])} of
                {[_, _, _, Root, Point | _], [Type | Rest]} ->
                    {binary_to_list(Point), binary_to_list(Root), case Type of <<"cgroup2">> -> cgroup2; <<"cgroup">> -> cgroup; _ -> other end,
                     case Rest of [_, Options | _] -> binary:split(Options, <<",">>, [global]); _ -> [] end};
                _ -> none
            end;
        _ -> none
    end.

%% A path of a control group where its tree is mounted: the mount may show only the part of the tree that a container has.
directory(Point, "/", "/") -> Point;
directory(Point, "/", Path) -> Point ++ Path;
directory(Point, MountRoot, Path) ->
    case lists:prefix(MountRoot, Path) of
        true -> Point ++ lists:nthtail(length(MountRoot), Path);
        false -> Point
    end.

%% The directory and those above it, for as long as they have limits.
above(D, Least) -> above(D, Least, ?LEVELS).

above(_, _, 0) -> [];
above(D, Least, N) when length(D) > Least ->
    case exists(D ++ "/memory.max") of
        true -> [D | above(filename:dirname(D), Least, N - 1)];
        false -> []
    end;
above(_, _, _) -> [].

%%% Disks

%% What os_mon knows; and where the node is, so that an engine which is in the same place can look for itself, as the VM has no function for that.
disks() ->
    Monitored = case whereis(disksup) =/= undefined andalso within(?TIME, fun() -> disksup:get_disk_data() end) of
        L when is_list(L) -> [#{mount => text(M), total_kb => Kb, used_pct => P} || {M, Kb, P} <- lists:sublist(L, 50), is_integer(Kb), Kb > 0];
        _ -> []
    end,
    #{disks => Monitored, boot => first(within(?TIME, fun() -> read("/proc/sys/kernel/random/boot_id") end)),
      space => case within(?TIME, fun() -> prim_file:read_link("/proc/self/ns/mnt") end) of {ok, Link} -> text(Link); _ -> null end,
      root => case within(?TIME, fun() -> prim_file:read_link("/proc/self/root") end) of {ok, "/"} -> true; _ -> false end}.

first([Text | _]) -> Text;
first(_) -> null.

%%% Who has the memory of the host

top(Limit) ->
    Keep = clamp(Limit, 1, 50),
    Stop = now_ms() + ?SCAN,
    Told = within(2 * ?SCAN, fun() ->
        Pids = case prim_file:list_dir("/proc") of
            {ok, Names} -> lists:sublist([N || N = [D | _] <- Names, D >= $0, D =< $9], ?HOST_PROCESSES);
            _ -> []
        end,
        {_, Top} = lists:foldl(fun(N, Acc) -> case now_ms() < Stop of true -> resident(N, Keep, Acc); false -> Acc end end, {0, []}, Pids),
        {length(Pids), [#{os_pid => list_to_integer(N), name => comm(N), pages => Pages, node => N =:= os:getpid()} || {Pages, N} <- lists:reverse(Top)]}
    end),
    case Told of
        {Count, Rows} -> #{os_processes => Count, processes => Rows};
        _ -> #{error => <<"the host's processes cannot be read in time">>}
    end.

resident(N, Keep, Acc) ->
    case [binary:split(T, <<" ">>, [global]) || T <- read("/proc/" ++ N ++ "/statm")] of
        [[_, Resident | _]] -> insert(binary_to_integer(Resident), N, Keep, Acc);
        _ -> Acc
    end.

comm(N) ->
    case read("/proc/" ++ N ++ "/comm") of
        [T] -> text(hd(binary:split(T, <<"\n">>)));
        [] -> null
    end.

%%% The part of the resident process: where things are does not change

start() -> none.

stop(_) -> ok.

tick(_, S) -> S.

handle(places, S) -> {S, S};
handle({places, Places}, _) -> {Places, Places}.
