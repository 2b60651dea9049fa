defmodule Shop.Catalog do
  @moduledoc "Products, in a table that is read by everybody and written by nobody after the start."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def random do
    [{_, product}] = :ets.lookup(__MODULE__, :rand.uniform(500))
    product
  end

  @impl true
  def init(_) do
    :ets.new(__MODULE__, [:named_table, read_concurrency: true])

    for id <- 1..500 do
      :ets.insert(__MODULE__, {id, %{id: id, name: "Product #{id}", price: 100 + :rand.uniform(9900)}})
    end

    {:ok, nil}
  end
end
