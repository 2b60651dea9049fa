defmodule Beamlens.Skill.Node do
  @moduledoc """
  The built-in skill `:node`: whether the VM answers the engine, and what was seen of it last.

  It is part of the engine and reads the engine's side of the port, so it speaks while the VM cannot. `beamlens skills node` shows what it watches
  and its callbacks.
  """

  @doc false
  def id, do: :node

  @doc false
  def title, do: "the node itself"

  @doc false
  def description, do: "whether the node is there and answers"
end
