defmodule Beamlens.Skill.Logger do
  @moduledoc """
  The built-in skill `:logger`: rates by level, errors by place.

  It is part of the engine, which reads the VM through the probe. `beamlens skills logger` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :logger

  @doc false
  def title, do: "the log"

  @doc false
  def description, do: "rates by level, errors by place"
end
