defmodule Beamlens.Skill.Ets do
  @moduledoc """
  The built-in skill `:ets`: how many, how large, which grow, whose they are.

  It is part of the engine, which reads the VM through the probe. `beamlens skills ets` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :ets

  @doc false
  def title, do: "ETS tables"

  @doc false
  def description, do: "how many, how large, which grow, whose they are"
end
