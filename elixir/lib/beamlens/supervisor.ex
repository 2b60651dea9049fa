defmodule Beamlens.Supervisor do
  @moduledoc """
  What `{Beamlens, …}` starts:

  ```
  Beamlens.Supervisor
  ├── Beamlens.Notifier       runs the telemetry handlers, so that a slow one holds up nobody else
  ├── Beamlens.Notifier.Log   writes what the engine says into the log
  └── Beamlens.Engine         the engine: its port, its calls, its restarts
  ```
  """
  use Supervisor

  require Logger

  def start_link(opts), do: Supervisor.start_link(__MODULE__, opts, name: __MODULE__)

  @impl true
  def init(opts) do
    {operators, complaints} = Beamlens.Operator.parse(Keyword.get_lazy(opts, :operators, fn -> config(:operators, []) end))
    for text <- complaints, do: Logger.error("BeamLens: " <> text, domain: [:beamlens])
    Beamlens.Status.init(operators)
    queue = Beamlens.Notifier.new_queue()

    engine = %{
      operators: operators,
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

    notifiers =
      for name <- [Beamlens.Notifier, Beamlens.Notifier.Log],
          do: {Beamlens.Notifier, %{name: name, operators: operators, queue: queue}}

    children = notifiers ++ [{Beamlens.Engine, engine}]
    Supervisor.init(if(operators == [], do: [], else: children), strategy: :one_for_one, max_restarts: 10, max_seconds: 60)
  end

  defp config(key, default), do: Application.get_env(:beamlens, key, default)

  defp app do
    case :application.get_application(self()) do
      {:ok, app} -> Atom.to_string(app)
      :undefined -> "elixir"
    end
  end
end
