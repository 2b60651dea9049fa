defmodule Beamlens.OperatorsTest do
  @moduledoc "Operators that are started and stopped while the application runs, and several of one skill."
  use Beamlens.Case

  alias Beamlens.{Operator, TestSkill}

  setup do
    TestSkill.set(:snapshot, fn -> %{clients: 3} end)
    on_exit(fn -> Application.delete_env(:beamlens, :operators) end)
  end

  defp names, do: Enum.map(Beamlens.list_operators(), & &1.name)
  defp all_run(names), do: Enum.each(names, &running/1)

  # Kills a process of the package, and waits until another has its name.
  defp kill(name) do
    old = Process.whereis(name)
    Process.exit(old, :kill)
    eventually(fn -> Process.whereis(name) not in [nil, old] end)
  end

  test "without Beamlens there is a clear answer" do
    Application.put_env(:beamlens, :operators, [:beam, [name: :x, skill: TestSkill]])
    assert Operator.Supervisor.configured_operators() == [:beam, :x]
    assert :exception in Operator.Supervisor.builtin_skills()
    assert Operator.Supervisor.start_operator(:ets) == {:error, :not_running}
    assert Operator.Supervisor.start_operators() == [{:error, :not_running}, {:error, :not_running}]
    assert Operator.Supervisor.stop_operator(:ets) == {:error, :not_found}
    assert Operator.start_link(name: :ets) == {:error, :not_running}
    assert Operator.status(:ets) == {:error, :not_found}
    assert Operator.stop(:ets) == {:error, :not_found}
    assert Beamlens.Coordinator.start_link([]) == :ignore
  end

  test "an operator is started in an engine that runs, and stopped", %{store: store} do
    subscribe([:beamlens, :operator, :alert_fired])
    subscribe([:beamlens, :operator, :loop_stopped])
    start_supervised!({Beamlens, operators: [:beam], store: store, interval: 100})
    running(:beam)
    %{os_pid: engine} = Beamlens.Engine.facts()
    reads = :counters.new(1, [])

    TestSkill.set(:snapshot, fn ->
      :counters.add(reads, 1, 1)
      %{clients: 300}
    end)

    assert {:ok, pid} = Operator.Supervisor.start_operator(name: :cache, skill: TestSkill)
    assert {:ok, _} = Operator.Supervisor.start_operator(:ets)
    assert names() == [:beam, :cache, :ets]
    all_run([:cache, :ets])
    assert_receive {_, _, %{operator: :cache, alert: %{operator: :cache, severity: :critical}}}, 20_000
    eventually(fn -> match?(%{operator: :redis, running: true, state: s} when s != :healthy, Operator.status(pid)) end)
    assert {:ok, %{"system" => system}} = Beamlens.payload(:cache)
    assert system =~ "You watch Redis."

    # Once more changes nothing.
    assert {:error, {:already_started, ^pid}} = Operator.Supervisor.start_operator(name: :cache, skill: TestSkill)

    assert :ok = Operator.Supervisor.stop_operator(:cache)
    assert names() == [:beam, :ets]
    assert Beamlens.operator_status(:cache) == {:error, :not_found}
    assert Operator.Supervisor.stop_operator(:cache) == {:error, :not_found}
    assert_receive {_, _, %{operator: :cache, final_state: state}} when state in [:observing, :warning, :critical], 5_000
    assert {:error, _} = Beamlens.payload(:cache)
    # Nobody reads it any more.
    n = :counters.get(reads, 1)
    refute_receive :nothing, 500
    assert :counters.get(reads, 1) == n

    # One that was configured can be stopped as well, by its process too.
    assert :ok = Operator.stop(Operator.whereis(:beam))
    assert names() == [:ets]
    assert Operator.Supervisor.configured_operators() == [:beam]
    assert %{os_pid: ^engine} = Beamlens.Engine.facts()
  end

  test "what does not fit is refused with the reason, and is not kept", %{store: store} do
    start_supervised!({Beamlens, operators: [:beam], store: store})
    running(:beam)
    TestSkill.set(:snapshot, fn -> raise "no" end)

    for {spec, says} <- [
          {[name: :x, skill: Not.There], "Not.There is no skill"},
          {[skill: 5], "needs a name:"},
          {"text", "is neither an atom nor a keyword list"},
          {[name: :"No Name", skill: Beamlens.BadSkill], "callbacks"},
          {[name: :x, skill: Beamlens.BadSkill], "callbacks"}
        ] do
      assert {:error, text} = Operator.Supervisor.start_operator(spec)
      assert text =~ says
    end

    assert Operator.Supervisor.start_operator(:nope) == {:error, {:unknown_builtin_skill, :nope}}
    # A snapshot that fails is no reason: what it reads may come later.
    assert {:ok, _} = Operator.Supervisor.start_operator(name: :cache, skill: TestSkill)
    assert names() == [:beam, :cache]
    for i <- 3..64, do: assert({:ok, _} = Operator.Supervisor.start_operator(name: :"g#{i}", skill: Beamlens.Skill.Gc))
    assert Operator.Supervisor.start_operator(name: :one_more, skill: Beamlens.Skill.Gc) == {:error, :max_children}
    all_run([:beam, :g64])
  end

  test "what was started stays started, and what was stopped stays stopped, whoever dies", %{store: store} do
    start_supervised!({Beamlens, operators: [:beam, :gc], store: store})
    all_run([:beam, :gc])
    assert {:ok, _} = Operator.Supervisor.start_operator(name: :cache, skill: TestSkill)
    assert :ok = Operator.Supervisor.stop_operator(:gc)
    %{os_pid: old} = Beamlens.Engine.facts()
    signal("KILL", old)
    eventually(fn -> match?(%{phase: :running, os_pid: new} when new != old, Beamlens.Engine.facts()) end)
    all_run([:beam, :cache])

    for name <- [Beamlens.Engine, Beamlens.Operator.Supervisor, Beamlens.Notifier, Beamlens.Notifier.Log] do
      kill(name)
      eventually(fn -> names() == [:beam, :cache] end)
      all_run([:beam, :cache])
    end

    # Its process alone: it is started again, and keeps its place.
    Process.exit(Operator.whereis(:beam), :kill)
    eventually(fn -> is_pid(Operator.whereis(:beam)) end)
    all_run([:beam, :cache])
    assert names() == [:beam, :cache]
    assert {:ok, _} = Beamlens.ask("how are you?")
  end

  test "the first operator starts the engine; without one it is still started, later", %{store: store} do
    pid = start_supervised!({Beamlens, operators: [], store: store})
    assert {:ok, _} = Operator.Supervisor.start_operator(:beam)
    running(:beam)
    assert :ok = Operator.Supervisor.stop_operator(:beam)
    assert Beamlens.list_operators() == []
    assert {:ok, _} = Operator.Supervisor.start_operator(:beam)
    running(:beam)
    assert Process.alive?(pid)
    stop_supervised!(Beamlens)

    start_supervised!({Beamlens, operators: [], path: "/no/such/beamlens"})
    assert {:ok, _} = Operator.Supervisor.start_operator(:beam)
    assert [%{name: :beam, running: false}] = Beamlens.list_operators()
  end

  test "an operator of a supervision tree of the application lives as long as that", %{store: store} do
    subscribe([:beamlens, :operator, :unexpected_message])
    start_supervised!({Beamlens, operators: [:beam], store: store})
    mine = start_supervised!({Operator, name: :mine, skill: Beamlens.Skill.Gc})
    start_supervised!({Operator, name: :paused, skill: Beamlens.Skill.Gc, start_loop: false})
    all_run([:beam, :mine])
    assert %{running: false} = Operator.status(:paused)
    assert {:error, {:already_started, ^mine}} = Operator.Supervisor.start_operator(name: :mine, skill: Beamlens.Skill.Gc)
    send(mine, :hello)
    assert_receive {_, _, %{operator: :mine, message: ":hello"}}, 5_000
    kill(Beamlens.Engine)
    all_run([:beam, :mine])
    stop_supervised!({Operator, :mine})
    assert names() == [:beam, :paused]
  end

  test "two operators of one skill both fire, in their own names; and two skills of one id are two", %{store: store} do
    subscribe([:beamlens, :operator, :alert_fired])
    subscribe([:beamlens, :operator, :take_snapshot])
    subscribe([:beamlens, :watch, :finding_opened])

    TestSkill.set(:snapshot, fn -> %{clients: 300} end)

    start_supervised!(
      {Beamlens,
       operators: [
         [name: :a, skill: Beamlens.Skill.Beam],
         [name: :b, skill: Beamlens.Skill.Beam, compaction_max_tokens: 20_000],
         [name: :one, skill: TestSkill],
         [name: :same, skill: TestSkill],
         [name: :other, skill: Beamlens.OtherSkill]
       ],
       store: store}
    )

    all_run([:a, :b, :one, :same, :other])
    assert {:ok, %{operator: :beam}} = Beamlens.operator_status(:a)
    flood()
    fired = for _ <- 1..5, into: %{}, do: fired()
    assert fired.a.anomaly_type == "mailbox_flood" and fired.b.anomaly_type == "mailbox_flood"
    assert fired.a.trace_id != fired.b.trace_id
    assert Enum.all?([:one, :same, :other], &(fired[&1].severity == :critical))
    # Each has what it watches.
    assert hd(fired.one.snapshots).data["clients"] == 300 and hd(fired.other.snapshots).data["clients"] == 500
    for op <- [:a, :b], do: assert_receive({_, _, %{operator: ^op, snapshot_id: _}}, 10_000)
    assert_receive {_, _, %{skill: "beam", operators: [:a, :b], operator: :a, finding: %{}}}, 10_000
    for op <- [:a, :b], do: eventually(fn -> match?({:ok, %{state: s}} when s != :healthy, Beamlens.operator_status(op)) end)
  end

  # Of each operator the first.
  defp fired do
    assert_receive {[_, _, :alert_fired], _, %{operator: op, alert: %{operator: op} = alert}}, 40_000
    {op, alert}
  end

  test "alerts, insights and snapshots are JSON, for Jason and for Elixir's own" do
    snapshot = Beamlens.Snapshot.new(%{"id" => "5", "captured_at" => "2026-01-02T03:04:05Z", "data" => %{"queue" => 7}})

    alert = %{
      Beamlens.Alert.new(%{"id" => "1", "severity" => "critical", "summary" => "it \"grows\"", "culprit" => nil}, :beam)
      | snapshots: [snapshot],
        detected_at: ~U[2026-01-02 03:04:05Z]
    }

    insight = Beamlens.Insight.new(%{"id" => "2", "alert_ids" => ["1"], "confidence" => "high"})
    encode = [(&Jason.encode!/1) | if(Code.ensure_loaded?(JSON), do: [&apply(JSON, :encode!, [&1])], else: [])]

    for encode <- encode do
      text = encode.([alert, insight])

      for part <- [~s("severity":"critical"), ~s("operator":"beam"), ~s("it \\"grows\\""), ~s("queue":7)],
          do: assert(text =~ part)

      for part <- [~s("detected_at":"2026-01-02T03:04:05Z"), ~s("confidence":"high"), ~s("alert_ids":["1"])],
          do: assert(text =~ part)

      refute text =~ "__struct__"
    end

    # The stand-in refuses what is not implemented, as the real one does.
    assert_raise Protocol.UndefinedError, fn -> Jason.encode!(%URI{}) end
    assert Protocol.consolidated?(Jason.Encoder) == false or Jason.Encoder.impl_for(alert) == Jason.Encoder.Beamlens.Alert
  end
end
