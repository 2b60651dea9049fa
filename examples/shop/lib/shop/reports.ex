defmodule Shop.Reports do
  @moduledoc "Adds up the sales. With the fault `:heap` it holds all of them in its own heap, and makes garbage besides."
  use Shop.Clerk, every: 200

  @sales 1_500_000

  def first, do: []

  @impl true
  def work(sales) do
    cond do
      Shop.Faults.on?(:heap) and sales == [] -> add(for n <- 1..@sales, do: {n, n * 3})
      Shop.Faults.on?(:heap) -> add(sales)
      sales != [] -> forget()
      true -> []
    end
  end

  # Each report makes a list as long as that of the sales, which is garbage soon after.
  defp add(sales) do
    for k <- 1..3, do: length(Enum.map(sales, fn {n, v} -> {v, n, k} end))
    sales
  end

  # The list is garbage when this call is over: the next one collects it.
  defp forget do
    send(self(), :collect)
    []
  end

  @impl true
  def handle_info(:collect, state) do
    :erlang.garbage_collect()
    {:noreply, state}
  end

  def handle_info(message, state), do: super(message, state)
end
