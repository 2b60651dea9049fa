defmodule Beamlens.Skill.Gc do
  @moduledoc """
  The built-in skill `:gc`: rates, heaps against what survives, who is never collected.

  It is part of the engine, which reads the VM through the probe. `beamlens skills gc` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :gc

  @doc false
  def title, do: "garbage collection"

  @doc false
  def description, do: "rates, heaps against what survives, who is never collected"
end
