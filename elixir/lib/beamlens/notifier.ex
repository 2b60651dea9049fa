defmodule Beamlens.Notifier do
  @moduledoc """
  Turns what the engine tells into `:telemetry` events and log lines. There are two: one runs the handlers of events, the other
  (`Beamlens.Notifier.Log`) writes the log, so that a handler that sleeps delays the events after it and nothing else. When a thousand
  wait, further ones are dropped; how many is in `dropped/0`.
  """
  use GenServer

  require Logger

  @most 1_000
  # Of each: which counter has what waits, and which has what was dropped.
  @counters %{__MODULE__ => {1, 2}, __MODULE__.Log => {3, 4}}

  @doc false
  def new_queue, do: :counters.new(4, [:write_concurrency])

  # What was told before the end is passed on, for as long as this.
  @farewell 1_000

  def child_spec(config), do: %{id: config.name, start: {__MODULE__, :start_link, [config]}, shutdown: @farewell}

  def start_link(config), do: GenServer.start_link(__MODULE__, config, name: config.name)

  @doc false
  # Never waits.
  def tell(nil, _), do: :ok
  def tell(queue, {:event, _} = message), do: put(queue, __MODULE__, message)
  def tell(queue, {:log, _, _} = message), do: put(queue, __MODULE__.Log, message)

  defp put(queue, name, message) do
    {waiting, dropped} = @counters[name]

    if :counters.get(queue, waiting) < @most and is_pid(Process.whereis(name)) do
      :counters.add(queue, waiting, 1)
      send(name, message)
    else
      :counters.add(queue, dropped, 1)
    end
  rescue
    # It has just ended, and is being restarted.
    ArgumentError -> :ok
  end

  @doc "How many events were dropped because handlers were too slow."
  def dropped(queue \\ nil), do: :counters.get(queue || :sys.get_state(__MODULE__.Log).queue, 2)

  @impl true
  def init(config) do
    # Then the order to end waits behind what was told before it.
    Process.flag(:trap_exit, true)
    {waiting, _} = @counters[config.name]
    :counters.put(config.queue, waiting, 0)
    {:ok, config}
  end

  @impl true
  def handle_info({:event, event}, state) do
    :counters.sub(state.queue, 1, 1)
    Beamlens.Telemetry.emit(event)
    {:noreply, state}
  end

  def handle_info({:log, level, text}, state) do
    :counters.sub(state.queue, 3, 1)
    # The domain keeps our lines out of what the engine reads of the log.
    Logger.log(level, "BeamLens: " <> text, domain: [:beamlens])
    {:noreply, state}
  end

  def handle_info(_, state), do: {:noreply, state}
end
