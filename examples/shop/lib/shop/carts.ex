defmodule Shop.Carts do
  @moduledoc "Carts, in a table. Those that were left behind are swept away, unless the sweeper is broken."
  use GenServer

  @ttl 5_000

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def put(customer, items) do
    :ets.insert(__MODULE__, {customer, System.monotonic_time(:millisecond), items})
  end

  def take(customer), do: :ets.take(__MODULE__, customer)

  @impl true
  def init(_) do
    :ets.new(__MODULE__, [:named_table, :public, write_concurrency: true])
    {:ok, nil, {:continue, :sweep}}
  end

  @impl true
  def handle_continue(:sweep, state), do: handle_info(:sweep, state)

  @impl true
  def handle_info(:sweep, state) do
    unless Shop.Faults.on?(:table) do
      old = System.monotonic_time(:millisecond) - @ttl
      :ets.select_delete(__MODULE__, [{{:_, :"$1", :_}, [{:<, :"$1", old}], [true]}])
    end

    Process.send_after(self(), :sweep, 1_000)
    {:noreply, state}
  end
end
