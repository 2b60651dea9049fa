defmodule Beamlens.Skill.System do
  @moduledoc """
  The built-in skill `:system`: CPU, memory, disks, limits of the cgroup.

  It is part of the engine, which reads the VM through the probe. `beamlens skills system` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :system

  @doc false
  def title, do: "the host and its container"

  @doc false
  def description, do: "CPU, memory, disks, limits of the cgroup"
end
