defmodule Beamlens.Supervisor do
  @moduledoc """
  What `{Beamlens, …}` starts:

  ```
  Beamlens.Supervisor
  ├── Beamlens.OperatorRegistry     the processes of operators, by name
  ├── Beamlens.Notifier             runs the telemetry handlers, so that a slow one holds up nobody else
  ├── Beamlens.Notifier.Log         writes what the engine says into the log
  ├── Beamlens.Operator.Supervisor
  │   └── Beamlens.Operator …       one for each operator, which stands for it: it sleeps
  └── Beamlens.Engine               the engine: its port, its calls, its restarts
  ```
  """
  use Supervisor

  require Logger

  def start_link(opts), do: Supervisor.start_link(__MODULE__, opts, name: __MODULE__)

  @impl true
  def init(opts) do
    {operators, complaints} = Beamlens.Operator.parse(Keyword.get_lazy(opts, :operators, fn -> config(:operators, []) end))
    for text <- complaints, do: Logger.error("BeamLens: " <> text, domain: [:beamlens])
    queue = Beamlens.Notifier.new_queue()
    Beamlens.Status.init(operators, queue)

    engine = %{
      queue: queue,
      app: app(),
      client_registry: opts[:client_registry] || config(:client_registry, nil),
      coordinator: opts[:coordinator] || config(:coordinator, []),
      store: Keyword.get_lazy(opts, :store, fn -> config(:store, :default) end),
      path: opts[:path] || config(:path, nil),
      interval: opts[:interval] || 1_000,
      heartbeat: opts[:heartbeat] || 0,
      silence: opts[:silence] || 10_000
    }

    # The engine comes last: then it begins with all operators at once.
    children = [
      {Registry, keys: :unique, name: Beamlens.OperatorRegistry},
      {Beamlens.Notifier, %{name: Beamlens.Notifier, queue: queue}},
      {Beamlens.Notifier, %{name: Beamlens.Notifier.Log, queue: queue}},
      Beamlens.Operator.Supervisor,
      {Beamlens.Engine, engine}
    ]

    Supervisor.init(children, strategy: :one_for_one, max_restarts: 10, max_seconds: 60)
  end

  defp config(key, default), do: Application.get_env(:beamlens, key, default)

  defp app do
    case :application.get_application(self()) do
      {:ok, app} -> Atom.to_string(app)
      :undefined -> "elixir"
    end
  end
end
