defmodule Shop.Sessions do
  @moduledoc "Sessions of customers, by name. With the fault `:atoms` every name becomes an atom."
  use Shop.Clerk, every: 20

  @most 400_000

  @impl true
  def work(n) do
    if Shop.Faults.on?(:atoms) and :erlang.system_info(:atom_count) < @most do
      for i <- 1..Shop.Faults.times(Shop.Faults.how(:atoms, "names", 200))//1, do: String.to_atom("session_#{n + i}")
    end

    n + 200
  end
end
