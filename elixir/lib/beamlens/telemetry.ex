defmodule Beamlens.Telemetry do
  @events [
    {[:llm, :start], "iteration, context_size"},
    {[:llm, :stop], "iteration, tool_selected, intent (the same), model, input_tokens, output_tokens; measurement duration"},
    {[:llm, :exception], "iteration, kind, reason, stacktrace; measurement duration"},
    {[:llm, :call],
     "provider, model, cost_usd (not there when the price is not known), input_tokens, output_tokens, run_cost_usd, day_cost_usd, day_calls; measurement duration"},
    {[:tool, :start], "tool_name, intent"},
    {[:tool, :stop], "tool_name, intent; measurement duration"},
    {[:tool, :exception], "tool_name, intent, kind, reason, stacktrace; measurement duration"},
    {[:agent, :takeover], "reason: the analyst has taken over from a model"},
    {[:claim, :ungrounded], "dropped, first: sentences of a model said what was not read, and were dropped"},
    {[:claim, :contradicted], "model, verdict: a model blamed another than the investigation does, which stands"},
    {[:compaction, :start], "message_count (also a measurement), tokens"},
    {[:compaction, :stop], "message_count (also a measurement), tokens, strategy"},
    {[:operator, :started], ""},
    {[:operator, :iteration_start], "iteration, operator_state, reason"},
    {[:operator, :state_change], "from, to, reason"},
    {[:operator, :alert_fired], "alert, a Beamlens.Alert"},
    {[:operator, :alert_updated], "alert: the same trouble was claimed again"},
    {[:operator, :alert_cleared], "alert: the trouble is over"},
    {[:operator, :alert_failed], "reason"},
    {[:operator, :get_alerts], "count"},
    {[:operator, :take_snapshot], "snapshot_id"},
    {[:operator, :get_snapshot], "snapshot_id"},
    {[:operator, :get_snapshots], "count"},
    {[:operator, :execute_start], "code"},
    {[:operator, :execute_complete], "result, callbacks; measurement duration"},
    {[:operator, :execute_error], "reason"},
    {[:operator, :wait], "ms"},
    {[:operator, :think], "thought"},
    {[:operator, :done], "summary"},
    {[:operator, :llm_error], "reason: a run did not end"},
    {[:operator, :loop_stopped], "final_state: it was stopped"},
    {[:operator, :unexpected_message], "message: what was sent to its process, as text"},
    {[:coordinator, :started], ""},
    {[:coordinator, :iteration_start], "iteration, reason"},
    {[:coordinator, :alert_received], "alert_id, operator"},
    {[:coordinator, :get_alerts], "count"},
    {[:coordinator, :update_alert_statuses], "alert_ids, status, reason"},
    {[:coordinator, :insight_produced], "insight, a Beamlens.Insight"},
    {[:coordinator, :insight_followed], "insight, verdict, why: what has happened since bears it out, or does not"},
    {[:coordinator, :invoke_operators], "skills"},
    {[:coordinator, :wait], "ms"},
    {[:coordinator, :done], "has_unread"},
    {[:coordinator, :think], "thought"},
    {[:coordinator, :llm_error], "reason: a run did not end"},
    {[:coordinator, :loop_stopped], "reason: the engine ended, and it with it"},
    {[:coordinator, :unexpected_message], "never: it has no mailbox in this VM. The name is there for who attaches to it"},
    {[:watch, :finding_opened], "skill, operators, finding: a metric departs from normal"},
    {[:watch, :finding_cleared], "skill, operators, finding"},
    {[:watch, :snapshot_failed], "skill, operators, reason"},
    {[:watch, :snapshot_recovered], "skill, operators"},
    {[:watch, :shedding], "skill, operators, took_ms, next_in_ms: the VM answers slowly, and is read less often"},
    {[:watch, :shedding_ended], "skill, operators"},
    {[:target, :up], "the engine reads this VM"},
    {[:target, :down], "reason"}
  ]

  @table Enum.map_join(@events, "\n", fn {name, doc} -> "| `#{inspect([:beamlens | name])}` | #{doc} |" end)

  @moduledoc """
  The `:telemetry` events of BeamLens.

      :telemetry.attach("my-alerts", [:beamlens, :operator, :alert_fired],
        fn _event, _measurements, %{alert: alert}, _config -> IO.puts(alert.summary) end, nil)

  Every event has the measurement `system_time`, and in its metadata `operator` (the operator's name; not for the coordinator's),
  `trace_id` (one for a whole investigation; nil outside of one) and what the table says. A watch belongs to a skill: its events have the
  skill's id as text, the names of all `operators` of that skill, and the first of them as `operator`. Events of the coordinator have
  `running` and `alert_count` besides. Handlers run in `Beamlens.Notifier`: one that
  sleeps or crashes holds up neither the engine nor your application. `:telemetry` is not a dependency: without it nothing is emitted.

  | event | metadata |
  |---|---|
  #{@table}
  """

  @compile {:no_warn_undefined, :telemetry}

  require Logger

  alias Beamlens.Status

  @names Map.new(@events, fn {name, _} -> {Enum.map_join(name, ".", &Atom.to_string/1), [:beamlens | name]} end)
         |> Map.merge(%{
           "operator.run_failed" => [:beamlens, :operator, :llm_error],
           "operator.stopped" => [:beamlens, :operator, :loop_stopped],
           "coordinator.run_failed" => [:beamlens, :coordinator, :llm_error]
         })

  # The fields that have an atom as key; a field that a newer engine adds has text.
  @fields ~w(iteration context_size tool_selected tool_name model reason message_count tokens strategy operator_state from to count
             provider cost_usd calls input_tokens output_tokens run_cost_usd day_cost_usd day_calls dropped first
             snapshot_id code result callbacks ms thought summary alert_ids status skills skill final_state message running alert_count has_unread)a
  @keys Map.new(@fields, &{Atom.to_string(&1), &1})
  @states Map.new(~w(healthy observing warning critical unread acknowledged resolved)a, &{Atom.to_string(&1), &1})

  @doc "The names of all events."
  def event_names, do: for({name, _} <- @events, do: [:beamlens | name])

  @doc "A new trace id: 32 hexadecimal digits."
  def generate_trace_id, do: Base.encode16(:crypto.strong_rand_bytes(16), case: :lower)

  @doc """
  Emits `[:beamlens, :tool, :start]`, runs the function, and emits `:stop` with its result or `:exception`. For tools of your own: those of
  the engine do it themselves.
  """
  def tool_span(metadata, fun) do
    began = System.monotonic_time()
    emit_tool_start(metadata)

    try do
      fun.()
    catch
      kind, reason ->
        emit_tool_exception(
          metadata,
          if(kind == :error, do: Exception.normalize(:error, reason, __STACKTRACE__), else: reason),
          began,
          kind,
          __STACKTRACE__
        )

        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      result ->
        emit_tool_stop(metadata, result, began)
        result
    end
  end

  @doc "Emits `[:beamlens, :tool, :start]`."
  def emit_tool_start(metadata), do: execute([:beamlens, :tool, :start], %{system_time: System.system_time()}, metadata)

  @doc "Emits `[:beamlens, :tool, :stop]`; the time is `System.monotonic_time/0` of the start."
  def emit_tool_stop(metadata, result, start_time),
    do: execute([:beamlens, :tool, :stop], took(start_time), Map.put(metadata, :result, result))

  @doc "Emits `[:beamlens, :tool, :exception]`."
  def emit_tool_exception(metadata, error, start_time, kind \\ :error, stacktrace \\ []) do
    about = %{kind: kind, reason: error, stacktrace: stacktrace}
    execute([:beamlens, :tool, :exception], took(start_time), Map.merge(metadata, about))
  end

  defp took(start_time), do: %{duration: System.monotonic_time() - start_time}

  defp execute(event, measurements, metadata) do
    if available?(), do: :telemetry.execute(event, measurements, metadata)
    :ok
  end

  @handler "beamlens-telemetry-default-logger"

  @doc """
  Logs every event.

  | option | default | |
  |---|---|---|
  | `:level` | `:debug` | of the log lines |
  """
  def attach_default_logger(opts \\ []) do
    with_telemetry(fn ->
      :telemetry.attach_many(@handler, event_names(), &__MODULE__.log_event/4, Keyword.get(opts, :level, :debug))
    end)
  end

  @doc "Ends what `attach_default_logger/1` began."
  def detach_default_logger, do: with_telemetry(fn -> :telemetry.detach(@handler) end)

  defp with_telemetry(fun), do: if(available?(), do: fun.(), else: {:error, :telemetry_not_available})

  defp available?, do: Code.ensure_loaded?(:telemetry)

  @doc false
  def log_event([:beamlens | name], _, meta, level) do
    about = meta[:alert] || meta[:insight]
    text = (about && about.summary) || meta[:reason] || meta[:thought] || ""
    Logger.log(level, "BeamLens #{meta[:operator]} #{Enum.join(name, ".")} #{text}", domain: [:beamlens])
  end

  @doc false
  # An event of the engine, in the Notifier.
  def emit(%{"name" => name} = event) do
    with %{^name => event_name} <- @names, true <- available?() do
      fields = event["fields"] || %{}
      :telemetry.execute(event_name, measurements(event_name, fields), metadata(event_name, event, fields))

      if event_name == [:beamlens, :operator, :alert_fired] do
        coordinator = Beamlens.Coordinator.status()

        meta = %{
          alert_id: event["alert"]["id"],
          operator: Status.name(event["subject"]),
          trace_id: event["trace_id"],
          running: coordinator.running,
          alert_count: coordinator.alert_count
        }

        :telemetry.execute([:beamlens, :coordinator, :alert_received], measurements(event_name, %{}), meta)
      end
    end

    :ok
  end

  def emit(_), do: :ok

  defp measurements([_, kind, _], fields) do
    base = %{system_time: System.system_time()}

    base =
      case fields do
        %{"duration" => ns} when is_integer(ns) -> Map.put(base, :duration, System.convert_time_unit(ns, :nanosecond, :native))
        _ -> base
      end

    if kind == :compaction, do: Map.put(base, :message_count, fields["message_count"]), else: base
  end

  defp metadata([_, kind, _] = event_name, event, fields) do
    meta = for {k, v} <- fields, k not in ["duration", "usage"], into: %{}, do: {Map.get(@keys, k, k), v}

    meta
    |> Map.put(:trace_id, event["trace_id"])
    |> whose(kind, event["subject"])
    |> states()
    |> intent()
    |> usage(fields["usage"])
    |> exception(event_name)
    |> put(:alert, event["alert"], &Beamlens.Alert.new(&1, Status.name(&1["operator"])))
    |> put(:insight, event["insight"], &Beamlens.Insight.new/1)
    |> put(:finding, event["finding"], & &1)
  end

  # Its name as the atom that the application gave.
  defp whose(meta, _, "coordinator"), do: meta

  defp whose(meta, :watch, skill) do
    names = Status.of_skill(skill)
    Map.merge(meta, %{skill: skill, operators: names, operator: List.first(names) || skill})
  end

  defp whose(meta, _, wire), do: Map.put(meta, :operator, Status.name(wire))

  defp intent(%{tool_selected: tool} = meta), do: Map.put(meta, :intent, tool)
  defp intent(%{tool_name: tool} = meta), do: Map.put(meta, :intent, tool)
  defp intent(meta), do: meta

  defp put(meta, _, nil, _), do: meta
  defp put(meta, key, value, new), do: Map.put(meta, key, new.(value))

  defp states(meta) do
    for key <- [:operator_state, :final_state, :from, :to, :status], text = meta[key], reduce: meta do
      meta -> Map.put(meta, key, Map.get(@states, text, text))
    end
  end

  defp usage(meta, %{"Input" => input, "Output" => output}), do: Map.merge(meta, %{input_tokens: input, output_tokens: output})
  defp usage(meta, _), do: meta

  defp exception(meta, [_, _, :exception]), do: Map.merge(%{kind: :error, stacktrace: []}, meta)
  defp exception(meta, _), do: meta
end
