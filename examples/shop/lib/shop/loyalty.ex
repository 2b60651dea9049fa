defmodule Shop.Loyalty do
  @moduledoc "Knows how many points a customer has. With the fault `:loyalty` what it asks is slow; it says nothing of that."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def points(customer), do: GenServer.call(__MODULE__, {:points, customer}, 2_000)

  @impl true
  def init(_), do: {:ok, 0}

  @impl true
  def handle_call({:points, customer}, _from, n) do
    if Shop.Faults.on?(:loyalty), do: ask_partner(Shop.Faults.how(:loyalty, "ms", 100))
    {:reply, rem(customer, 100), n + 1}
  end

  defp ask_partner(ms) do
    receive do
      {:partner, answer} -> answer
    after
      ms -> :ok
    end
  end
end

defmodule Shop.Checkout do
  @moduledoc "Shows the points beside each product of a cart. When they do not come, it complains loudly."
  require Logger

  def show(customer, items), do: for(_ <- items, do: spawn(__MODULE__, :product, [customer]))

  def product(customer) do
    Shop.Loyalty.points(customer)
  catch
    :exit, _ -> Logger.error("checkout failed: the points of customer #{customer} were not there in time")
  end
end
