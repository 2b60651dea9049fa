defmodule Shop.Orders do
  @moduledoc "Takes orders: the cart becomes an order, it is paid, and a mail goes out. The last hundred are kept."
  use GenServer

  @keep 100

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def place(customer, items), do: GenServer.call(__MODULE__, {:place, customer, items})

  @impl true
  def init(_), do: {:ok, %{next: 1, orders: []}}

  @impl true
  def handle_call({:place, customer, items}, _from, state) do
    order = %{id: state.next, customer: customer, items: items, total: Enum.sum(Enum.map(items, & &1.price))}
    :ok = Shop.Payments.pay(order.id)
    Shop.Mailer.send(customer, "Your order #{order.id}", Shop.Faults.body(order.id))
    {:reply, {:ok, order.id}, %{state | next: state.next + 1, orders: Enum.take([order | state.orders], @keep)}}
  end
end
