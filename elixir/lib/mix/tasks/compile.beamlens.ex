defmodule Mix.Tasks.Compile.Beamlens do
  @moduledoc """
  Builds the engine, as a part of `mix compile`: when the package is in its repository, Go is there, and the sources are newer than the
  engine in `priv`. Otherwise, or with `$BEAMLENS_PATH` or `config :beamlens, :path`, it does nothing; then these name the engine, or
  `mix beamlens.install` has put it there.
  """
  use Mix.Task.Compiler

  @impl true
  def run(_args) do
    case Beamlens.Build.stale() do
      {:stale, root, out} ->
        Mix.shell().info("Building the engine (Go) …")

        case Beamlens.Build.go(root, out) do
          :ok -> {:ok, []}
          # The application must compile without it.
          {:error, text} -> Mix.shell().error("BeamLens: the engine is not built: #{text}") && {:ok, []}
        end

      :fresh ->
        {:noop, []}
    end
  end
end
