defmodule Shop.Around do
  @moduledoc """
  What happens around a fault, and is none: a deploy, a job of somebody else, a large table that is as it should be, and texts of
  strangers in names. `Shop.Around.happen("deploy", %{})`.
  """

  def happen("deploy", _) do
    :ok = Application.stop(:shop)
    :ok = Application.start(:shop)
  end

  # Another program of the same host computes.
  def happen("os_job", with) do
    {_, 0} = System.shell("(timeout #{with["seconds"]} sh -c 'while :; do :; done') >/dev/null 2>&1 &")
    :ok
  end

  # There is one system monitor only; somebody else has it.
  def happen("own_monitor", _) do
    keep(fn -> :erlang.system_monitor(self(), [{:long_gc, 60_000}]) end)
  end

  # A table that is large, and stays so.
  def happen("table", with) do
    name = String.to_atom(with["name"])

    keep(fn ->
      :ets.new(name, [:named_table, :public])
      for i <- 1..with["rows"], do: :ets.insert(name, {i, Enum.to_list(1..20)})
    end)
  end

  # Many processes that are as they should be.
  def happen("pool", with) do
    keep(fn ->
      Process.register(self(), Shop.Pool)
      for _ <- 1..with["processes"], do: spawn_link(Shop.Load, :wait, [:infinity])
    end)
  end

  # A process with a name that a stranger chose, and messages that wait.
  def happen("process", with) do
    keep(fn ->
      Process.register(self(), String.to_atom(with["name"]))
      for i <- 1..with["messages"], do: send(self(), {:later, i})
    end)
  end

  # A child with an id that a stranger chose: it fails when the other children do.
  def happen("child", with) do
    {:ok, _} = Supervisor.start_child(Shop.Inventory, %{id: with["id"], start: {Shop.Inventory.Counter, :start_unnamed, []}})
    :ok
  end

  defp keep(make) do
    me = self()

    pid =
      spawn(fn ->
        make.()
        send(me, {self(), :ready})
        receive do: (:stop -> :ok)
      end)

    receive do
      {^pid, :ready} -> :ok
    after
      20_000 -> exit(:not_ready)
    end
  end
end
