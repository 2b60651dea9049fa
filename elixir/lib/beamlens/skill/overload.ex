defmodule Beamlens.Skill.Overload do
  @moduledoc """
  The built-in skill `:overload`: queues that grow, and what holds them up.

  It is part of the engine, which reads the VM through the probe. `beamlens skills overload` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :overload

  @doc false
  def title, do: "overload"

  @doc false
  def description, do: "queues that grow, and what holds them up"
end
