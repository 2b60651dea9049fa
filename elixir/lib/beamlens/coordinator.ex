defmodule Beamlens.Coordinator do
  @moduledoc "Correlates the alerts of all operators into insights. It works in the engine; this is its state."

  @doc "`%{running:, alert_count:, unread_count:, iteration:}`. It never waits."
  def status, do: Beamlens.Status.coordinator()

  @doc "The same. The original had a coordinator that could have another name; here there is one."
  def status(_server), do: status()
end
