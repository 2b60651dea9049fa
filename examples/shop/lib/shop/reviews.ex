defmodule Shop.Reviews do
  @moduledoc "Reads reviews, each in a task. With the fault `:exceptions` the text is not what the tasks expect."
  use Shop.Clerk, every: 100

  @impl true
  def work(n) do
    for i <- 1..2, do: Task.Supervisor.start_child(Shop.Reviews.Tasks, __MODULE__, :read, [n + i])
    n + 2
  end

  def read(n), do: rating(if Shop.Faults.on?(:exceptions), do: "great shop, order #{n}", else: "#{rem(n, 5) + 1} stars")

  defp rating(text) do
    [stars | _] = String.split(text)
    String.to_integer(stars)
  end
end
