defmodule Beamlens.Skill.Beam do
  @moduledoc """
  The built-in skill `:beam`: processes, mailboxes, memory by kind, atoms, schedulers.

  It is part of the engine, which reads the VM through the probe. `beamlens skills beam` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :beam

  @doc false
  def title, do: "the virtual machine"

  @doc false
  def description, do: "processes, mailboxes, memory by kind, atoms, schedulers"
end
