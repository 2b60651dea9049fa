defmodule Beamlens.Status do
  @moduledoc false
  # Which operators there are, and what the engine has told of them. A table, so that nobody who asks has to wait; of the supervisor, so
  # that it outlives the engine and its process. Its rows:
  #
  #     {{:operator, n}, operator, pid, status}    one that is there, in order of n
  #     {{:wire, text}, n, name}                   the place and the name of one that was there once: it keeps its place
  #     {{:wanted, n}, operator}                   one that Beamlens.Operator.Supervisor starts again
  #     {:configured, names}, {:coordinator, status}, {:queue, queue}, {:last, n}

  alias Beamlens.Operator

  def init(configured, queue) do
    :ets.new(__MODULE__, [:named_table, :public, read_concurrency: true])

    :ets.insert(__MODULE__, [
      {:coordinator, idle()},
      {:queue, queue},
      {:last, 0},
      {:configured, Enum.map(configured, & &1.name)}
    ])

    Enum.each(configured, &want/1)
  end

  ## What is wanted

  def want(%Operator{} = op), do: :ets.insert(__MODULE__, {{:wanted, place(op)}, op})
  def unwant(%Operator{} = op), do: :ets.delete(__MODULE__, {:wanted, place(op)})
  def wanted, do: sorted({{:wanted, :_}, :_}, fn {_, op} -> op end)
  def configured, do: lookup(:configured, nil)
  def queue, do: lookup(:queue, nil)

  ## What is there

  # Of the operator's own process.
  def put(%Operator{} = op, pid) do
    n = place(op)

    state =
      case :ets.lookup(__MODULE__, {:operator, n}) do
        [{_, _, _, %{state: state}}] -> state
        [] -> :healthy
      end

    :ets.insert(__MODULE__, {{:operator, n}, op, pid, status(op, state, false)})
  end

  def delete(%Operator{} = op, pid), do: :ets.match_delete(__MODULE__, {{:operator, place(op)}, :_, pid, :_})

  def entries, do: sorted({{:operator, :_}, :_, :_, :_}, fn {_, op, pid, _} -> {op, pid} end)

  def operators, do: sorted({{:operator, :_}, :_, :_, :_}, fn {_, _, _, status} -> status end)

  def coordinator, do: lookup(:coordinator, idle())

  # The name that the application gave, of an operator that is there or was.
  def name(wire) do
    case :ets.lookup(__MODULE__, {:wire, wire}) do
      [{_, _, name}] -> name
      [] -> wire
    end
  rescue
    ArgumentError -> wire
  end

  # The names of the operators of a skill, as the engine calls it.
  def of_skill(skill), do: for({op, _} <- entries(), Atom.to_string(op.id) == skill or op.wire == skill, do: op.name)

  defp place(%Operator{} = op) do
    case :ets.lookup(__MODULE__, {:wire, op.wire}) do
      [{_, n, _}] ->
        n

      [] ->
        n = :ets.update_counter(__MODULE__, :last, 1)
        # Another may have been quicker.
        if :ets.insert_new(__MODULE__, {{:wire, op.wire}, n, op.name}), do: n, else: place(op)
    end
  end

  ## What the engine tells

  @states %{"healthy" => :healthy, "observing" => :observing, "warning" => :warning, "critical" => :critical}

  def update(%{"operators" => told} = status) do
    told = Map.new(told, &{&1["operator"], &1})

    each(fn op, %{state: state} ->
      case told[op.wire] do
        %{} = t -> status(op, Map.get(@states, t["state"], state), true)
        nil -> status(op, state, false)
      end
    end)

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
  def down do
    each(fn op, %{state: state} -> status(op, state, false) end)
    :ets.insert(__MODULE__, {:coordinator, idle()})
  end

  # A row that goes meanwhile does not come back.
  defp each(fun) do
    for {key, op, _, status} <- :ets.match_object(__MODULE__, {{:operator, :_}, :_, :_, :_}),
        do: :ets.update_element(__MODULE__, key, {4, fun.(op, status)})
  end

  defp status(op, state, running), do: %{name: op.name, operator: op.id, state: state, running: running}
  defp idle, do: %{running: false, alert_count: 0, unread_count: 0, iteration: 0}

  defp sorted(pattern, fun) do
    for row <- Enum.sort_by(:ets.match_object(__MODULE__, pattern), &elem(&1, 0)), do: fun.(row)
  rescue
    # It is not started.
    ArgumentError -> []
  end

  defp lookup(key, default) do
    :ets.lookup_element(__MODULE__, key, 2)
  rescue
    ArgumentError -> default
  end
end
