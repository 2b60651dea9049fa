defmodule Shop.BackOffice do
  @moduledoc "What a shop has besides selling: each part does a little all the time, and has a fault of its own."
  use Supervisor

  def start_link(_), do: Supervisor.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(_) do
    children = [
      Shop.Sessions,
      Shop.Thumbnails,
      Shop.Webhooks,
      Shop.Inventory,
      Shop.Shipping,
      Shop.Audit,
      {Task.Supervisor, name: Shop.Reviews.Tasks},
      Shop.Reviews,
      Shop.Search,
      Shop.Backup,
      Shop.Replication,
      Shop.Reports
    ]

    # A part that fails again and again takes nobody else with it.
    Supervisor.init(children, strategy: :one_for_one, max_restarts: 1000, max_seconds: 5)
  end
end

defmodule Shop.Clerk do
  @moduledoc "A process that works every so many milliseconds: `work/1` gets the state and gives the next."
  @callback work(state :: term) :: term

  defmacro __using__(options) do
    quote do
      use GenServer
      @behaviour Shop.Clerk
      @every unquote(options[:every] || 100)

      def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

      @impl GenServer
      def init(_) do
        Process.send_after(self(), :work, @every)
        {:ok, first()}
      end

      def first, do: 0
      defoverridable first: 0

      @impl GenServer
      def handle_info(:work, state) do
        state = work(state)
        Process.send_after(self(), :work, @every)
        {:noreply, state}
      end

      def handle_info(_, state), do: {:noreply, state}
      defoverridable handle_info: 2
    end
  end
end
