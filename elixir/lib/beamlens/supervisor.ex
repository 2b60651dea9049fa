defmodule Beamlens.Supervisor do
  @moduledoc """
  What `{Beamlens, …}` starts:

  ```
  Beamlens.Supervisor
  ├── Beamlens.Notifier   telemetry handlers and log lines, so that a slow one holds up nobody else
  └── Beamlens.Engine     the engine: its port, its calls, its restarts
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
    queue = :counters.new(2, [:write_concurrency])

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

    children = [{Beamlens.Notifier, %{operators: operators, queue: queue}}, {Beamlens.Engine, engine}]
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
