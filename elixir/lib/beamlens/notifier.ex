defmodule Beamlens.Notifier do
  @moduledoc """
  Turns what the engine tells into `:telemetry` events and log lines, in a process of its own: a handler that sleeps delays the events
  after it, and nothing else. When a thousand wait, further ones are dropped; how many is in `dropped/0`.
  """
  use GenServer

  require Logger

  @most 1_000

  def start_link(config), do: GenServer.start_link(__MODULE__, config, name: __MODULE__)

  @doc false
  # Never waits.
  def tell(queue, message) do
    if :counters.get(queue, 1) < @most do
      :counters.add(queue, 1, 1)
      send(__MODULE__, message)
    else
      :counters.add(queue, 2, 1)
    end
  rescue
    # It is being restarted.
    ArgumentError -> :counters.add(queue, 2, 1)
  end

  @doc "How many events were dropped because handlers were too slow."
  def dropped, do: GenServer.call(__MODULE__, :dropped)

  @impl true
  def init(config) do
    :counters.put(config.queue, 1, 0)
    {:ok, Map.put(config, :names, Map.new(config.operators, &{&1.wire, &1}))}
  end

  @impl true
  def handle_call(:dropped, _, state), do: {:reply, :counters.get(state.queue, 2), state}

  @impl true
  def handle_info({:event, event}, state) do
    :counters.sub(state.queue, 1, 1)
    Beamlens.Telemetry.emit(event, state.names)
    {:noreply, state}
  end

  def handle_info({:log, level, text}, state) do
    :counters.sub(state.queue, 1, 1)
    # The domain keeps our lines out of what the engine reads of the log.
    Logger.log(level, "BeamLens: " <> text, domain: [:beamlens])
    {:noreply, state}
  end

  def handle_info(_, state), do: {:noreply, state}
end
