defmodule Shop.Application do
  @moduledoc """
  A small shop: customers fill carts, order, pay, and get a mail. It runs under steady load, and has faults that can be switched on
  from outside (`Shop.Faults`). It runs under BeamLens when it was compiled with the package, and knows nothing of it otherwise.
  """
  use Application

  @impl true
  def start(_type, _args) do
    children = [
      Shop.Faults,
      Shop.Load,
      Shop.Catalog,
      Shop.Carts,
      Shop.Mailer,
      {DynamicSupervisor, name: Shop.Payments.Supervisor, strategy: :one_for_one},
      Shop.Payments,
      Shop.Orders,
      Shop.Loyalty,
      Shop.BackOffice,
      Shop.Customers
      | beamlens()
    ]

    Supervisor.start_link(children, strategy: :rest_for_one, name: Shop.Supervisor)
  end

  defp beamlens do
    if Code.ensure_loaded?(Beamlens) do
      operators = [:beam, :ets, :gc, :logger, :ports, :sup, :system, :exception, :allocator, :overload, :vm_events]
      # A demonstration leaves nothing behind.
      [{Beamlens, operators: operators, store: false}]
    else
      []
    end
  end
end
