defmodule Beamlens.RobustTest do
  @moduledoc "Whatever goes wrong in the engine, in a handler or in a skill: the application's own latency does not change."
  use Beamlens.Case

  defp start(opts) do
    start_supervised!({Beamlens, opts})
    running(opts[:operators] |> List.last() |> then(&if(is_list(&1), do: &1[:name], else: &1)))
    Beamlens.Engine.facts()
  end

  test "kill -9 of the engine: back within two seconds, alerts and what was learnt kept, no zombie", %{store: store} do
    subscribe([:beamlens, :operator, :alert_fired])
    %{os_pid: old} = start(operators: [:beam], store: store)
    flood()
    assert_receive {_, _, %{alert: %{id: id}}}, 20_000
    # It is stored for the first time after ten seconds. That the next engine reads it is shown in watch/.
    learnt = fn -> Enum.any?([store, store <> "-wal"], &(File.exists?(&1) and File.read!(&1) =~ "beam #{node()}/beam")) end
    eventually(learnt, 20_000)
    began = System.monotonic_time(:millisecond)
    signal("KILL", old)
    eventually(fn -> match?(%{phase: :running, os_pid: new} when new != old, Beamlens.Engine.facts()) end)
    running(:beam)
    took = System.monotonic_time(:millisecond) - began
    assert took < 2_000, "it took #{took} ms"
    refute alive?(old)
    assert learnt.()
    # The alert is known to the engine that came: it is not fired a second time, and its operator is not healthy for long.
    {:ok, %{"messages" => messages}} = eventually(fn -> with {:error, _} <- Beamlens.payload(:beam), do: nil end)
    assert inspect(messages, limit: :infinity, printable_limit: :infinity) =~ id
    unharmed()
  end

  test "an engine that always dies is given up, with one message, and the application lives", %{dir: dir, store: store} do
    path = Path.join(dir, "dies")
    # It greets as the engine does, and ends.
    hello = :erlang.term_to_binary({:hello, 1, %{}})
    File.write!(path <> ".hello", <<byte_size(hello)::32, hello::binary>>)
    File.write!(path, "#!/bin/sh\ncat #{path}.hello\nexit 9\n")
    File.chmod!(path, 0o755)

    log =
      ExUnit.CaptureLog.capture_log(fn ->
        start_supervised!({Beamlens, operators: [:beam], path: path, store: store})
        eventually(fn -> Beamlens.Engine.facts().resting end, 15_000)
        :sys.get_state(Beamlens.Notifier.Log)
      end)

    assert length(String.split(log, "ended 5 times in a row")) == 2, log
    assert length(String.split(log, "is started again")) == 5, log
    unharmed()
  end

  test "an engine that stands still is killed and replaced; nobody waits for it", %{store: store} do
    %{os_pid: old} = start(operators: [:beam, [name: :redis, skill: Beamlens.TestSkill]], store: store, silence: 4_000)
    signal("STOP", old)
    unharmed()
    # More than the pipe holds.
    for i <- 1..500, do: spawn(fn -> Beamlens.ask("#{i}" <> String.duplicate("x", 1_000), timeout: 100) end)
    unharmed()
    assert %{phase: :running} = Beamlens.Engine.facts()
    eventually(fn -> match?(%{phase: :running, os_pid: new} when new != old, Beamlens.Engine.facts()) end, 15_000)
    refute alive?(old)
    running(:beam)
  end

  test "standard output that is full: who does not read it, and an engine that says too much, harm nobody", %{
    dir: dir,
    store: store
  } do
    %{os_pid: pid} = start(operators: [:beam, :ets], store: store, interval: 20)
    # The process that owns the port stands still. What the engine says waits in its mailbox, and the engine waits for answers.
    :erlang.suspend_process(Process.whereis(Beamlens.Engine))
    unharmed()

    receive do
    after
      3_000 -> :ok
    end

    assert {:message_queue_len, n} = Process.info(Process.whereis(Beamlens.Engine), :message_queue_len)
    assert n < 500
    unharmed()
    :erlang.resume_process(Process.whereis(Beamlens.Engine))
    assert {:ok, _} = Beamlens.ask("how are you?")
    assert %{os_pid: ^pid} = Beamlens.Engine.facts()
    stop_supervised!(Beamlens)

    path = Path.join(dir, "talks")
    frame = fn term -> with bin = :erlang.term_to_binary(term), do: <<byte_size(bin)::32, bin::binary>> end
    File.write!(path <> ".hello", frame.({:hello, 1, %{}}))
    File.write!(path <> ".says", String.duplicate(frame.({:notify, %{}}), 50_000))
    File.write!(path, "#!/bin/sh\ncat #{path}.hello\nwhile :; do cat #{path}.says; done\n")
    File.chmod!(path, 0o755)

    log =
      ExUnit.CaptureLog.capture_log(fn ->
        start_supervised!({Beamlens, operators: [:beam], path: path, store: store})
        unharmed()
        eventually(fn -> Beamlens.Engine.facts().failures > 0 end)
        unharmed()
        :sys.get_state(Beamlens.Notifier.Log)
      end)

    assert log =~ "says more than 20000 things in a second"
    stop_supervised!(Beamlens)
  end

  test "standard error that is full holds up nobody", %{dir: dir, store: store} do
    {:ok, engine} = Beamlens.Binary.find(nil)
    path = Path.join(dir, "full")
    # As much as the pipe holds; who writes one byte more waits for ever.
    File.write!(path, "#!/bin/sh\nmkfifo #{path}.err\nexec 2<>#{path}.err\nhead -c 65536 /dev/zero >&2\nexec #{engine} \"$@\"\n")
    File.chmod!(path, 0o755)
    %{os_pid: old} = start(operators: [:beam], path: path, store: store)
    assert {:ok, _} = Beamlens.ask("how are you?")
    unharmed()
    stop_supervised!(Beamlens)
    refute alive?(old)
  end

  test "an engine of another protocol is one clear message", %{dir: dir, store: store} do
    path = Path.join(dir, "other")
    hello = :erlang.term_to_binary({:hello, 2, %{}})
    File.write!(path <> ".hello", <<byte_size(hello)::32, hello::binary>>)
    File.write!(path, "#!/bin/sh\ncat #{path}.hello\nexec sleep 60\n")
    File.chmod!(path, 0o755)

    log =
      ExUnit.CaptureLog.capture_log(fn ->
        start_supervised!({Beamlens, operators: [:beam], path: path, store: store})
        eventually(fn -> match?(%{phase: :waiting, resting: true}, Beamlens.Engine.facts()) end)
        :sys.get_state(Beamlens.Notifier.Log)
      end)

    assert length(String.split(log, "runs on without BeamLens")) == 2, log
    assert log =~ "version 2 of the protocol"
  end

  test "a handler that sleeps, and one that crashes, hold up neither the engine nor the application", %{store: store} do
    :telemetry.attach("sleeps", [:beamlens, :operator, :started], fn _, _, _, _ -> :timer.sleep(:infinity) end, nil)
    on_exit(fn -> :telemetry.detach("sleeps") end)
    :telemetry.attach("raises", [:beamlens, :target, :up], fn _, _, _, _ -> raise "no" end, nil)
    start(operators: [:beam], store: store)
    assert {:ok, _} = Beamlens.ask("how are you?")
    unharmed()
    assert {:message_queue_len, n} = Process.info(Process.whereis(Beamlens.Notifier), :message_queue_len)
    assert n <= 1_000
  end

  test "events beyond what the queue holds are dropped and counted" do
    queue = Beamlens.Notifier.new_queue()
    Process.register(self(), Beamlens.Notifier)
    for _ <- 1..5_000, do: Beamlens.Notifier.tell(queue, {:event, %{}})
    assert Beamlens.Notifier.dropped(queue) == 4_000
    Process.unregister(Beamlens.Notifier)
    assert Beamlens.Notifier.tell(queue, {:event, %{}}) == :ok
    assert Beamlens.Notifier.dropped(queue) == 4_001
  end

  for {what, fun} <- [
        loops: quote(do: fn -> Stream.cycle([1]) |> Enum.each(& &1) end),
        eats: quote(do: fn -> Stream.iterate([], &[&1, &1 | Enum.to_list(1..1000)]) |> Enum.take(1_000_000) end),
        raises: quote(do: fn -> raise "no" end),
        exits: quote(do: fn -> exit(:no) end),
        sleeps: quote(do: fn -> :timer.sleep(:infinity) end),
        wrong: quote(do: fn -> :no_map end)
      ] do
    test "a snapshot that #{what} ends with an error, and the rest goes on", %{store: store} do
      subscribe([:beamlens, :watch, :snapshot_failed])
      Beamlens.TestSkill.set(:snapshot, unquote(fun))
      on_exit(fn -> Beamlens.TestSkill.set(:snapshot, fn -> %{clients: 3} end) end)
      start_supervised!({Beamlens, operators: [:beam, [name: :redis, skill: Beamlens.TestSkill]], store: store})
      unharmed()
      eventually(fn -> match?({:ok, %{running: true}}, Beamlens.operator_status(:beam)) end, 15_000)
      assert_receive {_, _, %{reason: reason}}, 15_000
      assert is_binary(reason)
      unharmed()
      assert {:ok, _} = Beamlens.ask("how are you?")
    end
  end

  test "whatever the engine asks for, only the probe is served" do
    {:ok, state} = Beamlens.Engine.init(%{operators: []}) |> then(fn {:ok, s, _} -> {:ok, s} end)
    served = Map.keys(state.served)
    assert {"beamlens_probe", "snapshot", 0} in served

    assert Enum.all?(served, fn {m, f, _} ->
             String.starts_with?(m, "beamlens_probe") and f not in ["loop", "module_info", "log"]
           end)
  end

  test "a thousand calls leave no atoms, no processes and no memory", %{store: store} do
    Beamlens.TestSkill.set(:snapshot, fn -> %{clients: 3} end)
    start(operators: [:beam, :ets, [name: :redis, skill: Beamlens.TestSkill]], store: store, interval: 20)
    calls = fn -> :counters.get(Beamlens.Engine.facts().calls, 1) end
    # What is loaded and made with the first questions is there to stay.
    eventually(fn -> calls.() > 300 end, 30_000)
    for {_, pid, _, _} <- Supervisor.which_children(Beamlens.Supervisor), do: :erlang.garbage_collect(pid)
    {atoms, processes, from} = {:erlang.system_info(:atom_count), length(Process.list()), calls.()}
    memory = engine_memory()
    eventually(fn -> calls.() > from + 1_000 end, 60_000)
    assert :erlang.system_info(:atom_count) - atoms <= 5
    assert abs(length(Process.list()) - processes) <= 10
    assert engine_memory() - memory < 500_000
  end

  defp engine_memory do
    for name <- [Beamlens.Engine, Beamlens.Notifier], reduce: 0 do
      sum ->
        pid = Process.whereis(name)
        :erlang.garbage_collect(pid)
        sum + elem(Process.info(pid, :memory), 1)
    end
  end

  test "the application stops: so does the engine, and it leaves a record", %{store: store} do
    %{os_pid: pid} = start(operators: [:beam], store: store)
    eventually(fn -> File.exists?(store) end)
    began = System.monotonic_time(:millisecond)
    stop_supervised!(Beamlens)
    assert System.monotonic_time(:millisecond) - began < 3_000
    refute alive?(pid)
    assert File.read!(store <> ".last.json") =~ "the application stops"
    eventually(fn -> Process.whereis(:beamlens_probe) == nil end)
    # What is compiled in stays.
    assert :code.is_loaded(:beamlens_probe)
  end

  test "kill -9 of the VM: the engine is gone within two seconds, and has left a record", %{dir: dir, store: store} do
    script = Path.join(dir, "vm.exs")

    File.write!(script, """
    Application.ensure_all_started(:logger)
    {:ok, _} = Supervisor.start_link([{Beamlens, operators: [:beam, :ets], store: #{inspect(store)}}], strategy: :one_for_one)
    await = fn await -> if match?({:ok, %{running: true}}, Beamlens.operator_status(:ets)), do: :ok, else: (receive do after 20 -> await.(await) end) end
    await.(await)
    IO.puts("up \#{System.pid()} \#{Beamlens.Engine.facts().os_pid}")
    receive do :never -> :ok end
    """)

    port =
      Port.open({:spawn_executable, System.find_executable("elixir")}, [
        :binary,
        :exit_status,
        line: 1_000,
        args: ["-pa", Application.app_dir(:beamlens, "ebin"), script]
      ])

    assert_receive {^port, {:data, {:eol, "up " <> pids}}}, 30_000
    [vm, engine] = String.split(pids)
    assert alive?(vm) and alive?(engine)
    # There is something to write down.
    receive do
    after
      1_500 -> :ok
    end

    began = System.monotonic_time(:millisecond)
    signal("KILL", vm)
    eventually(fn -> not alive?(engine) end)
    took = System.monotonic_time(:millisecond) - began
    assert took < 2_000, "it took #{took} ms"
    record = File.read!(store <> ".last.json")
    assert record =~ "the VM is gone"
    assert record =~ ~s("skill": "beam") and record =~ ~s("process_count")
  end
end
