defmodule Shop.Shipping do
  @moduledoc """
  Prints labels. With the fault `:supervisor` the printer fails until its supervisor gives up, is started again by its own supervisor, and
  gives up again.
  """
  use Supervisor

  def start_link(_), do: Supervisor.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(_), do: Supervisor.init([Shop.Shipping.Printer], strategy: :one_for_one, max_restarts: 3, max_seconds: 5)
end

defmodule Shop.Shipping.Printer do
  use Shop.Clerk, every: 100

  @impl true
  def work(n) do
    if Shop.Faults.on?(:supervisor), do: exit(:no_paper)
    n + 1
  end
end
