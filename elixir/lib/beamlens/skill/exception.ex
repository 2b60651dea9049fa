defmodule Beamlens.Skill.Exception do
  @moduledoc """
  The built-in skill `:exception`: processes that ended with an error, and exceptions that were reported through Tower
  (`Beamlens.Skill.Exception.ExceptionStore`), grouped by kind, type and place.

  It is part of the engine, which reads the VM through the probe. `beamlens skills exception` shows what it watches and its callbacks.
  """

  @doc false
  def id, do: :exception

  @doc false
  def title, do: "exceptions"

  @doc false
  def description, do: "crash reports and reported exceptions, by kind, type and place"
end
