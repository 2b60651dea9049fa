defmodule Beamlens.Telemetry do
  @events [
    {[:llm, :start], "iteration, context_size"},
    {[:llm, :stop], "iteration, tool_selected, model, input_tokens, output_tokens; measurement duration"},
    {[:llm, :exception], "iteration, kind, reason, stacktrace; measurement duration"},
    {[:tool, :start], "tool_name"},
    {[:tool, :stop], "tool_name; measurement duration"},
    {[:tool, :exception], "tool_name, kind, reason, stacktrace; measurement duration"},
    {[:agent, :takeover], "reason: the analyst has taken over from a model"},
    {[:compaction, :start], "message_count, tokens"},
    {[:compaction, :stop], "message_count, tokens, strategy"},
    {[:operator, :started], ""},
    {[:operator, :iteration_start], "operator_state, reason"},
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
    {[:coordinator, :started], ""},
    {[:coordinator, :iteration_start], "iteration, reason"},
    {[:coordinator, :alert_received], "alert_id, operator"},
    {[:coordinator, :get_alerts], "count"},
    {[:coordinator, :update_alert_statuses], "alert_ids, status, reason"},
    {[:coordinator, :insight_produced], "insight, a Beamlens.Insight"},
    {[:coordinator, :invoke_operators], "skills"},
    {[:coordinator, :wait], "ms"},
    {[:coordinator, :done], ""},
    {[:coordinator, :think], "thought"},
    {[:coordinator, :llm_error], "reason: a run did not end"},
    {[:watch, :finding_opened], "finding: a metric departs from normal"},
    {[:watch, :finding_cleared], "finding"},
    {[:watch, :snapshot_failed], "skill, reason"},
    {[:watch, :snapshot_recovered], "skill"},
    {[:target, :up], "the engine reads this VM"},
    {[:target, :down], "reason"}
  ]

  @table Enum.map_join(@events, "\n", fn {name, doc} -> "| `#{inspect([:beamlens | name])}` | #{doc} |" end)

  @moduledoc """
  The `:telemetry` events of BeamLens.

      :telemetry.attach("my-alerts", [:beamlens, :operator, :alert_fired],
        fn _event, _measurements, %{alert: alert}, _config -> IO.puts(alert.summary) end, nil)

  Every event has the measurement `system_time`, and in its metadata `operator` (the operator's name; not for the coordinator's),
  `trace_id` (one for a whole investigation; nil outside of one) and what the table says. Handlers run in `Beamlens.Notifier`: one that
  sleeps or crashes holds up neither the engine nor your application. `:telemetry` is not a dependency: without it nothing is emitted.

  | event | metadata |
  |---|---|
  #{@table}
  """

  @compile {:no_warn_undefined, :telemetry}

  require Logger

  @names Map.new(@events, fn {name, _} -> {Enum.map_join(name, ".", &Atom.to_string/1), [:beamlens | name]} end)
         |> Map.merge(%{
           "operator.run_failed" => [:beamlens, :operator, :llm_error],
           "coordinator.run_failed" => [:beamlens, :coordinator, :llm_error]
         })

  # The fields that have an atom as key; a field that a newer engine adds has text.
  @fields ~w(iteration context_size tool_selected tool_name model reason message_count tokens strategy operator_state from to count
             snapshot_id code result callbacks ms thought summary alert_ids status skills skill)a
  @keys Map.new(@fields, &{Atom.to_string(&1), &1})
  @states Map.new(~w(healthy observing warning critical unread acknowledged resolved)a, &{Atom.to_string(&1), &1})

  @doc "The names of all events."
  def event_names, do: for({name, _} <- @events, do: [:beamlens | name])

  @doc "A new trace id: 32 hexadecimal digits."
  def generate_trace_id, do: Base.encode16(:crypto.strong_rand_bytes(16), case: :lower)

  @handler "beamlens-default-logger"

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
  def emit(%{"name" => name} = event, operators) do
    with %{^name => event_name} <- @names, true <- available?() do
      fields = event["fields"] || %{}
      operator = operator(event["subject"], operators)
      :telemetry.execute(event_name, measurements(fields), metadata(event_name, event, fields, operator, operators))

      if event_name == [:beamlens, :operator, :alert_fired] do
        meta = %{alert_id: event["alert"]["id"], operator: operator, trace_id: event["trace_id"]}
        :telemetry.execute([:beamlens, :coordinator, :alert_received], measurements(%{}), meta)
      end
    end

    :ok
  end

  def emit(_, _), do: :ok

  defp measurements(fields) do
    base = %{system_time: System.system_time()}

    case fields do
      %{"duration" => ns} when is_integer(ns) -> Map.put(base, :duration, System.convert_time_unit(ns, :nanosecond, :native))
      _ -> base
    end
  end

  defp metadata(event_name, event, fields, operator, operators) do
    meta = for {k, v} <- fields, k not in ["duration", "usage"], into: %{}, do: {Map.get(@keys, k, k), v}
    meta = Map.merge(meta, %{trace_id: event["trace_id"]})
    meta = if operator, do: Map.put(meta, :operator, operator), else: meta

    meta
    |> states()
    |> usage(fields["usage"])
    |> exception(event_name)
    |> put(:alert, event["alert"], &Beamlens.Alert.new(&1, operator(&1["operator"], operators)))
    |> put(:insight, event["insight"], &Beamlens.Insight.new/1)
    |> put(:finding, event["finding"], & &1)
  end

  defp put(meta, _, nil, _), do: meta
  defp put(meta, key, value, new), do: Map.put(meta, key, new.(value))

  defp states(meta) do
    for key <- [:operator_state, :from, :to, :status], text = meta[key], reduce: meta do
      meta -> Map.put(meta, key, Map.get(@states, text, text))
    end
  end

  defp usage(meta, %{"Input" => input, "Output" => output}), do: Map.merge(meta, %{input_tokens: input, output_tokens: output})
  defp usage(meta, _), do: meta

  defp exception(meta, [_, _, :exception]), do: Map.merge(%{kind: :error, stacktrace: []}, meta)
  defp exception(meta, _), do: meta

  # Its name as the atom that the application gave.
  defp operator("coordinator", _), do: nil

  defp operator(name, operators) do
    case operators do
      %{^name => op} -> op.name
      _ -> name
    end
  end
end
