defmodule Beamlens.Coordinator do
  @moduledoc "Correlates the alerts of all operators into insights. It works in the engine; this is its state."

  @doc "`%{running:, alert_count:, unread_count:, iteration:}`. It never waits."
  def status, do: Beamlens.Status.coordinator()

  @doc "The same. The original had a coordinator that could have another name; here there is one."
  def status(_server), do: status()

  @doc "A child that is not started: see `start_link/1`."
  def child_spec(opts), do: %{id: __MODULE__, start: {__MODULE__, :start_link, [opts]}}

  @doc "Starts nothing, and says `:ignore`: the coordinator is in the engine, and there as soon as `Beamlens` is started. Its options are `:coordinator` there."
  def start_link(_opts \\ []), do: :ignore
end
