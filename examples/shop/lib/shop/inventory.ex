defmodule Shop.Inventory do
  @moduledoc "Counts the stock. With the fault `:restarts` the count fails as soon as it begins, and is started again and again."
  use Supervisor

  def start_link(_), do: Supervisor.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(_) do
    Supervisor.init([Shop.Inventory.Counter, Shop.Inventory.Prices], strategy: :one_for_one, max_restarts: 1000, max_seconds: 5)
  end
end

defmodule Shop.Inventory.Counter do
  use Shop.Clerk, every: 100

  def start_unnamed, do: GenServer.start_link(__MODULE__, nil)

  @impl true
  def work(n) do
    if Shop.Faults.on?(:restarts) and n >= Shop.Faults.how(:restarts, "after", 0), do: raise("the stock file is damaged")
    n + 1
  end
end

defmodule Shop.Inventory.Prices do
  use Shop.Clerk, every: 500

  @impl true
  def work(n), do: n + 1
end
