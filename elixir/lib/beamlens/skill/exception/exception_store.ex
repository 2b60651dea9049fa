defmodule Beamlens.Skill.Exception.ExceptionStore do
  @moduledoc """
  A reporter for [Tower](https://hexdocs.pm/tower): exceptions that it is told of reach the `:exception` operator.

      config :tower, reporters: [Beamlens.Skill.Exception.ExceptionStore]

  Crashes of processes reach the operator without Tower, from the log. Tower hears of those from the log as well, so what it passes on
  from there is not counted a second time; what it adds is what was caught and reported: in a Plug, in an Oban job, by `Tower.report_exception/3`.

  It costs the process that reports a few microseconds, whatever the size of the exception, and keeps at most fifty a second.
  """

  @handler :beamlens_probe_log

  @doc "Takes a `Tower.Event`."
  def report_event(%{kind: kind, reason: reason} = event) do
    with nil <- Map.get(event, :log_event),
         {:ok, config} <- :logger.get_handler_config(@handler) do
      # The same handler as for the log, which cuts before it copies. It is told directly: nothing is logged. Where Elixir's logger drops
      # crashes, the handler leaves them to a filter before it, so that is told as well.
      log = %{level: level(event), msg: {:string, message(kind, reason)}, meta: meta(kind, reason, event)}
      if List.keymember?(:logger.get_primary_config().filters, @handler, 0), do: :beamlens_probe_log.filter(log, config.config)
      :beamlens_probe_log.log(log, config)
    end

    :ok
  end

  def report_event(_), do: :ok

  defp meta(kind, reason, event) do
    stack = if is_list(Map.get(event, :stacktrace)), do: event.stacktrace, else: []

    %{
      pid: self(),
      time: :os.system_time(:microsecond),
      crash_reason: {if(kind == :throw, do: {:nocatch, reason}, else: reason), stack}
    }
  end

  defp message(kind, reason) when kind in [:error, :exit, :throw], do: Exception.format_banner(kind, reason)
  defp message(_, reason) when is_binary(reason), do: reason
  defp message(_, reason), do: inspect(reason, limit: 20, printable_limit: 500)

  @levels [:emergency, :alert, :critical, :error, :warning, :notice, :info, :debug]

  defp level(%{level: level}) when level in @levels, do: level
  defp level(_), do: :error
end
