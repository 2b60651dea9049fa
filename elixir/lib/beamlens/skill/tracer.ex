defmodule Beamlens.Skill.Tracer do
  @moduledoc """
  The built-in skill `:tracer`: calls of single functions, limited; off by default in the engine.

  It is part of the engine, which reads the VM through the probe. `beamlens skills tracer` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :tracer

  @doc false
  def title, do: "safe tracing"

  @doc false
  def description, do: "calls of single functions, limited; off by default in the engine"
end
