defmodule Beamlens.Operator do
  @moduledoc """
  One operator: one skill, watched by itself, with a model context of its own. It works in the engine.

  This module reads the specifications that are given to `Beamlens`.
  """

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
    tracer: Beamlens.Skill.Tracer
  ]

  @enforce_keys [:name, :wire, :id]
  defstruct [:name, :wire, :id, :module, :compaction_max_tokens, :compaction_keep_last]

  @doc "The names of the skills that are built in."
  def builtin_skills, do: Keyword.keys(@builtin)

  @doc "What one operator is doing; see `Beamlens.operator_status/1`."
  def status(name), do: Beamlens.operator_status(name)

  @doc false
  # Reads the specifications; of those that do not fit it says why.
  def parse(specs) do
    {good, bad} = specs |> Enum.map(&one/1) |> Enum.split_with(&match?({:ok, _}, &1))
    good = Enum.map(good, &elem(&1, 1))
    unique = Enum.uniq_by(good, & &1.name)
    {unique, Enum.map(bad, &elem(&1, 1)) ++ Enum.map(good -- unique, &"operator #{inspect(&1.name)} is given twice")}
  end

  defp one(name) when is_atom(name), do: one(name: name)

  defp one([{_, _} | _] = spec) do
    name = spec[:name]

    cond do
      not is_atom(name) or name in [nil, true, false] -> {:error, "operator #{inspect(spec)} needs a name:, an atom"}
      module = spec[:skill] || @builtin[name] -> with_skill(name, module, spec)
      true -> {:error, "operator #{inspect(name)} has no skill:, and there is no built-in one with that name"}
    end
  end

  defp one(other), do: {:error, "operator #{inspect(other)} is neither an atom nor a keyword list"}

  defp with_skill(name, module, spec) do
    module = Keyword.get(@builtin, module, module)

    if Code.ensure_loaded?(module) and function_exported?(module, :id, 0) do
      {:ok,
       %__MODULE__{
         name: name,
         wire: Atom.to_string(name),
         id: module.id(),
         # What is built in is in the engine.
         module: if(function_exported?(module, :snapshot, 0), do: module),
         compaction_max_tokens: spec[:compaction_max_tokens],
         compaction_keep_last: spec[:compaction_keep_last]
       }}
    else
      {:error, "operator #{inspect(name)}: #{inspect(module)} is no skill; it must be there and have id/0, see Beamlens.Skill"}
    end
  rescue
    e -> {:error, "operator #{inspect(name)}: #{inspect(module)}.id/0 raised #{Exception.message(e)}"}
  end
end
