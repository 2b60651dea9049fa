defmodule Beamlens.Operator.Supervisor do
  @moduledoc """
  Starts and stops operators while the application runs.

      {:ok, _pid} = Beamlens.Operator.Supervisor.start_operator(:ets)
      {:ok, _pid} = Beamlens.Operator.Supervisor.start_operator(name: :cache, skill: MyApp.Skills.Redis)
      :ok = Beamlens.Operator.Supervisor.stop_operator(:ets)

  What was started stays started: also when the engine dies and another one comes, and when this supervisor is restarted. What was stopped
  stays stopped, until `Beamlens` itself is started again.
  """
  use Supervisor

  require Logger

  alias Beamlens.{Engine, Operator, Status}

  @most 64

  @doc "Starts a supervisor; `Beamlens` has one, with this module's name. The option is `:name`."
  def start_link(opts \\ []) do
    name = Keyword.get(opts, :name, __MODULE__)
    Supervisor.start_link(__MODULE__, name, name: name)
  end

  @impl true
  def init(name) do
    children = if name == __MODULE__, do: Enum.filter(Status.wanted(), &free?/1), else: []
    # An operator's process does nothing that can fail. Who kills many does not take the others along.
    Supervisor.init(Enum.map(children, &Operator.child_spec/1), strategy: :one_for_one, max_restarts: 100, max_seconds: 5)
  end

  # The processes of a supervisor that was killed may be about to end. One that stays is somebody else's.
  defp free?(op) do
    with pid when is_pid(pid) <- Operator.whereis(op.name) do
      ref = Process.monitor(pid)

      receive do
        {:DOWN, ^ref, _, _, _} -> true
      after
        1_000 -> not Process.demonitor(ref, [:flush])
      end
    else
      nil -> true
    end
  end

  @doc """
  Starts an operator: an atom, or a keyword list with `:name`, `:skill` and the options of `Beamlens`.

  | result | |
  |---|---|
  | `{:ok, pid}` | the engine has it, or gets it as soon as there is an engine |
  | `{:error, {:already_started, pid}}` | there is one with that name, and it is left alone |
  | `{:error, {:unknown_builtin_skill, atom}}` | there is no built-in skill with that name |
  | `{:error, :max_children}` | there are #{@most} operators |
  | `{:error, :not_running}` | `Beamlens` is not started |
  | `{:error, text}` | it does not fit, its skill raised, or the engine refused it: the text says why |

  It waits until the engine has it: some milliseconds for a built-in skill, and the time of its first snapshot for one of yours, at most
  fifteen seconds. The third argument is for who knows it from the original; all operators have the models that `Beamlens` was given.
  """
  def start_operator(supervisor \\ __MODULE__, spec, client_registry \\ nil)

  def start_operator(supervisor, name, registry) when is_atom(name) and name not in [nil, true, false] do
    if name in Operator.builtin_skills(),
      do: start_operator(supervisor, [name: name], registry),
      else: {:error, {:unknown_builtin_skill, name}}
  end

  def start_operator(supervisor, spec, registry) do
    with {:ok, op} <- Operator.one(spec) do
      if registry || (is_list(spec) && spec[:client_registry]) do
        Logger.warning(
          "BeamLens: operator #{inspect(op.name)}: its client_registry is not used; all operators have the models that Beamlens was given",
          domain: [:beamlens]
        )
      end

      start(supervisor, op)
    end
  end

  defp start(supervisor, op) do
    with nil <- Operator.whereis(op.name),
         true <- length(Status.entries()) < @most || {:error, :max_children},
         {:ok, pid} <- Supervisor.start_child(supervisor, Operator.child_spec(op)) do
      if supervisor == __MODULE__, do: Status.want(op)
      settle(supervisor, op, pid)
    else
      pid when is_pid(pid) -> {:error, {:already_started, pid}}
      {:error, {reason, child}} when is_tuple(child) -> {:error, reason}
      {:error, reason} -> {:error, reason}
    end
  catch
    :exit, {:noproc, _} -> {:error, :not_running}
  end

  # One that the engine refuses is not kept.
  defp settle(supervisor, op, pid) do
    case Engine.await(op.name) do
      {:error, text} ->
        stop_operator(supervisor, op.name)
        {:error, text}

      _ ->
        {:ok, pid}
    end
  end

  @doc """
  Stops an operator by its name: `:ok`, or `{:error, :not_found}`. It waits until the engine has stopped it. Its alerts stay, and are taken
  over when it is started again.
  """
  def stop_operator(supervisor \\ __MODULE__, name) do
    id = {Operator, name}

    with pid when is_pid(pid) <- GenServer.whereis(supervisor) || {:error, :not_found},
         op = Enum.find_value(Status.entries(), fn {op, _} -> if op.name == name, do: op end),
         :ok <- Supervisor.terminate_child(supervisor, id) do
      _ = Supervisor.delete_child(supervisor, id)
      if op && supervisor == __MODULE__, do: Status.unwant(op)
      Engine.await_end(name)
    end
  catch
    :exit, _ -> {:error, :not_found}
  end

  @doc "Starts the operators of `config :beamlens, :operators`, and returns what `start_operator/3` says of each."
  def start_operators(supervisor \\ __MODULE__),
    do: for(spec <- Application.get_env(:beamlens, :operators, []), do: start_operator(supervisor, spec))

  @doc "Starts some operators. What `start_operator/3` says of each is in the log, when it is an error."
  def start_operators_with_opts(supervisor \\ __MODULE__, operators, client_registry) do
    for spec <- operators do
      with {:error, reason} <- start_operator(supervisor, spec, client_registry),
           do: Logger.error("BeamLens: operator #{inspect(spec)} is not started: #{inspect(reason)}", domain: [:beamlens])
    end

    :ok
  end

  @doc "The same as `Beamlens.list_operators/0`."
  def list_operators, do: Beamlens.list_operators()

  @doc "The same as `Beamlens.operator_status/1`."
  def operator_status(name), do: Beamlens.operator_status(name)

  @doc "The names of the skills that are built in."
  def builtin_skills, do: Operator.builtin_skills()

  @doc "The names of the operators that `Beamlens` was given; before it is started, those of `config :beamlens, :operators`."
  def configured_operators do
    Status.configured() ||
      for spec <- Application.get_env(:beamlens, :operators, []), do: if(is_list(spec), do: spec[:name], else: spec)
  end
end
