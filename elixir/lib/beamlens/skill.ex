defmodule Beamlens.Skill do
  @moduledoc ~S"""
  A skill of your own: one field of your application that an operator watches.

      defmodule MyApp.Skills.Redis do
        @behaviour Beamlens.Skill

        @impl true
        def id, do: :redis

        @impl true
        def system_prompt, do: "You watch Redis. A hit rate under 0.8 is bad; clients over 500 are many."

        @impl true
        def snapshot, do: %{clients: MyApp.Redis.clients(), hit_rate: MyApp.Redis.hit_rate()}

        @impl true
        def callbacks, do: %{"redis_slow_log" => &MyApp.Redis.slow_log/1}

        @impl true
        def callback_docs, do: "- `redis_slow_log(limit)` → the slowest commands, slowest first: [{command, ms}]"
      end

      {Beamlens, operators: [[name: :redis, skill: MyApp.Skills.Redis]]}

  ## Callbacks

  | callback | |
  |---|---|
  | `id/0` | an atom: lower-case letters, digits and underscores |
  | `system_prompt/0` | who the operator is, and what is normal and what is not |
  | `snapshot/0` | a map, taken once a second: make it cheap. Its numbers are watched as series |
  | `callbacks/0` | a map of a name to a function, of any arity. A model calls them by name, from Lua |
  | `callback_docs/0` | Markdown for the model: what each function takes and gives |
  | `title/0`, `description/0` | optional: for people, and in one line for the coordinator |
  | `rules/0` | optional: thresholds that hold from the first second, a list of maps with `metric:`, `above:`, and optionally `severity:` (`:info`, `:warning`, `:critical`), `for_s:` and `doc:` |

  ## How they are run

  In a process of their own, of low priority, for at most five seconds and with a heap of at most 32 MB; at most eight at a time. One
  that raises, loops or grows ends with an error for the model, and with nothing else. What they return is made safe for JSON: structs
  become maps, dates text, tuples lists, atoms and pids text; what is too deep or too long is cut.

  Which numbers are watched is decided when the engine starts, by a first snapshot.
  """

  @callback id() :: atom
  @callback system_prompt() :: String.t()
  @callback snapshot() :: map
  @callback callbacks() :: %{optional(String.t()) => fun}
  @callback callback_docs() :: String.t()
  @callback title() :: String.t()
  @callback description() :: String.t()
  @callback rules() :: [map]
  @optional_callbacks title: 0, description: 0, rules: 0

  @doc false
  # What the engine is told of it. Runs in a worker.
  def describe(module) do
    %{
      title: optional(module, :title, fn -> Atom.to_string(module.id()) end),
      description: optional(module, :description, fn -> "a skill of the application: #{inspect(module)}" end),
      system_prompt: module.system_prompt(),
      callback_docs: module.callback_docs(),
      callbacks: for({name, fun} <- module.callbacks(), do: %{name: to_string(name), arity: arity(fun)}),
      rules: optional(module, :rules, fn -> [] end)
    }
  end

  @doc false
  # The fields of a snapshot that are numbers, as text.
  def metrics(snapshot), do: for({name, value} <- snapshot, is_number(value), do: to_string(name))

  @doc false
  def call(module, callback, args) do
    case Enum.find(module.callbacks(), fn {name, _} -> to_string(name) == callback end) do
      nil -> raise ArgumentError, "skill #{inspect(module)} has no callback #{callback}"
      {_, fun} -> apply(fun, fit(args, arity(fun), callback))
    end
  end

  # Lua leaves out what is nil at the end.
  defp fit(args, arity, _) when length(args) <= arity, do: args ++ List.duplicate(nil, arity - length(args))
  defp fit(args, arity, name), do: raise(ArgumentError, "#{name} takes #{arity} argument(s), got #{length(args)}")

  defp arity(fun), do: :erlang.fun_info(fun, :arity) |> elem(1)

  defp optional(module, name, default) do
    if function_exported?(module, name, 0), do: apply(module, name, []), else: default.()
  end
end
