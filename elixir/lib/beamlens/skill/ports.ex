defmodule Beamlens.Skill.Ports do
  @moduledoc """
  The built-in skill `:ports`: how many, their queues, who opens them.

  It is part of the engine, which reads the VM through the probe. `beamlens skills ports` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :ports

  @doc false
  def title, do: "ports and sockets"

  @doc false
  def description, do: "how many, their queues, who opens them"
end
