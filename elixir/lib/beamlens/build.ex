defmodule Beamlens.Build do
  @moduledoc false
  # Builds the engine from the repository that this package is in.

  @sources ~w(.go .mod .beam .md .lua .sql .tmpl .txt .ex .exs .html .js .css)

  # The repository, if this package is in one.
  def root do
    root = Path.expand("..", File.cwd!())
    if File.regular?(Path.join(root, "cmd/beamlens/main.go")), do: root
  end

  def out, do: Path.join(File.cwd!(), "priv/beamlens")

  def stale do
    root = root()
    out = out()
    # Who has an engine already needs none.
    wanted = root && is_nil(System.get_env("BEAMLENS_PATH")) && is_nil(Application.get_env(:beamlens, :path))
    if wanted && System.find_executable("go") && newer?(root, out), do: {:stale, root, out}, else: :fresh
  end

  defp newer?(root, out) do
    case File.stat(out, time: :posix) do
      {:ok, %{mtime: built}} -> newer_in?(root, built, ["elixir", ".git", "bin", "docs"])
      _ -> true
    end
  end

  defp newer_in?(dir, built, left_out \\ ["_build", "deps", "testdata"]) do
    Enum.any?(File.ls!(dir), fn name ->
      path = Path.join(dir, name)

      case File.lstat(path, time: :posix) do
        {:ok, %{type: :directory}} -> name not in left_out and newer_in?(path, built)
        {:ok, %{type: :regular, mtime: t}} -> t > built and Path.extname(name) in @sources
        _ -> false
      end
    end)
  end

  def go(root, out) do
    work = Path.join(Mix.Project.build_path(), "beamlens_go")
    File.mkdir_p!(work)
    File.mkdir_p!(Path.dirname(out))
    file = Path.join(work, "go.work")

    modules =
      for mod <- [root | Path.wildcard(Path.join(root, "{cmd,ext,internal}/*"))], File.regular?(Path.join(mod, "go.mod")), do: mod

    text = "go 1.26.0\n\nuse (\n" <> Enum.map_join(modules, &"\t#{&1}\n") <> ")\n"
    # An unchanged file keeps its time, and what Go knows of it.
    if File.read(file) != {:ok, text}, do: File.write!(file, text)
    env = [{"GOWORK", file}, {"GOFLAGS", "-buildvcs=false"}]

    case System.cmd("go", ["build", "-o", out <> ".new", "./cmd/beamlens"],
           cd: root,
           env: env,
           stderr_to_stdout: true
         ) do
      {_, 0} ->
        # A running engine keeps the old file.
        File.rename!(out <> ".new", out)
        :ok

      {text, status} ->
        {:error, "go build ended with #{status}: #{String.slice(text, 0, 1000)}"}
    end
  end
end
