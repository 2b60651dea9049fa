defmodule BeamlensTest do
  use Beamlens.Case

  @all [:beam, :ets, :gc, :logger, :ports, :sup, :system, :exception]

  test "every operator has its line, in the order of the list", %{store: store} do
    assert Beamlens.list_operators() == []
    assert Beamlens.operator_status(:beam) == {:error, :not_found}
    start_supervised!({Beamlens, operators: @all, store: store})
    assert Enum.map(Beamlens.list_operators(), & &1.name) == @all
    for op <- @all, do: running(op)
    assert {:ok, %{operator: :beam, state: :healthy, running: true}} = Beamlens.operator_status(:beam)
    assert %{running: _, alert_count: 0, unread_count: 0, iteration: _} = Beamlens.Coordinator.status()
  end

  test "operators come from the configuration", %{store: store} do
    Application.put_env(:beamlens, :operators, [:beam])
    on_exit(fn -> Application.delete_env(:beamlens, :operators) end)
    start_supervised!({Beamlens, store: store})
    running(:beam)
  end

  test "an alert and an insight are telemetry events with structs", %{store: store} do
    subscribe([:beamlens, :operator, :alert_fired])
    subscribe([:beamlens, :coordinator, :alert_received])
    subscribe([:beamlens, :coordinator, :insight_produced])
    start_supervised!({Beamlens, operators: [:beam], store: store})
    running(:beam)
    pid = flood()

    assert_receive {_, %{system_time: _},
                    %{alert: %Beamlens.Alert{anomaly_type: "mailbox_flood"} = alert, operator: :beam, trace_id: trace}},
                   20_000

    assert alert.severity in [:warning, :critical] and alert.operator == :beam and alert.node == node() and
             alert.trace_id == trace

    assert alert.culprit.id == inspect(pid) |> String.replace("#PID", "")
    assert [%Beamlens.Snapshot{captured_at: %DateTime{}, data: %{"message_queue_max" => n}} | _] = alert.snapshots
    assert n >= 10_000
    assert_receive {[:beamlens, :coordinator, :alert_received], _, %{alert_id: _, operator: :beam}}, 5_000
    assert_receive {[:beamlens, :coordinator, :insight_produced], _, %{insight: %Beamlens.Insight{} = insight}}, 40_000
    assert insight.correlation_type in [:temporal, :causal, :symptomatic] and insight.confidence in [:high, :medium, :low]
    assert alert.id in insight.alert_ids
    eventually(fn -> match?({:ok, %{state: state}} when state != :healthy, Beamlens.operator_status(:beam)) end)
    assert {:ok, text} = Beamlens.ask("what is wrong?")
    assert text =~ "mailbox" or text =~ "message"
  end

  test "a skill of the application is watched, and its functions can be called", %{store: store} do
    subscribe([:beamlens, :operator, :alert_fired])
    Beamlens.TestSkill.set(:snapshot, fn -> %{clients: 3, role: :primary} end)

    start_supervised!(
      {Beamlens,
       operators: [[name: :cache, skill: Beamlens.TestSkill, compaction_max_tokens: 100_000, compaction_keep_last: 10]],
       store: store}
    )

    running(:cache)
    assert {:ok, %{operator: :redis}} = Beamlens.operator_status(:cache)
    assert {:ok, %{"system" => system, "tools" => tools, "messages" => [_ | _]}} = Beamlens.payload(:cache)
    assert system =~ "You watch Redis." and system =~ "slowLog(limit)"
    assert "execute" in Enum.map(tools, & &1["name"])
    Beamlens.TestSkill.set(:snapshot, fn -> %{clients: 300, role: :primary} end)
    assert_receive {_, _, %{alert: %{operator: :cache, severity: :critical}}}, 20_000
  end

  test "what does not fit is said, and the rest runs", %{store: store} do
    log =
      ExUnit.CaptureLog.capture_log(fn ->
        start_supervised!(
          {Beamlens, operators: [:beam, :beam, :nonsense, [name: :x, skill: Not.There], "text", [skill: Enum]], store: store}
        )

        running(:beam)
      end)

    assert Enum.map(Beamlens.list_operators(), & &1.name) == [:beam]
    assert log =~ "operator :beam is given twice"
    assert log =~ "operator :nonsense has no skill:"
    assert log =~ "Not.There is no skill"
    assert log =~ ~s("text" is neither an atom nor a keyword list)
    assert log =~ "needs a name:"
  end

  test "client_registry makes the model that is asked", %{store: store} do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, packet: :http_bin, active: false, ip: {127, 0, 0, 1}])
    {:ok, port} = :inet.port(listener)
    Beamlens.TestSkill.set(:snapshot, fn -> %{clients: 300} end)

    registry = %{
      primary: "Local",
      clients: [
        %{name: "Local", provider: :"openai-generic", options: %{base_url: "http://127.0.0.1:#{port}/v1", model: "llama3.2"}}
      ]
    }

    start_supervised!({Beamlens, operators: [[name: :cache, skill: Beamlens.TestSkill]], client_registry: registry, store: store})
    {:ok, socket} = :gen_tcp.accept(listener, 30_000)
    assert {:ok, {:http_request, :POST, {:abs_path, "/v1/chat/completions"}, _}} = :gen_tcp.recv(socket, 0, 10_000)
    # Nobody answers: the analyst does.
    subscribe([:beamlens, :operator, :alert_fired])
    :gen_tcp.close(socket)
    :gen_tcp.close(listener)
    assert_receive {_, _, %{operator: :cache}}, 30_000
  end

  test "a client_registry that is wrong is one clear message", %{store: store} do
    log =
      ExUnit.CaptureLog.capture_log(fn ->
        registry = %{clients: [%{name: "Claude", provider: "antropic"}]}
        start_supervised!({Beamlens, operators: [:beam], client_registry: registry, store: store})
        running(:beam)
        eventually(fn -> :sys.get_state(Beamlens.Notifier.Log) end)
        stop_supervised!(Beamlens)
      end)

    assert log =~ ~s{there is no provider "antropic" (did you mean "anthropic"?)}
    assert log =~ "The built-in analyst investigates"
  end

  test "with no operators there is no engine" do
    start_supervised!({Beamlens, operators: []})
    assert Beamlens.list_operators() == []
    assert %{phase: :idle, os_pid: nil} = Beamlens.Engine.facts()
    assert Beamlens.ask("?") == {:error, :not_running}
  end

  test "a missing and a wrong engine are one clear message each", %{dir: dir, store: store} do
    wrong = Path.join(dir, "wrong")
    File.write!(wrong, "#!/bin/sh\nexit 3\n")
    File.chmod!(wrong, 0o755)
    plain = Path.join(dir, "plain")
    File.write!(plain, "")

    for {path, text} <- [
          {"/no/such/beamlens", "There is no engine at /no/such/beamlens"},
          {plain, "is not executable"},
          {wrong, "ended before it had greeted (exit status 3)"}
        ] do
      log =
        ExUnit.CaptureLog.capture_log(fn ->
          start_supervised!({Beamlens, operators: [:beam], path: path, store: store})
          eventually(fn -> Beamlens.Engine.facts().resting end)
          eventually(fn -> :sys.get_state(Beamlens.Notifier.Log) end)
          stop_supervised!(Beamlens)
        end)

      assert length(String.split(log, "runs on without BeamLens")) == 2, log
      assert log =~ text
    end
  end

  test "an exception that Tower reports reaches the operator", %{store: store} do
    subscribe([:beamlens, :operator, :alert_fired])
    start_supervised!({Beamlens, operators: [:exception], store: store})
    running(:exception)
    eventually(fn -> match?({:ok, _}, :logger.get_handler_config(:beamlens_probe_log)) end)

    event = fn reason, log ->
      %{
        __struct__: Tower.Event,
        kind: :error,
        reason: reason,
        level: :error,
        stacktrace: [{Shop.Cart, :add, 2, [file: String.to_charlist("lib/cart.ex"), line: 7]}],
        log_event: log
      }
    end

    # What Tower heard from the log is there already.
    for _ <- 1..100, do: :ok = Beamlens.Skill.Exception.ExceptionStore.report_event(event.(%RuntimeError{message: "twice"}, %{}))
    reporter = spawn_link(fn -> report(event.(%ArgumentError{message: "the cart is full"}, nil)) end)
    assert_receive {_, _, %{alert: alert}}, 60_000
    Process.unlink(reporter)
    Process.exit(reporter, :kill)
    assert alert.summary =~ "ArgumentError"
    refute alert.summary =~ "RuntimeError"
  end

  defp report(event) do
    :ok = Beamlens.Skill.Exception.ExceptionStore.report_event(event)

    receive do
    after
      25 -> report(event)
    end
  end

  # Those of the original, and :think, which it emits and does not list.
  @original [
    llm: ~w(start stop exception)a,
    tool: ~w(start stop exception)a,
    compaction: ~w(start stop)a,
    operator: ~w(started iteration_start state_change alert_fired alert_failed get_alerts take_snapshot get_snapshot get_snapshots
                   execute_start execute_complete execute_error wait think llm_error loop_stopped unexpected_message)a,
    coordinator: ~w(started alert_received iteration_start get_alerts update_alert_statuses insight_produced done think llm_error
                   loop_stopped unexpected_message)a
  ]

  test "the names of events are those of the original, and more" do
    names = Beamlens.Telemetry.event_names()
    assert names == Enum.uniq(names)
    for {group, events} <- @original, event <- events, do: assert([:beamlens, group, event] in names)
    assert Beamlens.Telemetry.generate_trace_id() =~ ~r/^[0-9a-f]{32}$/
    assert :ok = Beamlens.Telemetry.attach_default_logger(level: :debug)
    assert {:error, :already_exists} = Beamlens.Telemetry.attach_default_logger()
    assert :ok = Beamlens.Telemetry.detach_default_logger()
  end

  test "a tool of the application has the events of a tool" do
    for event <- [:start, :stop, :exception], do: subscribe([:beamlens, :tool, event])
    assert Beamlens.Telemetry.tool_span(%{tool_name: "mine"}, fn -> 5 end) == 5
    assert_received {[_, _, :start], %{system_time: _}, %{tool_name: "mine"}}
    assert_received {[_, _, :stop], %{duration: _}, %{tool_name: "mine", result: 5}}
    assert_raise ArgumentError, fn -> Beamlens.Telemetry.tool_span(%{}, fn -> raise ArgumentError, "no" end) end
    assert_received {[_, _, :exception], %{duration: _}, %{kind: :error, reason: %ArgumentError{}, stacktrace: [_ | _]}}
    assert catch_throw(Beamlens.Telemetry.tool_span(%{}, fn -> throw(:no) end)) == :no
    assert_received {[_, _, :exception], _, %{kind: :throw, reason: :no}}
  end

  test "events carry what those of the original carried", %{store: store} do
    for {group, events} <- @original, event <- events, do: subscribe([:beamlens, group, event])
    start_supervised!({Beamlens, operators: [:beam], store: store})
    running(:beam)
    flood()
    assert_receive {[_, :coordinator, :insight_produced], %{system_time: _}, %{trace_id: <<_::binary-32>>, insight: _}}, 40_000
    assert_receive {[_, :coordinator, :done], _, %{trace_id: _, running: _, alert_count: _, has_unread: unread}}, 10_000
    assert is_boolean(unread)
    stop_supervised!(Beamlens)

    for {event, measurements, metadata} <- [
          {[:llm, :start], [:system_time], [:trace_id, :iteration, :context_size, :operator]},
          {[:llm, :stop], [:duration], [:trace_id, :iteration, :tool_selected, :intent]},
          {[:tool, :start], [:system_time], [:trace_id, :tool_name, :intent]},
          {[:tool, :stop], [:duration], [:trace_id, :tool_name, :intent]},
          {[:operator, :started], [:system_time], [:operator]},
          {[:operator, :iteration_start], [:system_time], [:trace_id, :operator, :iteration, :operator_state]},
          {[:operator, :state_change], [:system_time], [:trace_id, :operator, :from, :to, :reason]},
          {[:operator, :take_snapshot], [:system_time], [:trace_id, :operator, :snapshot_id]},
          {[:operator, :alert_fired], [:system_time], [:trace_id, :operator, :alert]},
          {[:operator, :wait], [:system_time], [:trace_id, :operator, :ms]},
          {[:coordinator, :started], [:system_time], [:running, :alert_count]},
          {[:coordinator, :alert_received], [:system_time], [:alert_id, :operator, :running, :alert_count]},
          {[:coordinator, :iteration_start], [:system_time], [:trace_id, :iteration, :running, :alert_count]},
          {[:coordinator, :get_alerts], [:system_time], [:trace_id, :count]},
          {[:coordinator, :loop_stopped], [:system_time], [:reason]}
        ] do
      name = [:beamlens | event]
      assert_receive {^name, measured, meta}, 1_000
      for key <- measurements, do: assert(is_integer(measured[key]), "#{inspect(name)}: #{inspect(measured)}")
      for key <- metadata, do: assert(Map.has_key?(meta, key), "#{inspect(name)}: #{inspect(meta)}")
      # What is not known here has text as its key.
      assert Enum.all?(Map.keys(meta), &is_atom/1), "#{inspect(name)}: #{inspect(meta)}"
    end
  end
end
