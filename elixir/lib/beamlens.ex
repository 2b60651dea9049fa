defmodule Beamlens do
  @moduledoc """
  Watches this VM from the inside, and says what is wrong and who is to blame.

      children = [
        {Beamlens, operators: [:beam, :ets, :gc, :logger, :ports, :sup, :system, :exception]}
      ]

  That is all. An engine, one program of its own, is started as a port and supervised. It reads this VM through a small module that it
  asks once a second, and costs the VM no scheduler time for models or analysis. If it dies it is started again; if it cannot be
  started, one message in the log says why and the application runs on without it; if the VM dies, it writes down what it knew.

  No key and no network are needed: without a language model the built-in analyst investigates.

  ## Options

  | option | default | |
  |---|---|---|
  | `:operators` | `config :beamlens, :operators`, else none | what to watch, see below |
  | `:client_registry` | none | language models: `%{primary: name, clients: [%{name:, provider:, options:, retry_policy:}]}` |
  | `:coordinator` | `[]` | `compaction_max_tokens:` and `compaction_keep_last:` of the coordinator |
  | `:store` | a file per application and node in the user's data directory | where alerts, insights and baselines are kept; `false`: in memory |
  | `:path` | `config :beamlens, :path`, else `$BEAMLENS_PATH`, else what `mix compile` or `mix beamlens.install` has put into `priv`, else `beamlens` in `PATH` | the engine |
  | `:interval` | `1_000` | milliseconds between two snapshots |

  ## Operators

  An operator is an atom, or a keyword list:

  | key | default | |
  |---|---|---|
  | `:name` | required | what the operator is called |
  | `:skill` | the built-in skill with that name | a module: a built-in one such as `Beamlens.Skill.Ets`, one with `use Beamlens.Skill.Ecto`, or your own (`Beamlens.Skill`) |
  | `:compaction_max_tokens` | `50_000` | when a model's context is summarised |
  | `:compaction_keep_last` | `5` | how many messages stay as they are |

  Built in are #{Enum.map_join(Beamlens.Operator.builtin_skills(), ", ", &"`#{inspect(&1)}`")}.

  ## What it tells

  `:telemetry` events, if the application has `:telemetry`: see `Beamlens.Telemetry`. The state of the operators: `list_operators/0`.
  """

  @doc "Starts it, linked to the caller. In an application it is a child: `{Beamlens, options}`."
  def start_link(opts), do: Beamlens.Supervisor.start_link(opts)

  @doc "A child of your supervision tree."
  def child_spec(opts) do
    # Transient: a supervisor that gives up ends with :shutdown, and is then left alone. It does not take the application along.
    %{id: __MODULE__, start: {Beamlens.Supervisor, :start_link, [opts]}, type: :supervisor, restart: :transient}
  end

  @doc """
  What all operators are doing: `%{name:, operator:, state:, running:}`, in the order in which they were given.

  It is answered from a table and never waits for anybody.
  """
  def list_operators, do: Beamlens.Status.operators()

  @doc "What one operator is doing: `{:ok, %{operator:, state:, running:}}` or `{:error, :not_found}`. It never waits."
  def operator_status(name) do
    case Enum.find(list_operators(), &(&1.name == name)) do
      nil -> {:error, :not_found}
      status -> {:ok, Map.delete(status, :name)}
    end
  end

  @doc """
  Asks the coordinator a question, and returns its answer: `{:ok, text}` or `{:error, reason}`.

  | option | default | |
  |---|---|---|
  | `:timeout` | `60_000` | milliseconds; the answer is then `{:error, :timeout}` |
  """
  def ask(question, opts \\ []) when is_binary(question),
    do: Beamlens.Engine.ask(:ask, question, Keyword.get(opts, :timeout, 60_000))

  @doc """
  What the next request of an operator would send to its model: `{:ok, %{"system" => …, "messages" => …, "tools" => …}}`.

  Nothing is sent to anybody. Without a language model this is what the built-in analyst reads.
  """
  def payload(name), do: Beamlens.Engine.ask(:payload, to_string(name), 5_000)
end
