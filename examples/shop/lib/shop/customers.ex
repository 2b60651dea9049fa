defmodule Shop.Customers do
  @moduledoc "The load: twenty customers who look, fill a cart, and order most of the time."
  use Supervisor

  def start_link(_), do: Supervisor.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(_) do
    children = for n <- 1..20, do: Supervisor.child_spec({Shop.Customer, n}, id: n)
    Supervisor.init(children, strategy: :one_for_one)
  end
end

defmodule Shop.Customer do
  use GenServer

  def start_link(n), do: GenServer.start_link(__MODULE__, n)

  @impl true
  def init(n) do
    schedule()
    {:ok, %{n: n, visits: 0}}
  end

  @impl true
  def handle_info(:visit, state) do
    state = if Shop.Load.idle?(), do: state, else: visit(state)
    schedule()
    {:noreply, state}
  end

  defp visit(state) do
    customer = {state.n, state.visits}
    items = for _ <- 1..:rand.uniform(5), do: Shop.Catalog.random()
    Shop.Carts.put(customer, items)
    Shop.Checkout.show(state.n, items)

    # Now and then a cart is left behind.
    if :rand.uniform(10) > 1 do
      Shop.Carts.take(customer)
      {:ok, _} = Shop.Orders.place("customer#{state.n}@example.org", items)
    end

    %{state | visits: state.visits + 1}
  end

  defp schedule, do: Process.send_after(self(), :visit, Shop.Load.pause())
end
