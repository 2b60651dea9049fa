defmodule Beamlens.Skill.VmEvents do
  @moduledoc """
  The built-in skill `:vm_events`: long collections, busy ports, blocked schedulers.

  It is part of the engine, which reads the VM through the probe. `beamlens skills vm_events` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :vm_events

  @doc false
  def title, do: "what the virtual machine tells"

  @doc false
  def description, do: "long collections, busy ports, blocked schedulers"
end
