defmodule Shop.Audit do
  @moduledoc "Notes what happens. With the fault `:logs` it notes hundreds of errors a second."
  use Shop.Clerk, every: 20
  require Logger

  @impl true
  def work(n) do
    if Shop.Faults.on?(:logs) do
      why = Shop.Faults.how(:logs, "text", "the card is blocked")
      for i <- 1..Shop.Faults.times(Shop.Faults.how(:logs, "lines", 6))//1, do: Logger.error("payment #{n + i} of customer#{rem(i, 20)}@example.org was refused: #{why}")
    else
      if rem(n, 6000) == 0, do: Logger.info("#{n} payments were checked")
    end

    n + 6
  end
end
