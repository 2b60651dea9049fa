defmodule Shop.Search do
  @moduledoc "Keeps the index of the catalog. With the fault `:hot` it rebuilds it all the time."
  use Shop.Clerk, every: 100

  @impl true
  def work(n) do
    if Shop.Faults.on?(:hot), do: rebuild(0)
    n + 1
  end

  # Until the fault is switched off: that is looked at now and then only.
  defp rebuild(n) when rem(n, 1_000_000) == 0 do
    if n == 0 or Shop.Faults.on?(:hot), do: rebuild(score(n, 7)), else: n
  end

  defp rebuild(n), do: rebuild(score(n, 7))

  defp score(n, 0), do: n + 1
  defp score(n, k), do: score(n, k - 1)
end
