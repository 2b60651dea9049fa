defmodule Mix.Tasks.Beamlens.Install do
  @shortdoc "Installs the engine of BeamLens"
  @moduledoc """
  Puts the engine into the `priv` folder of the package, where `mix release` finds it too.

      mix beamlens.install                                   # builds it with this machine's Go, from the repository
      mix beamlens.install --path /opt/beamlens/bin/beamlens # copies that one
      mix beamlens.install --archive beamlens.tar.gz --sha256 SUM

  | option | |
  |---|---|
  | `--path FILE` | the program |
  | `--archive FILE` | a `.tar.gz` of a release with `beamlens` in it; `--sha256` is then required |
  | `--sha256 SUM` | its checksum |
  """
  use Mix.Task

  @impl true
  def run(args) do
    {opts, rest, invalid} = OptionParser.parse(args, strict: [path: :string, archive: :string, sha256: :string])
    if rest != [] or invalid != [], do: Mix.raise("mix beamlens.install takes --path FILE, or --archive FILE --sha256 SUM")
    # The package's own folder, also when it is a dependency.
    dir = Map.get(Mix.Project.deps_paths(), :beamlens, File.cwd!())
    out = Path.join(dir, "priv/beamlens")
    File.mkdir_p!(Path.dirname(out))

    cond do
      path = opts[:path] -> install(File.read(Path.expand(path)), path, out)
      archive = opts[:archive] -> unpack(archive, opts[:sha256], out)
      true -> build(dir, out)
    end

    Mix.shell().info("#{String.trim(check(out))} is installed in #{out}")
    # An application that is built already gets it without being compiled again.
    built = Path.join(Mix.Project.build_path(), "lib/beamlens/priv")
    if File.dir?(built) and match?({:error, _}, File.read_link(built)), do: File.cp!(out, Path.join(built, "beamlens"))
    :ok
  end

  defp install({:ok, program}, _, out) do
    File.write!(out <> ".new", program)
    File.chmod!(out <> ".new", 0o755)
    check(out <> ".new")
    File.rename!(out <> ".new", out)
  end

  defp install({:error, why}, path, _), do: Mix.raise("#{path}: #{:file.format_error(why)}")

  # A program that is another, or for another machine, is not left in the place of one that works.
  defp check(path) do
    case System.cmd(path, ["version"], stderr_to_stdout: true) do
      {"beamlens " <> _ = text, 0} -> text
      {text, _} -> refuse(path, text)
    end
  rescue
    e in ErlangError -> refuse(path, inspect(e.original))
  end

  defp refuse(path, text) do
    File.rm(path)
    Mix.raise("this is not the engine, or not for this machine: #{String.slice(text, 0, 200)}")
  end

  defp unpack(_, nil, _), do: Mix.raise("--archive needs --sha256 SUM: the release names it")

  defp unpack(archive, sum, out) do
    content =
      case File.read(archive) do
        {:ok, content} -> content
        {:error, why} -> Mix.raise("#{archive}: #{:file.format_error(why)}")
      end

    found = Base.encode16(:crypto.hash(:sha256, content), case: :lower)

    if found != String.downcase(sum),
      do: Mix.raise("#{archive} has the checksum #{found}, not #{sum}: it is not what was released")

    with {:ok, files} <- :erl_tar.extract({:binary, content}, [:memory, :compressed]),
         {_, program} <- Enum.find(files, fn {name, _} -> Path.basename(to_string(name)) == "beamlens" end) do
      install({:ok, program}, archive, out)
    else
      nil -> Mix.raise("there is no beamlens in #{archive}")
      {:error, why} -> Mix.raise("#{archive} cannot be unpacked: #{inspect(why)}")
    end
  end

  defp build(dir, out) do
    root = Path.expand("..", dir)

    cond do
      not File.regular?(Path.join(root, "cmd/beamlens/main.go")) ->
        Mix.raise("the engine's source is not here; give --path FILE, or --archive FILE --sha256 SUM of a release")

      is_nil(System.find_executable("go")) ->
        Mix.raise("Go is not installed; give --path FILE, or --archive FILE --sha256 SUM of a release")

      true ->
        case Beamlens.Build.go(root, out) do
          :ok -> :ok
          {:error, text} -> Mix.raise(text)
        end
    end
  end
end
