defmodule Shop.Load do
  @moduledoc """
  What the shop is busy with, while nothing is wrong: `Shop.Load.set(:day)`.

    * `:idle` - nobody comes
    * `:steady` - twenty customers, all the time
    * `:day` - as many more and fewer as over a day, which takes a minute and a half here
    * `:batches` - steady, and statements are made from many orders at once: a heap grows and is freed, again and again
    * `:cron` - steady, and every twenty seconds a lot is done at once
    * `:warmup` - steady, and a cache and a pool fill after the start until they are full
  """
  use GenServer

  @loads [:idle, :steady, :day, :batches, :cron, :warmup]
  @day 90_000

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def set(load) when load in @loads, do: GenServer.call(__MODULE__, {:set, load})

  @doc "For how many milliseconds a customer stays away, and whether anybody comes at all."
  def pause, do: round((50 + :rand.uniform(300)) / busy(now()))
  def idle?, do: now() == :idle

  # It outlives the application: a deploy does not change who comes.
  defp now, do: :persistent_term.get(__MODULE__, :steady)

  # From a tenth to three times the usual.
  defp busy(:day) do
    at = rem(System.monotonic_time(:millisecond), @day) / @day
    0.1 + 2.9 * (1 - :math.cos(2 * :math.pi() * at)) / 2
  end

  defp busy(:idle), do: 0.2
  defp busy(_), do: 1

  @impl true
  def init(_), do: {:ok, work(now())}

  @impl true
  def handle_call({:set, load}, _from, worker) do
    :persistent_term.put(__MODULE__, load)

    if worker do
      Process.unlink(worker)
      Process.exit(worker, :kill)
    end

    {:reply, :ok, work(load)}
  end

  defp work(:batches), do: spawn_link(Shop.Statements, :run, [])
  defp work(:cron), do: spawn_link(Shop.Cron, :run, [])
  defp work(:warmup), do: spawn_link(Shop.Cache, :run, [])
  defp work(_), do: nil

  def wait(ms) do
    receive do
    after
      ms -> :ok
    end
  end
end

defmodule Shop.Statements do
  @moduledoc "Gathers a million sales, adds them up, and lets go of them."

  def run do
    Process.register(self(), __MODULE__)
    loop(0)
  end

  defp loop(done) do
    total = gather([], 0)
    Shop.Load.wait(2_000)
    loop(done + total)
  end

  defp gather(sales, 120), do: Enum.reduce(sales, 0, fn {_, v}, sum -> sum + v end)

  defp gather(sales, n) do
    more = for i <- 1..8_000, do: {n * 8_000 + i, i * 3}
    Shop.Load.wait(50)
    gather(more ++ sales, n + 1)
  end
end

defmodule Shop.Cron do
  @moduledoc "Every twenty seconds: two thousand newsletters, each by a process of its own, a table of addresses, and a line for each fifty."
  require Logger

  def run do
    Process.register(self(), __MODULE__)
    :ets.new(__MODULE__, [:named_table, :public])
    loop()
  end

  defp loop do
    Shop.Load.wait(20_000)
    for i <- 1..20_000, do: :ets.insert(__MODULE__, {i, "customer#{i}@example.org", [:weekly, :offers], rem(i, 7)})
    for i <- 1..2_000, do: spawn(__MODULE__, :newsletter, [i])
    Logger.warning("12 addresses were not valid")
    Shop.Load.wait(3_000)
    :ets.delete_all_objects(__MODULE__)
    loop()
  end

  def newsletter(i) do
    [{_, to, _, _}] = :ets.lookup(__MODULE__, i)
    _ = Enum.reduce(1..2_000, 0, fn n, sum -> sum + rem(n, 7) end)
    if rem(i, 50) == 0, do: Logger.info("newsletter #{i} for #{to}")
    Shop.Load.wait(:rand.uniform(1_000))
  end
end

defmodule Shop.Cache do
  @moduledoc "A cache of fifty thousand pages, which fills as they are asked for, and a pool of two hundred processes, which grows to its size."

  @pages 50_000
  @pool 200

  def run do
    Process.register(self(), __MODULE__)
    :ets.new(__MODULE__, [:named_table])
    loop(System.monotonic_time(:millisecond))
  end

  # Fewer and fewer pages are missing.
  defp loop(began) do
    age = System.monotonic_time(:millisecond) - began
    size = :ets.info(__MODULE__, :size)
    for n <- size..round(@pages * (1 - :math.exp(-age / 20_000)))//1, do: :ets.insert(__MODULE__, {n, page(n)})
    {_, links} = Process.info(self(), :links)
    for _ <- length(links)..min(@pool, div(age, 250))//1, do: spawn_link(Shop.Load, :wait, [:infinity])
    Shop.Load.wait(100)
    loop(began)
  end

  defp page(n), do: for(i <- 1..40, do: n + i)
end
