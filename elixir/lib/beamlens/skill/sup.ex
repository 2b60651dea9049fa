defmodule Beamlens.Skill.Sup do
  @moduledoc """
  The built-in skill `:sup`: restarts, missing and odd children.

  It is part of the engine, which reads the VM through the probe. `beamlens skills sup` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :sup

  @doc false
  def title, do: "supervision trees"

  @doc false
  def description, do: "restarts, missing and odd children"
end
