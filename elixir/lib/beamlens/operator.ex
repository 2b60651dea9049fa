defmodule Beamlens.Operator do
  @moduledoc """
  One operator: one skill, watched by itself, with a model context of its own. It works in the engine; here it is a process that stands
  for it. As long as the process lives, the engine has the operator, also one that was started anew.

  Operators are given to `Beamlens`, or started with `Beamlens.Operator.Supervisor.start_operator/3`, or put into a supervision tree of your
  own, after `Beamlens`:

      {Beamlens.Operator, name: :cache, skill: MyApp.Skills.Redis}

  Two operators may have one skill. Each has its own name in alerts, events and status, and its own context; the skill is read once for both.
  """
  use GenServer

  alias Beamlens.{Engine, Notifier, Status}

  @builtin [
    beam: Beamlens.Skill.Beam,
    ets: Beamlens.Skill.Ets,
    gc: Beamlens.Skill.Gc,
    logger: Beamlens.Skill.Logger,
    ports: Beamlens.Skill.Ports,
    sup: Beamlens.Skill.Sup,
    system: Beamlens.Skill.System,
    exception: Beamlens.Skill.Exception,
    allocator: Beamlens.Skill.Allocator,
    overload: Beamlens.Skill.Overload,
    vm_events: Beamlens.Skill.VmEvents,
    node: Beamlens.Skill.Node,
    tracer: Beamlens.Skill.Tracer
  ]

  @registry Beamlens.OperatorRegistry

  @enforce_keys [:name, :wire, :id]
  defstruct [:name, :wire, :id, :module, :key, :compaction_max_tokens, :compaction_keep_last, loop: true]

  @doc "The names of the skills that are built in."
  def builtin_skills, do: Keyword.keys(@builtin)

  @doc """
  A child of a supervision tree of your own; see `start_link/1`.

  `Beamlens` starts the operators that it is given itself.
  """
  def child_spec(%__MODULE__{} = op), do: %{id: {__MODULE__, op.name}, start: {__MODULE__, :start_link, [op]}}
  def child_spec(opts), do: %{id: {__MODULE__, opts[:name] || opts[:skill]}, start: {__MODULE__, :start_link, [opts]}}

  @doc """
  Starts an operator that lives as long as this process. `{Beamlens, …}` has to be started before.

  | option | default | |
  |---|---|---|
  | `:name` | the skill's id | an atom, or `{:via, Registry, {Beamlens.OperatorRegistry, atom}}` |
  | `:skill` | the built-in skill with that name | a module |
  | `:start_loop` | `true` | `false`: it is there, and watches nothing |
  | `:compaction_max_tokens`, `:compaction_keep_last` | as in `Beamlens` | |
  | `:client_registry` | | not taken: all operators have the models that `Beamlens` was given |

  It returns `{:error, {:already_started, pid}}` when there is one with that name, `{:error, :not_running}` without `Beamlens`, and
  `{:error, text}` when the options do not fit. It does not wait for the engine.
  """
  def start_link(%__MODULE__{} = op) do
    cond do
      Process.whereis(@registry) == nil -> {:error, :not_running}
      pid = whereis(op.name) -> {:error, {:already_started, pid}}
      true -> GenServer.start_link(__MODULE__, op)
    end
  end

  def start_link(opts) do
    with {:ok, op} <- one(opts), do: start_link(op)
  end

  @doc "What one operator is doing, by its name or process: `%{operator:, state:, running:}`, or `{:error, :not_found}`. It never waits."
  def status(server) do
    with {:ok, status} <- Beamlens.operator_status(name(server)), do: status
  end

  @doc "Ends an operator, by its name or process. One that `Beamlens.Operator.Supervisor` has started is not started again."
  def stop(server) do
    name = name(server)

    with {:error, :not_found} <- Beamlens.Operator.Supervisor.stop_operator(name) do
      case whereis(name) do
        nil -> {:error, :not_found}
        pid -> GenServer.stop(pid)
      end
    end
  end

  @doc false
  def whereis(name) do
    case Registry.lookup(@registry, name) do
      [{pid, _}] -> pid
      [] -> nil
    end
  rescue
    # It is not started.
    ArgumentError -> nil
  end

  defp name(pid) when is_pid(pid) do
    case Registry.keys(@registry, pid) do
      [name] -> name
      [] -> nil
    end
  rescue
    ArgumentError -> nil
  end

  defp name({:via, _, {_, name}}), do: name
  defp name(name), do: name

  ## Its process

  @impl true
  def init(op) do
    Process.flag(:trap_exit, true)

    case Registry.register(@registry, op.name, nil) do
      {:ok, _} ->
        Status.put(op, self())
        Engine.changed()
        {:ok, op}

      {:error, {:already_registered, pid}} ->
        {:stop, {:already_started, pid}}
    end
  end

  @impl true
  def handle_info({:EXIT, _, reason}, op), do: {:stop, reason, op}

  def handle_info(message, op) do
    Notifier.tell(Status.queue(), {
      :event,
      %{
        "name" => "operator.unexpected_message",
        "subject" => op.wire,
        "fields" => %{"message" => inspect(message, limit: 20, printable_limit: 200)}
      }
    })

    {:noreply, op}
  end

  @impl true
  def terminate(_, op) do
    Status.delete(op, self())
  rescue
    # Beamlens has ended before it.
    ArgumentError -> :ok
  end

  ## Specifications

  @doc false
  # Reads the specifications; of those that do not fit it says why.
  def parse(specs) do
    {good, bad} = specs |> Enum.map(&one/1) |> Enum.split_with(&match?({:ok, _}, &1))
    good = Enum.map(good, &elem(&1, 1))
    unique = Enum.uniq_by(good, & &1.name)
    {unique, Enum.map(bad, &elem(&1, 1)) ++ Enum.map(good -- unique, &"operator #{inspect(&1.name)} is given twice")}
  end

  @doc false
  def one(name) when is_atom(name), do: one(name: name)

  def one([{_, _} | _] = spec) do
    module = spec[:skill]
    name = name(spec[:name]) || default_name(module)

    cond do
      not is_atom(name) or name in [nil, true, false] -> {:error, "operator #{inspect(spec)} needs a name:, an atom"}
      module = module || @builtin[name] -> with_skill(name, module, spec)
      true -> {:error, "operator #{inspect(name)} has no skill:, and there is no built-in one with that name"}
    end
  end

  def one(other), do: {:error, "operator #{inspect(other)} is neither an atom nor a keyword list"}

  defp default_name(module) when is_atom(module) and module != nil,
    do: if(Code.ensure_loaded?(module) and function_exported?(module, :id, 0), do: module.id())

  defp default_name(_), do: nil

  defp with_skill(name, module, spec) do
    module = if is_atom(module), do: Keyword.get(@builtin, module, module), else: module

    if is_atom(module) and Code.ensure_loaded?(module) and function_exported?(module, :id, 0) do
      # What is built in is in the engine.
      custom = function_exported?(module, :snapshot, 0)

      {:ok,
       %__MODULE__{
         name: name,
         wire: Atom.to_string(name),
         id: module.id(),
         module: if(custom, do: module),
         key: if(custom, do: inspect(module)),
         compaction_max_tokens: spec[:compaction_max_tokens],
         compaction_keep_last: spec[:compaction_keep_last],
         loop: Keyword.get(spec, :start_loop, true)
       }}
    else
      {:error, "operator #{inspect(name)}: #{inspect(module)} is no skill; it must be there and have id/0, see Beamlens.Skill"}
    end
  rescue
    e -> {:error, "operator #{inspect(name)}: #{inspect(module)}.id/0 raised #{Exception.message(e)}"}
  end
end
