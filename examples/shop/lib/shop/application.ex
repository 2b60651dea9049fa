defmodule Shop.Application do
  @moduledoc """
  A small shop: customers fill carts, order, pay, and get a mail. It runs under steady load, and has faults that can be switched on
  from outside (`Shop.Faults`). It knows nothing of BeamLens.
  """
  use Application

  @impl true
  def start(_type, _args) do
    children = [
      Shop.Faults,
      Shop.Catalog,
      Shop.Carts,
      Shop.Mailer,
      {DynamicSupervisor, name: Shop.Payments.Supervisor, strategy: :one_for_one},
      Shop.Payments,
      Shop.Orders,
      Shop.BackOffice,
      Shop.Customers
    ]

    Supervisor.start_link(children, strategy: :rest_for_one, name: Shop.Supervisor)
  end
end
