defmodule Shop.Reports do
  @moduledoc """
  Adds up the sales. With the fault `:heap` it holds all of them in its own heap, which is collected after each report.
  """
  use Shop.Clerk, every: 200

  @sales 8_000_000

  def first, do: []

  @impl true
  def work(sales) do
    cond do
      Shop.Faults.on?(:heap) and sales == [] -> add(for n <- 1..Shop.Faults.how(:heap, "sales", @sales), do: {n, n * 3})
      Shop.Faults.on?(:heap) -> add(sales)
      sales != [] -> forget()
      true -> []
    end
  end

  # Somebody thought that collecting by hand would help.
  defp add(sales) do
    _total = Enum.reduce(sales, 0, fn {_, v}, sum -> sum + v end)
    :erlang.garbage_collect()
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
