defmodule Beamlens.Skill.Allocator do
  @moduledoc """
  The built-in skill `:allocator`: memory that is taken and not used.

  It is part of the engine, which reads the VM through the probe. `beamlens skills allocator` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :allocator

  @doc false
  def title, do: "memory allocators"

  @doc false
  def description, do: "memory that is taken and not used"
end
