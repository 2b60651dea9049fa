defmodule Beamlens.Status do
  @moduledoc false
  # What the engine has told of its operators. A table, so that nobody who asks has to wait; of the supervisor, so that it outlives the engine.

  def init(operators) do
    :ets.new(__MODULE__, [:named_table, :public, read_concurrency: true])
    for {op, i} <- Enum.with_index(operators), do: put(op, i, :healthy, false)
    :ets.insert(__MODULE__, {:coordinator, idle()})
    :ok
  end

  defp put(op, i, state, running) do
    :ets.insert(__MODULE__, {{:operator, i}, %{name: op.name, operator: op.id, state: state, running: running}})
  end

  @states %{"healthy" => :healthy, "observing" => :observing, "warning" => :warning, "critical" => :critical}

  def update(operators, %{"operators" => told} = status) do
    told = Map.new(told, &{&1["operator"], &1})

    for {op, i} <- Enum.with_index(operators) do
      wire = op.wire

      case told do
        %{^wire => t} -> put(op, i, Map.get(@states, t["state"], :healthy), true)
        _ -> put(op, i, :healthy, false)
      end
    end

    case status do
      %{"coordinator" => %{} = c} ->
        :ets.insert(__MODULE__, {
          :coordinator,
          %{running: c["running"], alert_count: c["alert_count"], unread_count: c["unread_count"], iteration: c["iteration"]}
        })

      _ ->
        :ok
    end
  end

  # The engine is away.
  def down(operators) do
    for {op, i} <- Enum.with_index(operators), do: put(op, i, state(i), false)
    :ets.insert(__MODULE__, {:coordinator, idle()})
  end

  defp state(i) do
    [{_, %{state: state}}] = :ets.lookup(__MODULE__, {:operator, i})
    state
  end

  defp idle, do: %{running: false, alert_count: 0, unread_count: 0, iteration: 0}

  def operators do
    for {_, op} <- Enum.sort(:ets.match_object(__MODULE__, {{:operator, :_}, :_})), do: op
  rescue
    # It is not started.
    ArgumentError -> []
  end

  def coordinator do
    :ets.lookup_element(__MODULE__, :coordinator, 2)
  rescue
    ArgumentError -> idle()
  end
end
