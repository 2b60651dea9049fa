defmodule Shop.Reviews do
  @moduledoc "Reads reviews, each in a task. With the fault `:exceptions` the text is not what the tasks expect."
  use Shop.Clerk, every: 100

  @impl true
  def work(n) do
    for i <- 1..2, do: Task.Supervisor.start_child(Shop.Reviews.Tasks, __MODULE__, :read, [n + i])
    n + 2
  end

  def read(n) do
    bad = Shop.Faults.on?(:exceptions) and Shop.Faults.times(Shop.Faults.how(:exceptions, "share", 1.0)) == 1
    rating(if bad, do: Shop.Faults.how(:exceptions, "text", "great shop, order #{n}"), else: "#{rem(n, 5) + 1} stars")
  end

  defp rating(text) do
    [stars | _] = String.split(text)
    # Whoever says in the error what was not understood, passes on what a stranger has written.
    if Shop.Faults.how(:exceptions, "text", nil) == text, do: raise(ArgumentError, "no rating: " <> text)
    String.to_integer(stars)
  end
end
